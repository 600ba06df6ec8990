"""The steps that only an image of Keras has."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from tfbuild.artifacts.git_tree import require_git_id
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.base.errors import BuildError
from tfbuild.base.project import PROJECT
from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.run import Run
from tfbuild.build.smoke import FOLDER, emulator, run_program
from tfbuild.build.steps import bake_targets, empty_folders, make_image, write_fetch_log
from tfbuild.engine.facts import RunResult
from tfbuild.machine.files import mark_files
from tfbuild.products.keras.part import KerasPart
from tfbuild.products.keras.smoke import judge_keras, judge_model, outcomes
from tfbuild.releases.wheels.resolve import platforms

ARTIFACTS = ("requirements.txt",)

_PYTHON = "/usr/bin/python3"
# Importing TensorFlow takes seconds; under an emulator, minutes.
_TIMEOUT_S = 300
_TIMEOUT_EMULATED_S = 3600
_NOT_THE_PROGRAM = shutil.ignore_patterns(".git", "__pycache__", "*.pyc")


def fetch(run: Run[KerasPart]) -> str:
    """The wheels, and what BuildKit gets to see of them and of the user's own files."""
    plan, layout = run.plan, run.layout
    part = plan.part
    run.downloads = run.effects.fetch_all(plan.pins, plan.unhashed)
    empty_folders(
        layout.request, layout.downloads, layout.archives, layout.app_request, layout.app, layout.model
    )
    for names, folder in ((part.wheels, layout.downloads), (part.app_wheels, layout.archives)):
        for name in names:
            _link(run.downloads[name], folder / name)
    glibc = load_platforms(PROJECT).require_suite(plan.root.suite).GLIBC
    tags = "".join(f"{each}\n" for each in platforms(glibc, plan.arch))
    own = len(part.wheels)
    for file, lines in (
        (layout.request / "requirements.txt", part.requirements[:own]),
        (layout.app_request / "app-requirements.txt", part.requirements[own:]),
    ):
        file.with_name("platforms").write_text(tags)
        file.write_text("".join(f"{line}\n" for line in lines))
    (layout.request / "leave-out").write_text("".join(f"{name}\n" for name in part.left_out))
    (layout.app_request / "app.json").write_text(json.dumps(settings(part), indent=2) + "\n")
    _copy_own(part, layout.app, layout.model)
    for folder in (layout.app, layout.model):
        mark_files(folder)
    return write_fetch_log(run)


def _link(source: Path, target: Path) -> None:
    """The same file under another name; gigabytes are not copied where that can be helped."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _copy_own(part: KerasPart, app: Path, model: Path) -> None:
    if part.app:
        require_git_id(Path(part.app.path), part.app.tree, "the program")
        shutil.copytree(part.app.path, app, ignore=_NOT_THE_PROGRAM, dirs_exist_ok=True, symlinks=True)
    if part.model:
        require_git_id(Path(part.model.path), part.model.id, "the model")
        source, target = Path(part.model.path), model / part.model.name
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)


def settings(part: KerasPart) -> dict[str, object]:
    """What the entry program of the image reads: dockerfiles/keras/entry.py."""
    return {
        "variant": part.variant,
        "command": list(part.command),
        "environment": dict(part.environment),
        "healthcheck": list(part.healthcheck),
    }


def install(run: Run[KerasPart]) -> str:
    """pip unpacks the wheels without network; what an image does not need is left out."""
    empty_folders(run.layout.out)
    bake_targets(run, ("install",), run.log("install"), BuildError)
    for log in sorted((run.layout.out / "log").glob("*.log")):
        shutil.copyfile(log, run.log(f"install-{log.stem}"))
    # Every wheel of the image: also those that only the program needs, which the step after this one unpacks.
    lines = "".join(f"{line}\n" for line in run.plan.part.requirements)
    (run.layout.out / "dist" / "requirements.txt").write_text(lines)
    saved = sum(size for _, size, _ in left_out(run.layout.out / "dist" / "left-out.tsv"))
    return f"{len(run.plan.part.wheels)} wheels, {saved >> 20} MiB left out"


def left_out(path: Path) -> list[tuple[str, int, str]]:
    """Group, bytes and path of what was left out."""
    rows = (line.split("\t") for line in path.read_text().splitlines())
    return [(group, int(size), name) for group, size, name in rows]


def image(run: Run[KerasPart]) -> str:
    """The runtime image under its candidate name, in two layers; and the files of the smoke test."""
    made = make_image(run, ("runtime-files", "application", "smoke"))
    for tar in run.layout.runtime.glob("*.tar"):  # gigabytes that the engine has now
        tar.unlink()
    return made


def smoke(run: Run[KerasPart]) -> tuple[list[SmokeOutcome], list[Finding]]:
    """TensorFlow and Keras in a fresh container of the candidate, and the model in another."""
    part = run.plan.part
    run.effects.reporter.progress(1, 1 + bool(part.model), "TensorFlow, Keras")
    ran = _run(run, "smoke.py")
    run.log("smoke").write_text(f"{ran.stdout}\n{ran.stderr}")
    findings = list(judge_keras(part, ran))
    told = list(outcomes(ran))
    if part.model and not any(each.severity == "error" for each in findings):
        run.effects.reporter.progress(2, 2, part.model.name)
        loaded = _run(run, "load_model.py", f"/models/{part.model.name}", part.model.kind)
        run.log("smoke-model").write_text(f"{loaded.stdout}\n{loaded.stderr}")
        findings += judge_model(part.model, loaded)
        told += outcomes(loaded)
    return told, findings


def _run(run: Run[KerasPart], program: str, *arguments: str) -> RunResult:
    command = (_PYTHON, f"{FOLDER}/{program}", *arguments)
    return run_program(run, command, timeout_s=_TIMEOUT_EMULATED_S if emulator(run) else _TIMEOUT_S)
