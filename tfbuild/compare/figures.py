"""What was measured of an image, and where it is kept: in the cache, by the image's id."""

from __future__ import annotations

import json
import math
import os
import re
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from tfbuild.base.documents import dump
from tfbuild.build.trial import Sample
from tfbuild.machine.user_files import replace_text

FOLDER = "benchmarks"  # of the cache


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Smallest, middle and largest of ``count`` values of one unit."""

    least: float
    median: float
    most: float
    count: Annotated[int, Field(ge=1)]

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Of at least one value."""
        found = [round(value, 6) for value in values]
        return cls(
            least=min(found), median=round(statistics.median(found), 6), most=max(found), count=len(found)
        )

    def text(self) -> str:
        """``median (least to most)``, each with three digits that count; one number where there is one."""
        if self.count == 1:
            return _three_digits(self.median)
        return f"{_three_digits(self.median)} ({_three_digits(self.least)} to {_three_digits(self.most)})"


def _three_digits(value: float) -> str:
    places = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{max(0, min(places, 9))}f}"


@dataclass(frozen=True, kw_only=True)
class Series:
    """One model with one number of threads; each round is a process of its own.

    ``latency_ms`` are the means of the rounds, ``load_ms`` the time from the file to an interpreter that is
    ready, ``memory_mib`` what the process took more by then and by the inferences.
    """

    model: str
    model_sha256: str
    threads: Annotated[int, Field(ge=1)]
    latency_ms: Spread
    load_ms: Spread | None
    memory_mib: Spread | None

    @property
    def key(self) -> tuple[str, str, int]:
        return (self.model, self.model_sha256, self.threads)

    @property
    def title(self) -> str:
        return f"{self.model}, {self.threads} thread{'s' if self.threads > 1 else ''}"


def series_of(model: str, sha256: str, threads: int, samples: Iterable[Sample]) -> Series:
    """The series of at least one sample."""
    found = list(samples)
    loads = [each.load_ms for each in found if each.load_ms is not None]
    sizes = [each.memory_mib for each in found if each.memory_mib is not None]
    return Series(
        model=model,
        model_sha256=sha256,
        threads=threads,
        latency_ms=Spread.of(each.latency_ms for each in found),
        load_ms=Spread.of(loads) if loads else None,
        memory_mib=Spread.of(sizes) if sizes else None,
    )


@dataclass(frozen=True, kw_only=True)
class Figures:
    """All that was measured of one image on this machine. ``image`` is its id."""

    version: Literal[1] = 1
    image: str
    machine: str
    series: tuple[Series, ...]

    def with_series(self, more: Iterable[Series]) -> Figures:
        """The same with ``more``, which take the place of what was measured of the same before."""
        found = {each.key: each for each in (*self.series, *more)}
        return replace(self, series=tuple(found[key] for key in sorted(found)))


def read_figures(cache: Path, image: str) -> Figures | None:
    """What the cache has of the image with this id; None where nothing, or nothing that can be read."""
    try:
        document = json.loads(_file(cache, image).read_text(encoding="utf-8"))
        found = TypeAdapter(Figures).validate_python(document)
    except (OSError, ValueError, ValidationError, RecursionError):
        return None
    return found if found.image == image else None


def keep_figures(cache: Path, figures: Figures) -> Path:
    """Write them into the cache, which is there; the file."""
    file = _file(cache, figures.image)
    file.parent.mkdir(exist_ok=True)
    replace_text(file, json.dumps(dump(figures), indent=2) + "\n")
    return file


def _file(cache: Path, image: str) -> Path:
    return cache / FOLDER / f"{re.sub(r'[^0-9a-f]', '', image.removeprefix('sha256:'))}.json"


def machine_words() -> str:
    """The processor and how many CPUs this process may use."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    model = re.search(r"^(?:model name|Model)\s*:\s*(.+)$", text, re.MULTILINE)
    name = model[1].strip() if model else os.uname().machine
    return f"{name}, {len(os.sched_getaffinity(0))} CPUs"
