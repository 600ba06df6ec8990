"""Which package a file of an image belongs to, by the records in it: dpkg's and those of Python wheels.

Images without a package manager have ``status.d/NAME.md5sums``, as scanners read them of distroless images; a
wheel has RECORD: https://packaging.python.org/specifications/recording-installed-packages/
"""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Protocol

from tfbuild.artifacts.elf.read import ELF_MAGIC
from tfbuild.artifacts.image.facts import FileType, ImageFile

_DPKG = "/var/lib/dpkg"


class ReadableImage(Protocol):
    """An image whose files can be read."""

    @property
    def files(self) -> Mapping[str, ImageFile]: ...

    def resolve(self, path: str) -> str | None: ...

    def read_many(self, paths: Iterable[str], limit: int | None = None) -> Iterator[tuple[str, bytes]]: ...


def elf_files(image: ReadableImage) -> tuple[str, ...]:
    """The paths of all ELF files, sorted."""
    files = [path for path, each in image.files.items() if each.type is FileType.FILE and each.size]
    heads = image.read_many(files, len(ELF_MAGIC))
    return tuple(sorted(path for path, start in heads if start == ELF_MAGIC))


def owners(image: ReadableImage) -> Mapping[str, str]:
    """The package of each path that a record names: its name in Debian, or that of the wheel's folder."""
    records = [path for path, each in image.files.items() if each.type is FileType.FILE and _is_record(path)]
    found: dict[str, str] = {}
    for record, data in image.read_many(records):
        name, paths = _parse(PurePosixPath(record), data.decode("utf-8", errors="replace"))
        for path in paths:
            real = image.resolve(path)
            if real is not None:
                found.setdefault(real, name)
    return found


def _is_record(path: str) -> bool:
    where = PurePosixPath(path)
    if where.name == "RECORD":
        return where.parent.suffix == ".dist-info"
    return (str(where.parent), where.suffix) in {
        (f"{_DPKG}/info", ".list"),
        (f"{_DPKG}/info", ".md5sums"),
        (f"{_DPKG}/status.d", ".md5sums"),
    }


def _parse(record: PurePosixPath, text: str) -> tuple[str, tuple[str, ...]]:
    """The package and its paths, absolute."""
    if record.name == "RECORD":
        site = record.parent.parent
        rows = (row for row in _rows(text) if row and row[0])
        return record.parent.stem, tuple(posixpath.normpath(posixpath.join(site, row[0])) for row in rows)
    name = record.stem.partition(":")[0]
    lines = (line for line in text.splitlines() if line.strip())
    if record.suffix == ".list":
        return name, tuple(lines)
    # md5sum(1): the sum, a space, a space or an asterisk, and the path from the root.
    words = (line.split(maxsplit=1) for line in lines)
    return name, tuple(f"/{pair[1].lstrip('*./')}" for pair in words if len(pair) == 2)


def _rows(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(text.splitlines())
    except csv.Error:  # a broken record owns what stands before
        return
