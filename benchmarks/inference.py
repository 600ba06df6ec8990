"""Inference of our library against the newest ai-edge-litert wheel, in one container.

    python -m benchmarks.inference [--rounds N] [--cpus N] [--neighbours N] [--dist FOLDER]
        [--models NAME ...]

The models of ``zoo.py``, one and two threads, with all CPUs, a quota (``--cpus 1.5``) or busy neighbours;
three programs take turns: the wheel's Python interpreter (the time of invoke() alone), our C++ library with
the default resolver, our C library with the XNNPACK delegate. Needs a finished ``invoke build-tflite``, and
TensorFlow once, which makes the models.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.figures import Spread, Target, machine, mib, paired_ratios, say, table
from benchmarks.lab import (
    HERE,
    PROJECT,
    Lab,
    bake_with,
    image_removed,
    open_lab,
    plan_for,
    replace_folder,
    root_folder,
)
from benchmarks.zoo import NAMES, SAME_OUTPUT, SHORT_OF_CPUS, Limits, limits_of
from tfbuild.base.errors import BuildError, NothingMatchesError
from tfbuild.cli.run import run_command
from tfbuild.engine.facts import RunOptions
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words

IMAGE = "tfbuild-bench/inference:latest"
# What rounds.py strives for, and the fewest such rounds that figures are made of.
CALM = 0.05
FEWEST = 5
# The Python of Debian 13, for which the wheel is taken.
_PYTHON = "3.13"
_GLIBC_TAGS = ("manylinux_2_27", "manylinux_2_28")


@dataclass(frozen=True)
class Series:
    """One program's figures: what rounds.py prints."""

    model: str
    threads: int
    program: str
    rounds: tuple[tuple[int, ...], ...]
    cpu: tuple[int, ...]
    others: tuple[float, ...]
    output: tuple[float, ...]
    peak_kib: int
    loaded: dict[str, int]
    cannot: str

    @property
    def calm(self) -> Series:
        """The rounds in which nothing else used the CPUs; all of them if those are too few."""
        kept = [i for i, part in enumerate(self.others) if part < CALM]
        if len(kept) < FEWEST:
            return self
        return replace(
            self,
            rounds=tuple(self.rounds[i] for i in kept),
            cpu=tuple(self.cpu[i] for i in kept),
            others=tuple(self.others[i] for i in kept),
        )

    @property
    def medians_ms(self) -> list[float]:
        """The median of each round, in milliseconds."""
        return [statistics.median(times) / 1e6 for times in self.rounds]

    @property
    def cpu_ms(self) -> list[float]:
        """CPU time of one inference in each round, in milliseconds."""
        return [total / len(times) / 1e6 for total, times in zip(self.cpu, self.rounds, strict=True)]

    @property
    def library_bytes(self) -> int:
        """What the library loads besides the distribution's own."""
        return sum(
            size for path, size in self.loaded.items() if path.startswith(("/dist/", "/wheel/ai_edge"))
        )


def models(lab: Lab) -> list[Path]:
    """All models, made once for each version of their programs."""
    programs = [HERE / "make_models.py", HERE / "zoo.py", PROJECT / "tests" / "zoo" / "convert.py"]
    version = hashlib.sha256(b"".join(each.read_bytes() for each in programs)).hexdigest()[:12]
    folder = lab.keep / f"models-{version}"

    def make(target: Path) -> None:
        say("making the models with TensorFlow")
        argv = [sys.executable, "-m", "benchmarks.make_models", str(target)]
        done = lab.runner.run(argv, log=lab.scratch / "models.log", cwd=PROJECT)
        if not done.ok:
            raise BuildError(
                "the models could not be made",
                details=done.tail[-5:],
                hint="pip install '.[bench]' brings TensorFlow",
            )

    _once(lab, folder, make)
    return [folder / f"{name}.tflite" for name in NAMES]


def wheel(lab: Lab, plan: Plan[Any]) -> Path:
    """The wheel and numpy, as pip installs them for the container's Python."""
    requirements = HERE / "in_container" / "wheel-requirements.txt"
    machine_tag = plan.arch.platform.triplet.partition("-")[0]
    version = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]

    def install(target: Path) -> None:
        say("installing the wheel")
        platforms = [f"--platform={tag}_{machine_tag}" for tag in _GLIBC_TAGS]
        options = [
            "--no-deps",
            "--require-hashes",
            "--only-binary=:all:",
            f"--python-version={_PYTHON}",
            *platforms,
        ]
        argv = [
            sys.executable,
            "-m",
            "pip",
            "install",
            *options,
            f"--target={target}",
            f"--requirement={requirements}",
        ]
        done = lab.runner.run(argv, log=lab.scratch / "pip.log")
        if not done.ok:
            raise BuildError("pip could not install the wheel", details=done.tail[-5:])

    folder = lab.keep / f"wheel-{machine_tag}-{version}"
    _once(lab, folder, install)
    return folder


def _once(lab: Lab, folder: Path, make: Callable[[Path], None]) -> None:
    if folder.is_dir():
        return
    with tempfile.TemporaryDirectory(dir=lab.keep) as temporary:
        made = Path(temporary) / "made"
        make(made)
        replace_folder(made, folder)


def build_image(lab: Lab, plan: Plan[Any], dist: Path, installed: Path, tag: str) -> None:
    """The image with everything in it."""
    say("making the container")
    python_root = replace(plan.root, include=("libstdc++6", "python3"))
    target = {
        "context": str(HERE / "in_container"),
        "dockerfile": "inference.Dockerfile",
        "contexts": {
            "builder": "target:builder",
            "root": "target:python-root",
            "wheel": str(installed),
            "dist": str(dist),
        },
        "args": {"TRIPLET": plan.arch.platform.triplet},
        "tags": [tag],
        "output": ["type=docker"],
        "attest": ["type=provenance,disabled=true"],
    }
    root = {
        "context": str(root_folder(lab, python_root)),
        "dockerfile": str(PROJECT / "dockerfiles" / "debian" / "base.Dockerfile"),
        "output": ["type=cacheonly"],
    }
    bake_with(lab, plan, {"inference": target, "python-root": root})


def run(lab: Lab, tag: str, paths: Sequence[Path], options: argparse.Namespace) -> list[Series]:
    """All rounds, in one container."""
    say(f"measuring: {options.rounds} rounds of {options.inferences} inferences")
    files = {f"/models/{path.name}": path for path in paths}
    numbers = (options.rounds, options.inferences, options.neighbours, *options.threads)
    command = (*map(str, numbers), "--", *files)
    # Generous: four tries for each round, and 100 ms for an inference, which happens where CPUs are short.
    turns = 4 * options.rounds * 3 * len(files) * len(options.threads)
    limit = 120 + turns * (1 + (options.inferences + 2) * 0.1)
    settings = RunOptions(files=files, mount="/models", timeout_s=limit, cpus=options.cpus)
    ran = lab.engine.run_once(tag, command, settings)
    if ran.exit_code != 0:
        raise BuildError(
            f"the container ended with {ran.exit_code}", details=tuple(ran.stderr.splitlines()[-10:])
        )
    return [_series(each) for each in json.loads(ran.stdout.splitlines()[-1])]


def _series(entry: dict[str, Any]) -> Series:
    return Series(
        model=entry["model"],
        threads=entry["threads"],
        program=entry["program"],
        rounds=tuple(tuple(times) for times in entry["rounds"]),
        cpu=tuple(entry["cpu"]),
        others=tuple(entry["others"]),
        output=tuple(entry["output"]),
        peak_kib=entry["peak_kib"],
        loaded=entry["loaded"],
        cannot=entry["cannot"],
    )


def report(series: Sequence[Series], limits: Limits) -> str:
    """The tables and the targets."""
    notes = _calmness(series)
    series = [each.calm for each in series]
    reference = {(each.model, each.threads): each for each in series if each.program == "wheel"}
    rows, outputs = [], []
    ratios: dict[tuple[int, str], dict[str, float]] = {}
    for each in series:
        wheel_series = reference[each.model, each.threads]
        if each.cannot:
            rows.append((_name(each), each.cannot, "", "", "", ""))
            continue
        ratio = paired_ratios(each.medians_ms, wheel_series.medians_ms)
        cpu = paired_ratios(each.cpu_ms, wheel_series.cpu_ms)
        rows.append(
            (
                _name(each),
                Spread.of(each.medians_ms).text(),
                ratio.text(),
                f"{cpu.median:.2f}",
                mib(each.peak_kib << 10),
                mib(each.library_bytes),
            )
        )
        if each is not wheel_series:
            ratios.setdefault((each.threads, each.program), {})[each.model] = ratio.median
            outputs.append(_difference(each, wheel_series))
    heads = ("min/median/max over rounds", "ms", "to the wheel", "CPU time", "peak memory", "files loaded")
    targets = [line for key, found in ratios.items() for line in _targets(*key, found, limits)]
    return "\n".join([table(heads, rows), *targets, *notes, *_agreement(outputs)]) + "\n"


def _name(each: Series) -> str:
    return f"{each.model}, {each.threads} thread{'s' if each.threads > 1 else ''}, {each.program}"


def _targets(threads: int, program: str, ratios: dict[str, float], limits: Limits) -> list[str]:
    """What became of the limits, for one program: of all its models that it can run."""
    what = f"{program}, {threads} thread{'s' if threads > 1 else ''}"
    median = statistics.median(ratios.values())
    if limits.median:
        lines = [str(Target(f"{what}: median of {len(ratios)} models", median, limits.median))]
    else:
        lines = [f"{what}: median of {len(ratios)} models {median:.2f}"]
    worst = max(ratios, key=lambda model: ratios[model])
    if limits.worst:
        lines.append(str(Target(f"{what}: slowest model ({worst})", ratios[worst], limits.worst)))
    else:
        lines.append(f"{what}: slowest model {worst}, {ratios[worst]:.2f}")
    return lines


def _difference(ours: Series, wheel_series: Series) -> tuple[Series, float]:
    theirs = wheel_series.output
    distance = max(abs(a - b) for a, b in zip(ours.output, theirs, strict=True))
    return ours, distance / (max(theirs) - min(theirs))


def _agreement(outputs: Sequence[tuple[Series, float]]) -> list[str]:
    """Whether the answers are the wheel's: fast and wrong would be no success."""
    wrong = [
        f"WRONG: {_name(each)}: output differs from the wheel's by {distance:.1%} of its range"
        for each, distance in outputs
        if distance > SAME_OUTPUT[each.model.rpartition("-")[2]]
    ]
    furthest = max((distance for _, distance in outputs), default=0.0)
    return wrong or [f"outputs agree with the wheel's: {furthest:.2%} apart at most"]


def _calmness(series: Sequence[Series]) -> list[str]:
    """How many rounds count, of how many, for each model and number of threads."""
    notes = []
    for each in series:
        if each.program != "wheel":
            continue
        calm = sum(part < CALM for part in each.others)
        text = f"{each.model}, {each.threads} thread{'s' if each.threads > 1 else ''}: "
        text += f"others left the CPUs alone in {calm} of {len(each.others)} rounds"
        notes.append(text if calm >= FEWEST else f"BUSY: {text}; all count, and do not tell much")
    return notes


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.inference", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=15, help="turns of each program [15]")
    parser.add_argument(
        "--inferences", type=int, default=20, help="in a turn, or as many as take 0.15 s [20]"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--models", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="[all]")
    parser.add_argument("--cpus", type=float, help="quota of CPU time, as for docker run [all CPUs]")
    parser.add_argument(
        "--neighbours", type=int, default=0, help="programs beside it that want a CPU each [0]"
    )
    parser.add_argument("--release", default="", help="as for invoke build-tflite")
    parser.add_argument("--config", default="", help="as for invoke build-tflite")
    parser.add_argument(
        "--dist", type=Path, help="folder of a finished build [the release's and config's in dist/]"
    )
    return parser.parse_args()


def main(options: argparse.Namespace) -> int:
    plan = plan_for(Words(release=options.release, config=options.config))
    dist: Path = (options.dist or PROJECT / plan.output).absolute()
    if not (dist / "manifest.json").is_file():
        raise NothingMatchesError(
            f"there is no finished build in {dist}",
            hint=f"invoke build-tflite --release {plan.release} --config {plan.config}",
        )
    with open_lab() as lab, image_removed(lab, IMAGE) as tag:
        paths = [path for path in models(lab) if path.stem in options.models]
        installed = wheel(lab, plan)
        build_image(lab, plan, dist, installed, tag)
        before = machine()
        series = run(lab, tag, paths, options)
    quota = f", {options.cpus} CPUs" if options.cpus else ""
    beside = f", {options.neighbours} busy beside it" if options.neighbours else ""
    heading = f"{plan.build_id} against ai-edge-litert{quota}{beside}"
    limits = SHORT_OF_CPUS if quota or beside else limits_of(plan.provider, plan.release)
    sys.stdout.write(f"{heading}; before: {before}; after: {machine()}\n\n")
    sys.stdout.write(report(series, limits))
    return 0


if __name__ == "__main__":
    arguments = parse()
    sys.exit(run_command(lambda: main(arguments)))
