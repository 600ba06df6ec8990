"""How long the steps took on this machine, for the time that is left. Kept in the cache beside the build."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from tfbuild.base.documents import dump
from tfbuild.build.layout import Layout
from tfbuild.machine.user_files import replace_text
from tfbuild.plan.plan import Plan

NAME = "times.json"


@dataclass(frozen=True, kw_only=True)
class StepTimes:
    """Seconds of the last time that the step had something new to do (``new``), and of the last time that it
    had been done before (``again``); ``key`` is that of the last one."""

    key: str
    new: float | None = None
    again: float | None = None

    def after(self, key: str, seconds: float) -> StepTimes:
        """The same after one more run."""
        if key == self.key:
            return StepTimes(key=key, new=self.new, again=seconds)
        return StepTimes(key=key, new=seconds, again=self.again)

    def expected(self, key: str) -> float | None:
        """Seconds that a run will take; None where nothing tells."""
        first, second = (self.again, self.new) if key == self.key else (self.new, self.again)
        return second if first is None else first


@dataclass(frozen=True, kw_only=True)
class Times:
    """The file: what is known of each step, by its id."""

    version: Literal[1] = 1
    steps: Mapping[str, StepTimes]


def expected_times(plan: Plan[Any], layout: Layout) -> dict[str, float]:
    """Seconds of each step by its id, as far as an earlier run on this machine tells.

    Where this build has none: those of the last other one of the release for this architecture. What such a
    one compiled is not what this one compiles, but as much.
    """
    own = _read(layout.work / NAME)
    others = list(_others(plan, layout))
    found: dict[str, float] = {}
    for step in plan.steps:
        known = [times[step.id] for times in (own, *others) if step.id in times]
        if known and (seconds := known[0].expected(step.key)) is not None:
            found[step.id] = seconds
    return found


def keep_time(layout: Layout, step: str, key: str, seconds: float) -> None:
    """Remember how long the step took. Nothing depends on it: a full disk is told by whom it matters to."""
    file = layout.work / NAME
    known = _read(file)
    before = known.get(step)
    known[step] = before.after(key, seconds) if before else StepTimes(key=key, new=seconds)
    with suppress(OSError):
        replace_text(file, json.dumps(dump(Times(steps=known))) + "\n")


def _others(plan: Plan[Any], layout: Layout) -> Iterator[dict[str, StepTimes]]:
    """The latest first."""
    pattern = f"{plan.product}-{plan.release}-*-{plan.arch}/{NAME}"
    files = [each for each in (layout.cache / "state").glob(pattern) if each.parent != layout.work]
    yield from (_read(each) for each in sorted(files, key=_changed, reverse=True))


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _read(file: Path) -> dict[str, StepTimes]:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return dict(TypeAdapter(Times).validate_python(document).steps)
    except (OSError, ValueError, ValidationError, RecursionError):
        return {}
