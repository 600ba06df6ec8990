"""The steps that only a build from an official wheel has."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

from tfbuild.artifacts.platforms import Platforms, load_platforms
from tfbuild.base.errors import NothingMatchesError
from tfbuild.base.project import PROJECT
from tfbuild.build.builders import make_builder
from tfbuild.build.run import Run
from tfbuild.build.steps import empty_folders, make_image, write_fetch_log
from tfbuild.products.tflite.part import WheelPart
from tfbuild.products.tflite.smoke.operators import PACKS
from tfbuild.products.tflite.steps import PYTHON_ARTIFACTS, WHEEL_FOLDER
from tfbuild.verify.checks.wheel import TagFacts
from tfbuild.verify.policy import Context
from tfbuild.verify.verify import load_policy
from tfbuild.verify.wheel import judge_wheel

ARTIFACTS = PYTHON_ARTIFACTS
_SMOKE = Path("dockerfiles", "tflite", "smoke")


def fetch(run: Run[WheelPart]) -> str:
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
        require_floor(pin.filename, tag, plan.part.suite, load_platforms(PROJECT))
    return write_fetch_log(run)


def builder(run: Run[WheelPart]) -> str:
    """What takes the image's files together, and what it is made of."""
    return make_builder(run, "report")


def image(run: Run[WheelPart]) -> str:
    """The image, and the smoke test's files, which need no source."""
    made = make_image(run)
    source = run.layout.project / _SMOKE
    for path in (source / "smoke.py", source / "operators.py", *sorted((source / "models").glob("*.tflite"))):
        shutil.copyfile(path, run.layout.smoke / path.name)
    for name in PACKS:
        with gzip.open(source / f"{name}.gz") as stored, (run.layout.smoke / name).open("wb") as pack:
            shutil.copyfileobj(stored, pack)
    return made


def require_floor(wheel: str, facts: TagFacts | None, suite: str, platforms: Platforms) -> None:
    """Raises :class:`NothingMatchesError` where ``suite`` is too old for the libraries of ``wheel``."""
    base = platforms.suites.get(suite)
    if base is None or facts is None:
        return
    gaps = [floor for floor in facts.needs if not base.has(floor.family, floor.version)]
    if not gaps:
        return
    lines = []
    for gap in gaps:
        because = f", for {', '.join(gap.symbols[:4])}" if gap.symbols else ""
        have = getattr(base, gap.family)
        lines.append(f"{gap.family}_{gap.version} is needed{because}; Debian {base.name} has {have}")
    raise NothingMatchesError(
        f"{wheel} cannot be loaded on Debian {base.name}, whatever its tag says",
        details=tuple(lines),
        hint="take a Python of a newer suite: --set tflite.python=VERSION, or another release",
    )
