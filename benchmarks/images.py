"""Our image with Keras against the usual ones: how large, and how long from docker run to the first answer.

    python -m benchmarks.images [--rounds N] [--release R]

Three images that answer the same question with the same model (examples/keras/predict), in turns:
ours, from ``invoke build-keras``; the usual Dockerfile (a slim base, ``pip install tensorflow keras``, copy,
run); and one that installs when it starts. The slim base is a Debian minbase with python3 and pip, since no
registry is needed for it; the wheels are pip's own choice for the same versions, from the host's index, and
no image has a network.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.figures import Spread, Target, machine, paired_ratios, say, table
from benchmarks.lab import HERE, PROJECT, Lab, image_removed, open_lab, root_folder
from tests.support.reporters import SilentReporter
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.base.errors import BuildError
from tfbuild.build.buildkit.buildx import bake
from tfbuild.cli.run import run_command
from tfbuild.downloads.pip_settings import find_pip
from tfbuild.engine.facts import RunOptions
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words, host_arch
from tfbuild.products.table import plan_of

SIZE_LIMIT, START_LIMIT = 0.6, 0.8
EXAMPLES = PROJECT / "examples" / "keras"
OURS, USUAL, LATE = "ours", "usual", "installs at start"
_TAGS = {
    OURS: "tfbuild-bench/keras:ours",
    USUAL: "tfbuild-bench/keras:usual",
    LATE: "tfbuild-bench/keras:late",
}
_PLAIN = "tfbuild-bench/keras:plain"
_ANSWER_S = 900


@dataclass(frozen=True)
class Start:
    """One start: seconds to the first answer, and the answer."""

    seconds: float
    answer: str


def build_ours(lab: Lab, words: Words, tag: str) -> Plan[Any]:
    """``invoke build-keras``"""
    words = replace(words, tag=tag, output=str(lab.scratch / "dist"))
    plan = plan_of(PROJECT, "keras", words, env={}, build_arch=host_arch())
    argv = [
        str(Path(sys.executable).parent / "invoke"), "build-keras", "--tag", tag, "--output", words.output,
        *(part for name in ("release", "app", "model") if getattr(words, name)
          for part in (f"--{name}", getattr(words, name))),
    ]  # fmt: skip
    ran = lab.runner.run(argv, cwd=PROJECT, log=lab.scratch / f"build-{tag.rpartition(':')[2]}.log")
    if not ran.ok:
        raise BuildError("build-keras failed", details=ran.tail[-20:])
    return plan


def make_model(lab: Lab, words: Words) -> Path:
    """The model of the training example, trained in a container of our own image."""
    with image_removed(lab, _PLAIN):
        build_ours(lab, words, _PLAIN)
        files = {
            "/smoke/train.py": EXAMPLES / "train" / "train.py",
            "/smoke/train_and_print.py": HERE / "in_container" / "train_and_print.py",
        }
        options = RunOptions(files=files, env={"MODEL_FILE": "/tmp/model.keras"}, timeout_s=_ANSWER_S)
        ran = lab.engine.run_once(_PLAIN, ("python3", "/smoke/train_and_print.py"), options)
    text = next((line for line in ran.stdout.splitlines() if line.startswith("model ")), "")
    if not text:
        raise BuildError("the training example made no model", details=tuple(ran.stderr.splitlines()[-10:]))
    model = lab.scratch / "model.keras"
    model.write_bytes(base64.b64decode(text.removeprefix("model ")))
    return model


def download_wheels(lab: Lab, plan: Plan[Any]) -> Path:
    """What ``pip install tensorflow keras`` takes: pip's own choice, kept between runs."""
    versions = dict(plan.part.versions)
    tensorflow = versions.get("tensorflow") or versions["tensorflow-cpu"]
    folder = lab.keep / f"usual-{tensorflow}"
    if (folder / "complete").exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    argv = (
        *find_pip(lab.runner), "download", "--quiet", "--only-binary", ":all:", "--dest", str(folder),
        "--python-version", plan.part.python, "--platform", "manylinux_2_28_x86_64",
        "--platform", "manylinux_2_27_x86_64", "--platform", "manylinux2014_x86_64",
        "--platform", "manylinux2010_x86_64", "--platform", "manylinux1_x86_64",
        f"tensorflow=={tensorflow}", f"keras=={versions['keras']}",
    )  # fmt: skip
    ran = lab.runner.run(argv, log=lab.scratch / "download.log")
    if not ran.ok:
        raise BuildError("pip download failed", details=ran.tail[-10:])
    (folder / "complete").touch()
    return folder


def build_theirs(lab: Lab, plan: Plan[Any], wheels: Path, model: Path) -> None:
    """The usual Dockerfile, and the one that installs when it starts."""
    app = lab.scratch / "app"
    shutil.copytree(EXAMPLES / "predict", app)
    models = lab.scratch / "models"
    models.mkdir()
    shutil.copyfile(model, models / "model.keras")
    root = root_folder(lab, replace(plan.root, include=("ca-certificates", "python3", "python3-pip")))
    versions = dict(plan.part.versions)
    tensorflow = versions.get("tensorflow") or versions["tensorflow-cpu"]
    common = {
        "context": str(HERE / "in_container"),
        "dockerfile": "usual.Dockerfile",
        "contexts": {"slim": "target:slim", "wheels": str(wheels), "app": str(app), "models": str(models)},
        "args": {"REQUIREMENTS": f"tensorflow=={tensorflow} keras=={versions['keras']}"},
        "output": ["type=docker"],
        "attest": ["type=provenance,disabled=true"],
    }
    document = {
        "target": {
            "slim": {
                "context": str(root),
                "dockerfile": str(PROJECT / "dockerfiles/debian/base.Dockerfile"),
                "output": ["type=cacheonly"],
            },
            "usual": {**common, "target": "usual", "tags": [_TAGS[USUAL]]},
            "late": {**common, "target": "late", "tags": [_TAGS[LATE]]},
        }
    }
    file = lab.scratch / "usual.json"
    file.write_text(json.dumps(document))
    log = lab.scratch / "usual.log"
    bake(lab.cli, file, ("usual", "late"), runner=lab.runner, reporter=SilentReporter(), log=log)


def size_of(lab: Lab, tag: str) -> int:
    """Bytes of the uncompressed layers; what an engine reports depends on its store."""
    archive = lab.scratch / "image.tar"
    lab.engine.save_image(tag, archive)
    try:
        with ImageArchive(archive) as image:
            return image.facts.layers_bytes
    finally:
        archive.unlink()


def start(lab: Lab, tag: str, wheels: Path | None) -> Start:
    """``docker run`` until the line with the answers."""
    mounts = ("--volume", f"{wheels}:/wheels:ro") if wheels else ()
    began = time.monotonic()
    answers: list[tuple[float, str]] = []

    def look(line: str) -> None:
        if line.startswith("answers "):
            answers.append((time.monotonic() - began, line))

    argv = ("docker", "run", "--rm", "--network=none", *mounts, tag)
    ran = lab.runner.run(argv, on_line=look, timeout_s=_ANSWER_S)
    if not answers:
        raise BuildError(f"{tag} gave no answer", details=ran.tail[-20:])
    return Start(*answers[0])


# What a busy machine changes least: the processor time of the same program, with the start of Python.
_CPU = (
    "import os, runpy; runpy.run_path('predict.py', run_name='__main__'); print('cpu', sum(os.times()[:2]))"
)


def cpu_seconds(lab: Lab, tag: str) -> float:
    """Seconds of processor time to the answer, user and system."""
    argv = ("docker", "run", "--rm", "--network=none", tag, "python3", "-c", _CPU)
    ran = lab.runner.run(argv, timeout_s=_ANSWER_S)
    found = [line for line in ran.tail if line.startswith("cpu ")]
    if not found:
        raise BuildError(f"{tag} gave no answer", details=ran.tail[-20:])
    return float(found[0].split()[1])


def numbers(answer: str) -> tuple[float, ...]:
    return tuple(float(word) for word in answer.split()[1:])


def report(
    sizes: dict[str, int], starts: dict[str, list[Start]], cpu: dict[str, list[float]]
) -> list[Target]:
    """Prints the table; returns the targets."""
    rows = []
    for name, size in sizes.items():
        seconds = [each.seconds for each in starts[name]]
        used = Spread.of(cpu[name]).text() if name in cpu else ""
        rows.append((name, f"{size / 1e6:.0f}", Spread.of(seconds).text(), used))
    sys.stdout.write(table(("image", "MB", "seconds to the first answer", "CPU seconds"), rows))
    ours = [each.seconds for each in starts[OURS]]
    usual = [each.seconds for each in starts[USUAL]]
    ratio = paired_ratios(ours, usual)
    sys.stdout.write(f"start, ours / usual: {ratio.text()}\n")
    sys.stdout.write(f"CPU time, ours / usual: {paired_ratios(cpu[OURS], cpu[USUAL]).text()}\n")
    return [
        Target("size, of the usual image", sizes[OURS] / sizes[USUAL], SIZE_LIMIT),
        Target("start, of the usual image's", ratio.median, START_LIMIT),
    ]


def measure(options: argparse.Namespace) -> int:
    """Builds the three images and starts them in turns."""
    with open_lab() as lab:
        words = Words(release=options.release)
        say(f"machine: {machine()}")
        model = make_model(lab, words)
        with (
            image_removed(lab, _TAGS[OURS]),
            image_removed(lab, _TAGS[USUAL]),
            image_removed(lab, _TAGS[LATE]),
        ):
            plan = build_ours(
                lab, replace(words, app=str(EXAMPLES / "predict"), model=str(model)), _TAGS[OURS]
            )
            wheels = download_wheels(lab, plan)
            build_theirs(lab, plan, wheels, model)
            sizes = {name: size_of(lab, tag) for name, tag in _TAGS.items()}
            starts = run_rounds(lab, wheels, options.rounds)
            cpu: dict[str, list[float]] = {OURS: [], USUAL: []}
            for _ in range(options.rounds):
                for name, seconds in cpu.items():
                    seconds.append(cpu_seconds(lab, _TAGS[name]))
        expected = numbers(starts[OURS][0].answer)
        for name, each in starts.items():
            if any(
                abs(one - other) > 1e-3
                for start in each
                for one, other in zip(numbers(start.answer), expected, strict=True)
            ):
                raise BuildError(f"{name} answers differently: {each[0].answer}")
        for target in report(sizes, starts, cpu):
            sys.stdout.write(f"{target}\n")
        say(f"machine: {machine()}")
    return 0


def run_rounds(lab: Lab, wheels: Path, rounds: int) -> dict[str, list[Start]]:
    """The starts; the first of each fills the page cache and does not count. What installs itself is only
    started once in three rounds: nothing depends on its median."""
    starts: dict[str, list[Start]] = {name: [] for name in _TAGS}
    for number in range(rounds + 1):
        order = (OURS, USUAL) if number % 2 else (USUAL, OURS)
        names = (*order, LATE) if number % 3 == 0 else order
        for name in names:
            found = start(lab, _TAGS[name], wheels if name == LATE else None)
            say(f"round {number}: {name} {found.seconds:.2f} s")
            if number or name == LATE:
                starts[name].append(found)
    return starts


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--release", default="", help="of keras [the newest that was built]")
    options = parser.parse_args(arguments)
    return run_command(lambda: measure(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
