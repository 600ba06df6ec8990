"""Whose a file of an image is, by the records in it: those of dpkg and of wheels, and bills of materials.

Images without a package manager have ``status.d/NAME.md5sums``, as scanners read them of distroless images; a
wheel has RECORD: https://packaging.python.org/specifications/recording-installed-packages/. A bill in
CycloneDX is a record of the files that it has below a component, as long as they have their hash.
"""

from __future__ import annotations

import csv
import hashlib
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Protocol

from tfbuild.artifacts.elf.read import ELF_MAGIC
from tfbuild.artifacts.image.facts import FileType, ImageFile

# Where apko has the bills of its packages; scanners know the place.
BILLS = "/var/lib/db/sbom"
_DPKG = "/var/lib/dpkg"
_BILL = ".cdx.json"
_RECORDS = (_BILL, "RECORD", ".list", ".md5sums")


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
    """The package of each path that a record names: its name in Debian, that of the wheel's folder, or that
    of a bill's component."""
    records = [path for path, each in image.files.items() if each.type is FileType.FILE and _is_record(path)]
    found: dict[str, str] = {}
    claims: dict[str, _Claim] = {}
    for record, data in image.read_many(records):
        text = data.decode("utf-8", errors="replace")
        if record.endswith(_BILL):
            claims |= {str(image.resolve(each.path)): each for each in _claims(text)}
            continue
        name, paths = _parse(PurePosixPath(record), text)
        for path in paths:
            real = image.resolve(path)
            if real is not None:
                found.setdefault(real, name)
    for path, data in image.read_many(path for path in claims if _is_file(image, path)):
        if hashlib.sha256(data).hexdigest() == claims[path].sha256:
            found.setdefault(path, claims[path].owner)
    return found


def _is_file(image: ReadableImage, path: str) -> bool:
    return path in image.files and image.files[path].type is FileType.FILE


def _is_record(path: str) -> bool:
    if not path.endswith(_RECORDS):  # an image has tens of thousands of files
        return False
    where = PurePosixPath(path)
    if str(where.parent) == BILLS:
        return where.name.endswith(_BILL)
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


@dataclass(frozen=True)
class _Claim:
    """A bill says that the file is a component's."""

    path: str
    sha256: str
    owner: str


def _claims(text: str) -> Iterator[_Claim]:
    """Nothing of what is no such document; https://cyclonedx.org/docs/1.6/json/#components_items_components."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return
    for each in _parts(document):
        for file in _list(each.get("components")):
            path, owner = file.get("name"), each.get("name")
            if file.get("type") == "file" and isinstance(path, str) and isinstance(owner, str):
                sums = {str(each.get("alg")): str(each.get("content")) for each in _list(file.get("hashes"))}
                yield _Claim(posixpath.join("/", path), sums.get("SHA-256", ""), owner)


def _parts(document: Any) -> Iterator[Mapping[str, Any]]:
    """What the document is about, and its components."""
    if isinstance(document, dict):
        metadata = document.get("metadata")
        yield from _list([metadata.get("component")] if isinstance(metadata, dict) else None)
        yield from _list(document.get("components"))


def _list(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _rows(text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(text.splitlines())
    except csv.Error:  # a broken record owns what stands before
        return
