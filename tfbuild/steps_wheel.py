"""The steps that only a build from an official wheel has."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from tfbuild.build_run import Run, empty_folders, make_builder, make_image, write_fetch_log
from tfbuild.platforms import PROJECT, load_platforms
from tfbuild.policy import Context
from tfbuild.smoke_operators import PACK
from tfbuild.steps_tflite import PYTHON_ARTIFACTS, WHEEL_FOLDER
from tfbuild.verify import load_policy
from tfbuild.verify_wheel import judge_wheel
from tfbuild.wheel_floor import require_floor

ARTIFACTS = PYTHON_ARTIFACTS
_SMOKE = Path("dockerfiles", "tflite", "smoke")


def fetch(run: Run) -> str:
    """The wheels, and whether the base has what they need: told before anything is made."""
    plan, layout = run.plan, run.layout
    run.downloads = run.effects.fetch_all(plan.pins, plan.unhashed)
    shutil.rmtree(layout.out, ignore_errors=True)
    folder = layout.out / "dist" / WHEEL_FOLDER
    empty_folders(layout.wheel, folder)
    rules = load_policy(layout.project, plan.policy).policy
    for pin in plan.pins:
        wheel = folder / pin.filename
        shutil.copyfile(run.downloads[pin.name], wheel)
        shutil.copyfile(wheel, layout.wheel / pin.filename)
        tag = judge_wheel(wheel, rules, Context(arch=plan.arch)).tag
        require_floor(pin.filename, tag, plan.wheel.suite, load_platforms(PROJECT))
    return write_fetch_log(run)


def builder(run: Run) -> str:
    """What takes the image's files together, and what it is made of."""
    return make_builder(run, "report")


def image(run: Run) -> str:
    """The image, and the smoke test's files, which need no source."""
    made = make_image(run)
    source = run.layout.project / _SMOKE
    for path in (source / "smoke.py", source / "operators.py", *sorted((source / "models").glob("*.tflite"))):
        shutil.copyfile(path, run.layout.smoke / path.name)
    with gzip.open(source / f"{PACK}.gz") as stored, (run.layout.smoke / PACK).open("wb") as pack:
        shutil.copyfileobj(stored, pack)
    return made
