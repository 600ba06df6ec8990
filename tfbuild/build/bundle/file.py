"""One file with everything that a build needs: how it is written, and how it is read without trust.

A gzipped tar: ``bundle.sha256`` (of ``bundle.json``), ``bundle.json`` (names, sizes and hashes of the rest),
and then the members, sorted, named as they lie in the cache. No time, owner or mode of this machine is in it:
the same cache gives the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, cast

from pydantic import TypeAdapter, ValidationError

from tfbuild.base.arch import Arch
from tfbuild.base.documents import Bytes, GitId, HexDigest, dump
from tfbuild.base.errors import ArchiveError, ChecksumError
from tfbuild.base.text import human_size
from tfbuild.downloads.archive.readers import BROKEN, Kind, Limits, Member, read_members
from tfbuild.downloads.archive.rules import Names
from tfbuild.machine.files import hash_file
from tfbuild.machine.user_files import beside_of, require_replaceable_file

_CHECKSUM, _CONTENTS = "bundle.sha256", "bundle.json"
# Text with some hundred bytes for each member; more is no table of contents.
_LARGEST_CONTENTS = 16 << 20
_CHUNK = 1 << 20
# Root filesystems shrink to two fifths by it; a higher level takes minutes for a tenth more.
_LEVEL = 1
# The places in the cache that a bundle may fill. A name that holds a hash has to be that of the content.
_PLAIN = r"[A-Za-z0-9_][A-Za-z0-9._+~@=-]{0,199}"
_PLACES = re.compile(
    rf"downloads/sha256-(?P<download>[0-9a-f]{{64}})/{_PLAIN}"
    rf"|(?:bases|builders)/{_PLAIN}/(?:root\.json|rootfs\.tar)"
    rf"|repositories/{_PLAIN}/content_addressable/sha256/(?P<cached>[0-9a-f]{{64}})/(?P<name>{_PLAIN})"
)
_LIMITS = Limits(total_bytes=64 << 30)


@dataclass(frozen=True, kw_only=True)
class BundleMember:
    """One file; ``path`` is below the cache folder."""

    path: str
    size: Bytes
    sha256: HexDigest


@dataclass(frozen=True, kw_only=True)
class BundledSource:
    """The archive of a source that is known by its git tree: a project may not know its sha256 yet."""

    tree: GitId
    filename: str
    sha256: HexDigest


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """``bundle.json``: what a bundle is for and what is in it."""

    version: Literal[1] = 1
    tfbuild: str
    product: str
    release: str
    config: str
    arch: Arch
    build_arch: Arch
    build_id: str
    key: HexDigest  # of the build that it is for
    source: BundledSource | None
    members: tuple[BundleMember, ...]


@dataclass(frozen=True, kw_only=True)
class BundleDocument:
    """``invoke bundle --json``: the file, its own sha256, and ``bundle.json`` out of it."""

    version: Literal[1] = 1
    status: Literal["written", "loaded"]
    file: str
    sha256: HexDigest
    bundle: Bundle


@dataclass(frozen=True)
class Ingredient:
    """A file for a bundle; ``sha256`` where it is known already."""

    path: str
    file: Path
    sha256: str | None = None


def summary(bundle: Bundle) -> tuple[str, ...]:
    """What is in it, for people: a line for each kind of content."""
    kinds: dict[str, list[int]] = {}
    for member in bundle.members:
        kinds.setdefault(member.path.partition("/")[0], []).append(member.size)
    lines = (f"  {kind:<12} {len(sizes)} files, {human_size(sum(sizes))}" for kind, sizes in kinds.items())
    return (f"for {bundle.build_id}, built on {bundle.build_arch}", *lines)


def member_of(each: Ingredient) -> BundleMember:
    """:raises OSError: the file cannot be read."""
    size = each.file.stat().st_size
    return BundleMember(path=each.path, size=size, sha256=each.sha256 or hash_file(each.file))


def write_bundle(target: Path, bundle: Bundle, files: Mapping[str, Path]) -> str:
    """Write the members of ``bundle`` from ``files`` (by their paths); the sha256 of what was written.

    The file gets its name when it is complete.

    :raises ChecksumError: a file is not what ``bundle`` says of it.
    :raises OSError: the disk refuses.
    """
    contents = (json.dumps(dump(bundle), indent=1, sort_keys=True) + "\n").encode()
    checksum = f"{hashlib.sha256(contents).hexdigest()}  {_CONTENTS}\n".encode()
    target = target.resolve()
    partial = beside_of(target)
    try:
        with partial.open("xb") as raw:
            out = _Hashing(raw)
            with _tar_writer(cast(IO[bytes], out)) as tar:
                tar.addfile(_header(_CHECKSUM, len(checksum)), io.BytesIO(checksum))
                tar.addfile(_header(_CONTENTS, len(contents)), io.BytesIO(contents))
                for member in bundle.members:
                    _add(tar, member, files[member.path])
        partial.replace(target)
        return out.digest.hexdigest()
    finally:
        partial.unlink(missing_ok=True)


def require_bundle_place(target: Path) -> None:
    """Raises :class:`tfbuild.base.errors.UsageError` where no bundle can be written, or something else is."""
    require_replaceable_file(target, _is_bundle, "a bundle", "choose another name: --file FILE")


def _is_bundle(file: Path) -> bool:
    try:
        with closing(_members(file)) as members:
            first = next(members, None)
    except (*BROKEN, ArchiveError, OSError):
        return False
    return first is not None and first.name == _CHECKSUM


def read_bundle(file: Path, staging: Path) -> tuple[Bundle, str]:
    """Unpack ``file`` into the folder ``staging``, every byte checked; what it is, and its own sha256.

    Nothing may be used of ``staging`` where this raises; the caller removes it.

    :raises ArchiveError: it is no bundle, is damaged or cut off, or holds what no bundle may hold.
    :raises OSError: the disk refuses.
    """
    with _explained(file), closing(_members(file)) as members:
        bundle = _contents(members)
        names = Names("", ())
        for expected in bundle.members:
            member = next(members, None)
            if member is None:
                raise ArchiveError(f"it ends before {expected.path!r}")
            names.check(member)
            _check_place(member, expected)
            _extract(member, expected, staging)
        extra = next(members, None)
        if extra is not None:
            raise ArchiveError(f"it holds {extra.name!r}, which its table of contents does not name")
    return bundle, hash_file(file)


class _Hashing(io.RawIOBase):
    """A file to write to that hashes what passes."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        self.digest.update(data)
        return self._out.write(data)


@contextmanager
def _tar_writer(out: IO[bytes]) -> Iterator[tarfile.TarFile]:
    # No name and no time in the header of gzip.
    with (
        gzip.GzipFile(filename="", fileobj=out, mode="wb", compresslevel=_LEVEL, mtime=0) as packed,
        tarfile.open(fileobj=cast(IO[bytes], packed), mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield tar


def _header(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info


def _add(tar: tarfile.TarFile, member: BundleMember, file: Path) -> None:
    with file.open("rb") as content:
        digest = hashlib.sha256()

        class Reader(io.RawIOBase):
            def read(self, size: int = -1, /) -> bytes:
                data = content.read(size)
                digest.update(data)
                return data

        size = os.fstat(content.fileno()).st_size
        if size == member.size:
            tar.addfile(_header(member.path, size), cast(IO[bytes], Reader()))
    if size != member.size or digest.hexdigest() != member.sha256:
        raise ChecksumError(
            f"{file} has changed since it was checked",
            details=(f"Expected: sha256 {member.sha256}, {member.size} bytes",),
            hint="delete it and run the same command again",
        )


def _members(file: Path) -> Generator[Member, None, None]:
    for member in read_members(file, _LIMITS):
        if member.kind is not Kind.FILE:
            raise ArchiveError(f"it holds {member.name!r}, a {member.kind.value}")
        yield member


def _contents(members: Iterator[Member]) -> Bundle:
    checksum = _text_of(next(members, None), _CHECKSUM, 200)
    contents = _text_of(next(members, None), _CONTENTS, _LARGEST_CONTENTS)
    if checksum != f"{hashlib.sha256(contents).hexdigest()}  {_CONTENTS}\n".encode():
        raise ArchiveError("its table of contents is damaged: its checksum is wrong")
    try:
        document = json.loads(contents)
        version = document.get("version") if isinstance(document, dict) else None
        if version != 1:
            raise ArchiveError(f"it is of version {version!r}; this program knows version 1")
        bundle: Bundle = TypeAdapter(Bundle).validate_python(document)
    except (ValueError, ValidationError) as error:
        raise ArchiveError(f"its table of contents cannot be understood: {type(error).__name__}") from error
    _check_members(bundle.members)
    return bundle


def _text_of(member: Member | None, name: str, limit: int) -> bytes:
    if member is None or member.name != name or member.size > limit:
        raise ArchiveError(f"it is not a bundle: {name} is not where it should be")
    with member.open() as content:
        return content.read(limit + 1)


def _check_members(members: Iterable[BundleMember]) -> None:
    seen: set[str] = set()
    for member in members:
        place = _PLACES.fullmatch(member.path)
        if place is None:
            raise ArchiveError(f"it would write {member.path!r}, which no bundle may")
        if member.path in seen:
            raise ArchiveError(f"it names {member.path!r} twice")
        seen.add(member.path)
        # Beside "file" there are markers, empty ones, for the URLs that a file is known by.
        hashed = place["download"] or (place["cached"] if place["name"] == "file" else None)
        if hashed and hashed != member.sha256:
            raise ArchiveError(f"{member.path!r} has a different sha256: {member.sha256}")


def _check_place(member: Member, expected: BundleMember) -> None:
    if member.name != expected.path:
        raise ArchiveError(f"it holds {member.name!r} where {expected.path!r} is expected")
    if member.size != expected.size:
        raise ArchiveError(f"{member.name!r} has {member.size} bytes, and should have {expected.size}")


def _extract(member: Member, expected: BundleMember, staging: Path) -> None:
    target = staging / expected.path
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, written = hashlib.sha256(), 0
    with target.open("xb") as out, member.open() as content:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            written += out.write(chunk)
    if written != expected.size:
        raise ArchiveError(f"it ends in the middle of {expected.path!r}")
    if digest.hexdigest() != expected.sha256:
        raise ArchiveError(
            f"{expected.path!r} is damaged: sha256 {digest.hexdigest()}, expected {expected.sha256}"
        )


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    details = (f"File: {file}", "nothing was unpacked")
    hint = "copy it again, and compare its sha256 with the one that 'invoke bundle' printed when it was made"
    try:
        yield
    except ArchiveError as error:
        message = f"{file.name} cannot be used as a bundle: {error.message}"
        raise ArchiveError(message, details=details, hint=hint) from error
    except BROKEN as error:
        message = f"{file.name} cannot be used as a bundle: it is damaged: {error or type(error).__name__}"
        raise ArchiveError(message, details=details, hint=hint) from error
