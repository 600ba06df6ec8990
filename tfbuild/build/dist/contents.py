"""What a build knows of who made what: told by the recipes, read from the files, told by the product."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfbuild.artifacts.elf.read import ELF_MAGIC
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.artifacts.image.owners import elf_files, owners
from tfbuild.artifacts.static_archive import AR_MAGIC
from tfbuild.artifacts.wheel import Wheel, WheelOrigin
from tfbuild.base.documents import Bytes, HexDigest
from tfbuild.base.errors import BuildError, UsageError, VerificationError
from tfbuild.base.values import Pin
from tfbuild.trust.bill import Kind, Role

CONTENTS = "contents.tsv"
LICENSES = "share/licenses"
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Content:
    """``owner``, a Debian package, the file name of a download, or the name of a material that is none, is in
    the file ``path``.

    ``path`` is relative to the dist folder, or to the wheel in it. ``copied``: the file is the owner's own;
    ``static``: a part of it is.
    """

    path: str
    how: Literal["copied", "static"]
    owner: str


@dataclass(frozen=True, kw_only=True)
class CodeFile:
    """A file with code in it: ELF, a static archive, a wheel."""

    path: str
    size: Bytes
    sha256: HexDigest
    sha1: str  # for SPDX 2.3


@dataclass(frozen=True, kw_only=True)
class ImageCode:
    """An ELF file in the image. ``record`` is who it belongs to by the records in the image: a package of
    Debian, name and version of a wheel with a dash between them, or a component of a bill; empty where none
    names it."""

    path: str
    size: Bytes
    sha256: HexDigest
    sha1: str  # for SPDX 2.3
    record: str


@dataclass(frozen=True, kw_only=True)
class WheelSays:
    """Author and licence as the wheel of the download ``filename`` tells them; empty where it does not."""

    filename: str
    author: str
    license: str


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a product knows of something that went into a result.

    ``pin`` is the name of the download that it is about; empty: it is none of the plan's, and then ``kind``,
    ``name`` and ``version`` are needed. ``ref`` is the version as upstream's repository has it. Empty texts,
    None and no roles: nothing else than what can be told of any download.
    """

    pin: str = ""
    kind: Kind | None = None
    name: str = ""
    version: str = ""
    roles: tuple[Role, ...] = ()
    license: str = ""
    repository: str = ""
    ref: str = ""
    commit: str | None = None
    sha256: str = ""
    location: str = ""
    swhid: str = ""
    note: str = ""


@dataclass(frozen=True)
class Materials:
    """All that a product knows; ``unlisted`` says what else is in the result, empty: nothing."""

    known: tuple[Material, ...] = ()
    unlisted: str = ""


def parse_contents(table: str) -> tuple[Content, ...]:
    """Lines of path, ``copied`` or ``static``, and owner, with tabs between them.

    :raises BuildError: a recipe wrote something else.
    """
    found = []
    for number, line in enumerate(table.splitlines(), start=1):
        words = line.split("\t")
        if len(words) != 3 or words[1] not in {"copied", "static"} or not all(words):
            raise BuildError(
                f"the recipe's {CONTENTS} cannot be read",
                details=(f"line {number}: {line!r}",),
                hint="note_content in dockerfiles/common/results.sh writes it",
            )
        found.append(
            Content(path=words[0], how="copied" if words[1] == "copied" else "static", owner=words[2])
        )
    return tuple(sorted(found, key=lambda each: (each.path, each.owner)))


def read_contents(out: Path) -> tuple[Content, ...]:
    """What the recipe noted; none where it noted nothing."""
    try:
        return parse_contents((out / CONTENTS).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ()


def code_files(folder: Path) -> tuple[CodeFile, ...]:
    """ELF files, static archives and wheels below ``folder``, sorted by path; links are left out."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return tuple(_code_file(folder, path) for path in paths if _is_code(path))


def _is_code(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(8)
    return start.startswith((ELF_MAGIC, AR_MAGIC)) or path.suffix == ".whl"


def _code_file(folder: Path, path: Path) -> CodeFile:
    sha256, sha1 = hashlib.sha256(), hashlib.sha1(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            sha256.update(chunk)
            sha1.update(chunk)
    return CodeFile(
        path=path.relative_to(folder).as_posix(),
        size=path.stat().st_size,
        sha256=sha256.hexdigest(),
        sha1=sha1.hexdigest(),
    )


def code_in_image(image: ImageArchive) -> tuple[ImageCode, ...]:
    """The ELF files of an opened image, sorted by path, each with its owner by the records in it."""
    known = owners(image)
    found = [
        ImageCode(
            path=path,
            size=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
            record=known.get(path, ""),
        )
        for path, data in image.read_many(elf_files(image))
    ]
    return tuple(sorted(found, key=lambda each: each.path))


def licenses_in(folder: Path) -> tuple[str, ...]:
    """Names of the licence texts in the folder: of packages and of locked sources."""
    return tuple(sorted(path.name for path in (folder / LICENSES).glob("*") if path.is_file()))


def wheels_say(pins: tuple[Pin, ...], downloads: Mapping[str, Path]) -> tuple[WheelSays, ...]:
    """What each wheel among the downloads says of itself."""
    return tuple(_wheels(pins, downloads))


def _wheels(pins: tuple[Pin, ...], downloads: Mapping[str, Path]) -> Iterator[WheelSays]:
    for pin in pins:
        if pin.filename.endswith(".whl") and pin.name in downloads:
            try:
                with Wheel(downloads[pin.name]) as wheel:
                    origin = wheel.origin()
            except (UsageError, VerificationError):  # odd, but pinned and in use: nothing is said of it
                origin = WheelOrigin("", "")
            yield WheelSays(filename=pin.filename, author=origin.author, license=origin.license)
