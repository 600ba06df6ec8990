"""How a result is tried: its image started as it is meant to be used, and its speed measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfbuild.engine.facts import ImageFacts, RunOptions, RunResult


@dataclass(frozen=True)
class Sample:
    """One process that computed one model: milliseconds of an inference and of loading the model, MiB."""

    latency_ms: float
    load_ms: float | None = None
    memory_mib: float | None = None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One process that measures; ``read`` raises :class:`ValueError` where it printed no figures."""

    command: tuple[str, ...]
    options: RunOptions
    read: Callable[[RunResult], Sample]


def _no_calls(ports: Mapping[int, int]) -> tuple[str, ...]:
    del ports
    return ()


@dataclass(frozen=True, kw_only=True)
class Start:
    """How a container is started for somebody to use.

    ``ports`` are those of the container with what they speak; ``calls`` are command lines that use it, made
    of the ports of this machine that lead there. ``docker`` is the same without this program.
    """

    command: tuple[str, ...] = ()
    options: RunOptions = field(default_factory=RunOptions)
    ports: Mapping[int, str] = field(default_factory=dict)
    calls: Callable[[Mapping[int, int]], tuple[str, ...]] = _no_calls
    docker: str = ""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What a product knows of trying its images.

    ``recognises`` tells an image of the product's, ours or anybody's. ``start`` gets a model, or None;
    ``measure`` a model and the number of threads; it is None where nothing measures such an image. Both raise
    :class:`tfbuild.base.errors.UsageError` for a model that does not do.
    """

    recognises: Callable[[ImageFacts], bool]
    start: Callable[[ImageFacts, str, Path | None], Start]
    measure: Callable[[ImageFacts, Path, int], Measurement] | None = None
    why_not: str = ""
