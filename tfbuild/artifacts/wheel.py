"""Reads a wheel without unpacking it.

The format: https://packaging.python.org/specifications/binary-distribution-format/
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from email.utils import parseaddr
from pathlib import Path
from typing import TypeVar

from tfbuild.artifacts.elf.read import ELF_MAGIC
from tfbuild.artifacts.foreign import HEAD
from tfbuild.base.errors import UsageError, VerificationError

ZIP_MAGIC = b"PK\x03\x04"
_MAX_FILE = 4 << 30  # bytes of one member; the largest of TensorFlow's wheels is 0.7 GB
_MAX_DOCUMENT = 64 << 20
_MAX_RATIO = 200  # deflate can do 1032, code hardly 5; tables of small numbers in headers are beyond it
_SMALL = 16 << 20  # bytes that do no harm whatever they were compressed to
_DAMAGE = (
    ArithmeticError, EOFError, LookupError, MemoryError, NotImplementedError, OSError, RuntimeError,
    TypeError, ValueError, csv.Error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True)
class WheelFacts:
    """What a wheel says of itself."""

    name: str
    version: str
    tags: tuple[str, ...]  # platform tags of the file name, or of WHEEL where it has another name
    python: str
    files: int
    unpacked: int  # bytes
    requires_python: str
    requires: tuple[str, ...]
    altered: tuple[str, ...]  # files that are not what RECORD says


@dataclass(frozen=True)
class WheelOrigin:
    """Who made a wheel and its licence, as it says itself; empty where it does not.

    https://packaging.python.org/specifications/core-metadata/
    """

    author: str
    license: str


_Opened = TypeVar("_Opened", bound="ZipPackage")


class ZipPackage:
    """An opened zip archive; use it as a context manager."""

    kind = "wheel or zip archive"

    def __init__(self, path: Path) -> None:
        """Raises VerificationError when ``path`` is damaged."""
        self.path = path
        with _damage(path, self.kind):
            self._zip = zipfile.ZipFile(path)
            self._members = {m.filename: m for m in self._zip.infolist() if not m.is_dir()}

    def __enter__(self: _Opened) -> _Opened:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    @property
    def names(self) -> tuple[str, ...]:
        """All members, sorted."""
        return tuple(sorted(self._members))

    def read(self, name: str, limit: int = _MAX_FILE) -> bytes:
        """The bytes of a member. Raises VerificationError when it is damaged or beyond all measure."""
        with _damage(self.path, self.kind):
            member = self._members[name]
            if member.file_size > min(limit, max(_SMALL, _MAX_RATIO * member.compress_size)):
                raise ValueError(f"{name} says it has {member.file_size} bytes")
            return self._zip.read(member)

    def heads(self) -> Iterator[tuple[str, bytes]]:
        """The first bytes of each member, sorted by name."""
        for name in self.names:
            with _damage(self.path, self.kind), self._zip.open(self._members[name]) as stream:
                start = stream.read(HEAD)
            yield name, start

    def elf_names(self) -> Iterator[str]:
        """Members that start like ELF files, sorted."""
        return (name for name, start in self.heads() if start.startswith(ELF_MAGIC))


class Wheel(ZipPackage):
    """An opened wheel; use it as a context manager."""

    kind = "wheel"

    def __init__(self, path: Path) -> None:
        """Raises UsageError when ``path`` is a zip file but no wheel, VerificationError when damaged."""
        super().__init__(path)
        # At the top: setuptools has the metadata of what it brings along further below.
        folders = {
            top for name in self._members for top in name.split("/")[:-1][:1] if top.endswith(".dist-info")
        }
        if len(folders) != 1:
            self._zip.close()
            raise UsageError(
                f"{path} is a zip file, but not a wheel: it has no .dist-info folder",
                hint="unpack it and verify what is in it",
            )
        self._info = folders.pop()

    def facts(self) -> WheelFacts:
        """What the wheel's documents say, compared with its files."""
        with _damage(self.path, self.kind):
            meta = HeaderParser().parsestr(self._document("METADATA"))
            wheel = HeaderParser().parsestr(self._document("WHEEL"))
            tags = _tags(self.path.name, [str(tag) for tag in wheel.get_all("Tag", [])])
            return WheelFacts(
                name=str(meta.get("Name", "")),
                version=str(meta.get("Version", "")),
                tags=tags[1],
                python=tags[0],
                files=len(self._members),
                unpacked=sum(m.file_size for m in self._members.values()),
                requires_python=str(meta.get("Requires-Python", "")),
                requires=tuple(sorted(str(each) for each in meta.get_all("Requires-Dist", []))),
                altered=tuple(sorted(self._altered())),
            )

    def origin(self) -> WheelOrigin:
        """What its metadata says of author and licence: one line each, or nothing."""
        with _damage(self.path, self.kind):
            meta = HeaderParser().parsestr(self._document("METADATA"))
        people = (
            str(meta.get(name, "")) for name in ("Author", "Author-email", "Maintainer", "Maintainer-email")
        )
        author = next((found for text in people if (found := _person(text))), "")
        license = str(meta.get("License-Expression") or meta.get("License") or "").strip()
        return WheelOrigin(author, "" if "\n" in license else license)

    def _document(self, name: str) -> str:
        return self.read(f"{self._info}/{name}", _MAX_DOCUMENT).decode("utf-8", errors="replace")

    def _altered(self) -> Iterator[str]:
        """Names whose hash or existence does not agree with RECORD; it cannot have its own hash."""
        listed: set[str] = set()
        for row in csv.reader(io.StringIO(self._document("RECORD"))):
            if not row:
                continue
            name, digest = row[0], row[1] if len(row) > 1 else ""
            listed.add(name)
            kind, _, expected = digest.partition("=")
            hashed = kind in {"sha256", "sha384", "sha512"}
            if name not in self._members or (hashed and self._digest(name, kind) != expected):
                yield name
        signatures = {f"{self._info}/{name}" for name in ("RECORD", "RECORD.jws", "RECORD.p7s")}
        yield from self._members.keys() - listed - signatures

    def _digest(self, name: str, kind: str) -> str:
        found = hashlib.new(kind, self.read(name)).digest()
        return base64.urlsafe_b64encode(found).rstrip(b"=").decode()


def _person(text: str) -> str:
    """The name in ``Name <address>``, or what stands there instead."""
    first = text.strip().splitlines()[0] if text.strip() else ""
    name, address = parseaddr(first) if "@" in first else (first, "")
    return " ".join((name or address).split())


def _tags(filename: str, inside: list[str]) -> tuple[str, tuple[str, ...]]:
    """Python tag and platform tags; the file name decides, as it does for installers."""
    match = re.fullmatch(r"[^-]+-[^-]+(?:-\d[^-]*)?-([^-]+)-([^-]+)-([^-]+)\.whl", filename)
    if match is not None:
        return f"{match[1]}-{match[2]}", tuple(match[3].split("."))
    parts = [tag.split("-") for tag in inside if tag.count("-") == 2]
    python = "-".join(parts[0][:2]) if parts else ""
    return python, tuple(sorted({part[2] for part in parts}))


class _damage:
    """Turns what zipfile lets out on damaged input into one error."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path, self._kind = path, kind

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, _DAMAGE):
            raise VerificationError(
                f"{self._path} is a damaged {self._kind}",
                details=(f"{type(error).__name__}: {str(error)[:300]}",),
                hint="download it again",
            ) from error
