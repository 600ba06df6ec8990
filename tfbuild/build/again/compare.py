"""Two results of one plan, compared file by file. Reads; judges nothing but equality."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tfbuild.artifacts.differences import describe_difference
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.artifacts.image.facts import FileType
from tfbuild.build.dist.manifest import Manifest, Package
from tfbuild.build.dist.ownership import CHECKSUMS, MANIFEST, VERIFY_REPORT, files_below
from tfbuild.machine.files import hash_file
from tfbuild.trust.files import CYCLONEDX_FILE, LATER_FILES, PROVENANCE_FILE, SPDX_FILE

# They tell of one run: times, jobs, hashes of its logs, the name of its image. What they say of the result is
# in the files that are compared; the bills of materials are made anew from the manifest.
_OF_ONE_RUN = frozenset(
    {
        MANIFEST,
        VERIFY_REPORT,
        PROVENANCE_FILE,
        CHECKSUMS,
        SPDX_FILE,
        CYCLONEDX_FILE,
        *LATER_FILES,
    }
)
_LOGS = "logs/"


@dataclass(frozen=True)
class Entry:
    """A path of a result: what it is, its rights, and the hash of its content, or where a link leads."""

    kind: str
    mode: int
    content: str
    owner: tuple[int, int] = (0, 0)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A path that is not the same in both; ``lines`` say what differs."""

    path: str
    lines: tuple[str, ...]


class Contents(Protocol):
    """A result that can be looked into."""

    @property
    def entries(self) -> Mapping[str, Entry]: ...

    def read(self, path: str) -> bytes: ...


class DistFolder:
    """What lies in a dist folder, but for the documents of one run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.entries = {name: self._entry(folder / name) for name in sorted(_compared(folder))}

    def read(self, path: str) -> bytes:
        return (self._folder / path).read_bytes()

    @staticmethod
    def _entry(path: Path) -> Entry:
        if path.is_symlink():
            return Entry("symlink", 0, str(path.readlink()))
        return Entry("file", path.stat().st_mode & 0o7777, hash_file(path))


def _compared(folder: Path) -> Iterator[str]:
    for name in files_below(folder):
        place = name.replace(os.sep, "/")
        if place not in _OF_ONE_RUN and not place.startswith(_LOGS):
            yield place


class ImageContents:
    """The files of an image."""

    def __init__(self, archive: ImageArchive) -> None:
        self._archive = archive
        files = [path for path, file in archive.files.items() if file.type is FileType.FILE]
        hashes = {path: hashlib.sha256(data).hexdigest() for path, data in archive.read_many(files)}
        self.entries = {
            path: Entry(str(each.type), each.mode, hashes.get(path, each.target), (each.uid, each.gid))
            for path, each in sorted(archive.files.items())
        }

    def read(self, path: str) -> bytes:
        return self._archive.read(path)


def compare(before: Contents, after: Contents, prefix: str = "") -> tuple[Difference, ...]:
    """Each path that is not the same in both, sorted."""
    paths = sorted(before.entries.keys() | after.entries.keys())
    return tuple(
        Difference(path=prefix + path, lines=lines)
        for path in paths
        if (lines := tuple(_lines(path, before, after)))
    )


def _lines(path: str, before: Contents, after: Contents) -> Iterator[str]:
    old, new = before.entries.get(path), after.entries.get(path)
    if old is None or new is None:
        yield f"only in the {'second' if old is None else 'first'} build"
        return
    if old.kind != new.kind:
        yield f"a {old.kind}, and a {new.kind}"
    if old.mode != new.mode:
        yield f"mode {old.mode:o}, and {new.mode:o}"
    if old.owner != new.owner:
        yield f"owner {old.owner[0]}:{old.owner[1]}, and {new.owner[0]}:{new.owner[1]}"
    if old.content != new.content and old.kind == new.kind:
        if old.kind == "symlink":
            yield f"a link to {old.content}, and to {new.content}"
        elif old.kind == "file":
            yield from describe_difference(before.read(path), after.read(path))


def compare_images(before: Path, after: Path, platform: str) -> tuple[Difference, ...]:
    """How the images in two archives differ; none where configuration and layers are the same."""
    with ImageArchive(before, platform=platform) as first, ImageArchive(after, platform=platform) as second:
        found = []
        if lines := tuple(_configuration(first, second)):
            found.append(Difference(path="image configuration", lines=lines))
        old, new = (tuple(each.diff_id for each in image.layers) for image in (first, second))
        if old != new:
            files = compare(ImageContents(first), ImageContents(second), "image:")
            found += files
            if not files:
                lines = (
                    f"layers {_short(old)}, and {_short(new)}",
                    "all files are the same: their times or order differ",
                )
                found.append(Difference(path="image layers", lines=lines))
        return tuple(found)


def _configuration(first: ImageArchive, second: ImageArchive) -> Iterator[str]:
    for name in first.config.__dataclass_fields__:
        old, new = getattr(first.config, name), getattr(second.config, name)
        if name == "labels":
            for label in sorted(old.keys() | new.keys()):
                if old.get(label) != new.get(label):
                    yield f"label {label}: {old.get(label)!r}, and {new.get(label)!r}"
        elif old != new:
            yield f"{name}: {old!r}, and {new!r}"


def _short(ids: tuple[str, ...]) -> str:
    return " ".join(each.removeprefix("sha256:")[:12] for each in ids)


def other_inputs(before: Manifest[object], after: Manifest[object]) -> tuple[str, ...]:
    """What the second build was given that the first was not, though the plan is the same: Debian packages
    of another version, compilers that say so."""
    found = [
        *_packages("the builder", before.packages, after.packages),
        *_packages("the image", before.image.packages, after.image.packages),
        *(
            f"tool, only of the {which}: {line}"
            for which, one, other in (("first", before, after), ("second", after, before))
            for line in one.tools
            if line not in other.tools
        ),
    ]
    return tuple(found)


def _packages(where: str, before: tuple[Package, ...], after: tuple[Package, ...]) -> Iterator[str]:
    old, new = (
        {(each.package, each.arch): each.version for each in packages} for packages in (before, after)
    )
    for name, arch in sorted(old.keys() | new.keys()):
        first, second = old.get((name, arch), "none"), new.get((name, arch), "none")
        if first != second:
            yield f"package {name}:{arch} of {where}: {first}, and {second}"
