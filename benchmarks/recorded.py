"""What single compile actions took, as the tools themselves wrote it down."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path

_SECOND_MS, _SECOND_US = 1000, 1_000_000
# Bazel's words for an action as a worker has timed it, and for any, from its start to its end.
_THERE, _HERE = "Remote execution process wall time", "action processing"
_COMPILED = (".o", ".pic.o", ".obj")


@dataclass(frozen=True)
class Action:
    """Seconds from its start to its end, on a machine that gave it a whole CPU."""

    name: str
    seconds: float


def recorded(path: Path) -> tuple[Action, ...]:
    """The compile actions of ninja's log, or of Bazel's profile (``*.gz``), in the order of their starts."""
    if path.suffix == ".gz":
        with gzip.open(path, "rt") as profile:
            return of_bazel(json.load(profile))
    return of_ninja(path.read_text())


def of_ninja(text: str) -> tuple[Action, ...]:
    """Version 5 and newer: start, end, restat time, output, hash. The last line about an output counts."""
    found: dict[str, tuple[int, int]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            start, end, _, output, _ = line.split("\t")
            if output.endswith(_COMPILED):
                found[output] = (int(start), int(end))
    inside = sorted((start, end, name) for name, (start, end) in found.items())
    return tuple(Action(name, (end - start) / _SECOND_MS) for start, end, name in inside)


def of_bazel(profile: dict[str, list[dict[str, object]]]) -> tuple[Action, ...]:
    """What workers say that their actions took, or what the compiles took here.

    https://bazel.build/advanced/performance/json-trace-profile
    """
    events = [each for each in profile["traceEvents"] if "dur" in each]
    chosen = [each for each in events if each.get("cat") == _THERE]
    chosen = chosen or [
        each for each in events if each.get("cat") == _HERE and str(each["name"]).startswith("Compiling")
    ]
    found = sorted((_number(each["ts"]), str(each["name"]), _number(each["dur"])) for each in chosen)
    return tuple(Action(name, length / _SECOND_US) for _, name, length in found)


def _number(value: object) -> float:
    return float(str(value))
