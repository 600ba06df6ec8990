"""Values that every folder uses: pins, findings, origins, the reporter's interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Origin:
    """Where a value came from: a file and line, the command line, or a built-in default."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True)
class Pin:
    """One download: where it may be had, and the sha256 that decides.

    A URL of the form ``debian:pool/...`` names a path in the Debian archive; which mirror serves it
    is resolved by :mod:`tfbuild.downloads.mirrors` when the download happens.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    filename: str
    size: int | None = None  # bytes, where known


@dataclass(frozen=True)
class Unhashed:
    """A download whose sha256 nobody published; ``tree`` is the git tree id of what is in it."""

    name: str
    urls: tuple[str, ...]
    filename: str
    strip_prefix: str
    tree: str
    lock: str  # of the release, relative to the project: gets the sha256 that is seen first


class Reporter(Protocol):
    """Where a running build tells what it does. Everything goes to stderr; results do not pass here."""

    def expect(self, seconds: Mapping[int, float]) -> None:
        """How long the steps will take, by their number, as far as earlier runs on this machine tell."""

    def step_started(self, index: int, total: int, title: str) -> None: ...
    def step_finished(self, status: str, detail: str = "", log: Path | None = None) -> None:
        """``status`` is ``ok``, ``skipped`` or ``failed``."""

    def progress(self, done: int, total: int, current: str = "") -> None:
        """``done`` of ``total`` units (ninja edges, Bazel actions) of the running step."""

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """``done`` of ``total`` bytes of the download ``name``; ``done == total`` ends it."""

    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...


# Writes the image that the first argument names to a file; raises NothingMatchesError if there is none.
SaveImage = Callable[[str, Path], None]


@dataclass(frozen=True)
class Finding:
    """A policy applied to facts: ``severity`` is ``error`` or ``warning``."""

    id: str
    severity: str
    message: str
    evidence: tuple[str, ...] = field(default=())
    fix: str | None = None


@dataclass(frozen=True)
class OperatorCount:
    """How many of the models of one operator were right in one way; ``delegated``: XNNPACK ran them whole."""

    way: str  # reference, xnnpack
    models: int
    right: int
    delegated: int


@dataclass(frozen=True)
class SmokeOutcome:
    """What one case did; stored in the manifest. ``operators`` is for the suite of single operators alone."""

    case: str
    exit_code: int
    version: str
    outputs: tuple[float, ...]
    delegated: int | None
    left: tuple[int, ...]
    operators: tuple[OperatorCount, ...] = ()
