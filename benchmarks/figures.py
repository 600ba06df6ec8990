"""Spreads, ratios and targets, as values and as text."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Smallest, middle and largest of some values, all of one unit."""

    least: float
    median: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        found = list(values)
        return cls(min(found), statistics.median(found), max(found), len(found))

    def text(self, digits: int = 2) -> str:
        """``min/median/max`` with ``digits`` after the point; one number where there is one value."""
        if self.count == 1:
            return f"{self.median:.{digits}f}"
        return "/".join(f"{value:.{digits}f}" for value in (self.least, self.median, self.most))


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> Spread:
    """The ratios of values that were taken side by side, so that what slowed both cancels out."""
    return Spread.of(mine / other for mine, other in zip(ours, theirs, strict=True))


@dataclass(frozen=True)
class Target:
    """A value that should not be above ``limit``."""

    what: str
    value: float
    limit: float
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.limit

    def __str__(self) -> str:
        if self.met:
            verdict = "met"
        elif self.limit:
            verdict = f"MISSED by {(self.value / self.limit - 1) * 100:.0f} %"
        else:
            verdict = "MISSED"
        value = f"{self.value:.3g}{self.unit}"
        return f"target: {self.what} at most {self.limit:g}{self.unit}: {value}, {verdict}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns under heads: the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in (heads, *rows)) for i in range(len(heads))]
    lines = []
    for first, *others in (heads, *rows):
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join((first.ljust(widths[0]), *cells)).rstrip())
    return "\n".join(lines) + "\n"


def mib(size: float) -> str:
    """``size`` in bytes, as MiB."""
    return f"{size / (1 << 20):.1f} MiB"


def say(text: str) -> None:
    """What goes on; results go to stdout."""
    print(text, file=sys.stderr, flush=True)


def machine() -> str:
    """How busy the machine is: everything above the benchmark's own load makes its figures worse."""
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} CPUs, load average {load} (1, 5, 15 minutes)"
