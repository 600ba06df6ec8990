"""What of a build is on this machine already. Looks at files; asks no engine, changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tfbuild.base.values import Pin
from tfbuild.build.dist.folder import is_finished
from tfbuild.build.dist.ownership import read_manifest
from tfbuild.build.earlier.times import expected_times
from tfbuild.build.layout import Layout
from tfbuild.build.roots import read_facts
from tfbuild.downloads.store import entry_of
from tfbuild.plan.plan import Plan
from tfbuild.plan.show.brief import There


def what_is_there(plan: Plan[Any], layout: Layout, output: Path) -> There:
    """What a build of ``plan`` into the folder ``output`` would find."""
    here = [pin for pin in plan.pins if _is_here(layout.cache, pin)]
    tools = plan.remote.tools if plan.remote else None
    roots = [root for root in (plan.root, plan.runtime_root, tools) if root]
    done = {
        "fetch": len(here) == len(plan.pins) and not plan.unhashed,
        "root": all(read_facts(layout.root(root)) for root in roots),
    }
    return There(
        files=len(here),
        bytes=sum((pin.size or _size(layout.cache, pin)) for pin in here),
        done=frozenset(step for step, is_done in done.items() if is_done),
        is_finished=is_finished(output, plan.build_id, plan.key),
        free=_free(layout.cache),
        seconds=_seconds(output),
        expected=_expected(plan, layout),
    )


def missing_pins(pins: Iterable[Pin], cache: Path) -> tuple[Pin, ...]:
    """Those of ``pins`` that a build would have to fetch."""
    return tuple(pin for pin in pins if not _is_here(cache, pin))


def _is_here(cache: Path, pin: Pin) -> bool:
    return entry_of(cache, pin).is_there()


def _size(cache: Path, pin: Pin) -> int:
    return entry_of(cache, pin).file.stat().st_size


def _free(folder: Path) -> int | None:
    """Bytes free where ``folder`` is, or will be made."""
    for place in (folder, *folder.parents):
        with suppress(OSError):
            return shutil.disk_usage(place).free
    return None


def _expected(plan: Plan[Any], layout: Layout) -> float | None:
    """How long a build will take, where each of its steps has been done here before."""
    times = expected_times(plan, layout)
    return sum(times.values()) if len(times) == len(plan.steps) else None


def _seconds(output: Path) -> float | None:
    """How long the steps took of the result that is in ``output``."""
    times = (read_manifest(output) or {}).get("seconds")
    return _sum(times.values()) if isinstance(times, dict) else None


def _sum(values: Iterable[Any]) -> float | None:
    found = [each for each in values if isinstance(each, int | float)]
    return sum(found) if found else None
