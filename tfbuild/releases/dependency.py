"""A dependency as a source declares it, and as the compile gets it; values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dependency:
    """A locked source: the name of its pin, the archive's one top folder, and CMake's variables for it.

    ``repository`` is empty and ``commit`` None for a plain file; ``ref`` is what upstream calls its state.
    """

    name: str
    sha256: str
    filename: str
    strip_prefix: str
    variables: tuple[str, ...]
    license: str
    license_file: str
    repository: str
    ref: str
    commit: str | None


@dataclass(frozen=True)
class PlacedFile:
    """A single file among the sources: the name of its pin, its hash, and where it lies in its project."""

    pin: str
    sha256: str
    path: str


@dataclass(frozen=True, order=True)
class Declared:
    """What a source says that its build would download."""

    name: str
    repository: str
    ref: str
