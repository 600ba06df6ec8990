"""The members of tar and zip archives as one kind of value, read once from front to back."""

from __future__ import annotations

import bz2
import calendar
import gzip
import importlib
import io
import lzma
import math
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, cast

from tfbuild.base.errors import ArchiveError

# What the standard library raises for archives that are cut or damaged. OSError is not among them: that
# is the disk, and Decompressed turns the decompressors' own OSErrors into ArchiveErrors.
BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    struct.error,
    ValueError,
    OverflowError,
    NotImplementedError,  # a compression method or version of zip that Python does not know
    RuntimeError,  # an encrypted zip
)

_MAX_MTIME = 1 << 33  # the year 2242; more is nonsense, and some file systems refuse it
_BLOCK = 512  # of tar
# tarfile reads extended headers into memory at once; real ones are below a few KiB.
_MAX_SINGLE_READ = 16 << 20
_MAX_LINK_TARGET = 4096  # PATH_MAX


class Kind(Enum):
    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symbolic link"
    HARD_LINK = "hard link"


@dataclass(frozen=True)
class Limits:
    """Against bombs. Real sources: TensorFlow 2.14 has 32 000 members, 0.3 GB, and packs 1:6; the GPU
    wheels of it unpack to some GB; text that packs better than 1:200 is not source code.

    ``total_bytes`` and the ratio count what comes out; the ratio counts only above ``ratio_floor`` bytes.
    """

    total_bytes: int = 16 << 30
    members: int = 500_000
    ratio: int = 200
    ratio_floor: int = 64 << 20


@dataclass(frozen=True)
class Member:
    """``size`` in bytes, ``mtime`` in seconds since the epoch, ``link`` the target as it stands.

    ``open`` gives the content; it must be read before the next member is asked for.
    """

    name: str
    kind: Kind
    size: int
    mtime: int
    executable: bool
    link: str
    open: Callable[[], IO[bytes]]


def read_members(archive: Path, limits: Limits) -> Iterator[Member]:
    """The members of ``archive``, whose format is told by its first bytes, not by its name.

    :raises ArchiveError: an unknown format, a kind of member that is never extracted, a bomb, or damage
        (which may also surface as one of ``BROKEN``).
    """
    with archive.open("rb") as file:
        magic = file.read(6)
        file.seek(0)
        if magic.startswith(b"PK"):
            yield from _zip_members(file, limits)
            return
        with _decompressor(file, magic) as stream:
            yield from _tar_members(Decompressed(stream, archive.stat().st_size, limits), limits)


class Decompressed(io.RawIOBase):
    """A forward-only view of a decompressor, as tarfile needs it, that counts what comes out of it."""

    def __init__(self, stream: IO[bytes], packed_size: int, limits: Limits) -> None:
        self._stream = stream
        self._position = 0
        ratio_limit = max(limits.ratio_floor, packed_size * limits.ratio)
        self._limit = min(limits.total_bytes, ratio_limit)
        self.last = b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self._position:
            raise ArchiveError("the archive refers to an earlier part of itself")
        while self._position < offset:
            if not self.read(min(1 << 20, offset - self._position)):
                break
        return self._position

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = -1 if size is None else size
        if not 0 <= wanted <= _MAX_SINGLE_READ:
            raise ArchiveError(f"the archive has a header of {wanted} bytes")
        try:
            self.last = self._stream.read(wanted)
        except OSError as error:  # gzip.BadGzipFile, and bz2's "Invalid data stream"
            raise ArchiveError(f"the archive is damaged: {error}") from error
        self._position += len(self.last)
        if self._position > self._limit:
            raise ArchiveError(
                f"the archive unpacks to more than {self._limit} bytes, far more than its size allows for"
            )
        return self.last

    def drain(self) -> None:
        """Read to the end, so that the decompressor checks its checksum."""
        while self.read(1 << 20):
            pass


@contextmanager
def _decompressor(file: IO[bytes], magic: bytes) -> Iterator[IO[bytes]]:
    if magic.startswith(b"\x1f\x8b"):
        stream = cast(IO[bytes], gzip.GzipFile(fileobj=file))
    elif magic.startswith(b"\xfd7zXZ\x00"):
        stream = cast(IO[bytes], lzma.LZMAFile(file))  # noqa: SIM115  (closed below)
    elif magic.startswith(b"BZh"):
        stream = cast(IO[bytes], bz2.BZ2File(file))
    elif magic.startswith(b"\x28\xb5\x2f\xfd"):
        stream = _zstd(file)
    else:
        yield file
        return
    with stream:
        yield stream


def _zstd(file: IO[bytes]) -> IO[bytes]:
    try:
        module = importlib.import_module("compression.zstd")
    except ImportError as error:
        raise ArchiveError(
            "the archive is compressed with zstd, which this Python cannot read",
            hint="use Python 3.14 or newer, or another form of the archive",
        ) from error
    return cast(IO[bytes], module.ZstdFile(file))


def _tar_members(stream: Decompressed, limits: Limits) -> Iterator[Member]:
    # "r:": our stream decompresses already. Sparse files and the like are refused below by their type.
    with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:", encoding="utf-8") as tar:
        count = 0
        while (info := tar.next()) is not None:
            count += 1
            _check_count(count, limits)
            yield _tar_member(tar, info)
            tar.members.clear()  # type: ignore[attr-defined]  # else tarfile keeps all of them
    # tarfile takes a missing end and a damaged header for the end alike.
    if stream.last != bytes(_BLOCK):
        raise ArchiveError("the archive is cut off or damaged: it has no end mark")
    stream.drain()


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    kind = _tar_kind(info)
    if kind is None or info.issparse():
        raise ArchiveError(f"the archive holds {info.name!r}, which is not extracted: {_tar_type(info)}")

    def content() -> IO[bytes]:
        stream = tar.extractfile(info)
        if stream is None:
            raise ArchiveError(f"the archive holds no content for {info.name!r}")
        return stream

    link = info.linkname if kind in {Kind.SYMLINK, Kind.HARD_LINK} else ""
    return Member(info.name, kind, info.size, _seconds(info.mtime), bool(info.mode & 0o100), link, content)


def _tar_kind(info: tarfile.TarInfo) -> Kind | None:
    if info.isdir():
        return Kind.FOLDER
    if info.issym():
        return Kind.SYMLINK
    if info.islnk():
        return Kind.HARD_LINK
    return Kind.FILE if info.type in {tarfile.REGTYPE, tarfile.AREGTYPE} else None


def _tar_type(info: tarfile.TarInfo) -> str:
    if info.ischr() or info.isblk():
        return "it is a device"
    if info.isfifo():
        return "it is a named pipe"
    if info.issparse():
        return "it is a sparse file"
    return f"it is of the unknown type {info.type!r}"


def _zip_members(file: IO[bytes], limits: Limits) -> Iterator[Member]:
    with _bad_offsets():
        archive = zipfile.ZipFile(file)
    with archive:
        infos = archive.infolist()
        _check_count(len(infos), limits)
        total = sum(info.file_size for info in infos)
        packed = file.seek(0, io.SEEK_END)
        # zipfile never gives more bytes than the directory promises, so the promise can be judged.
        limit = min(limits.total_bytes, max(limits.ratio_floor, packed * limits.ratio))
        if total > limit:
            raise ArchiveError(f"the archive unpacks to {total} bytes, more than the {limit} allowed for it")
        for info in infos:
            yield _zip_member(archive, info)


def _zip_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Member:
    mode = info.external_attr >> 16
    kind = _zip_kind(info, mode)
    problem = _zip_problem(info, kind)
    if kind is None or problem is not None:
        raise ArchiveError(f"the archive holds {info.orig_filename!r}, which is not extracted: {problem}")
    link = ""
    if kind is Kind.SYMLINK:
        if info.file_size > _MAX_LINK_TARGET:
            raise ArchiveError(f"the archive holds {info.filename!r}, a link with an overlong target")
        with _zip_content(archive, info) as content:
            link = content.read().decode("utf-8")
    # Times in a zip have no zone: taken as UTC, so that the result is the same everywhere.
    mtime = _seconds(calendar.timegm((*info.date_time, 0, 0, 0)))
    return Member(
        info.filename,
        kind,
        info.file_size,
        mtime,
        bool(mode & 0o100),
        link,
        lambda: _zip_content(archive, info),
    )


def _zip_content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    with _bad_offsets():
        return archive.open(info)


@contextmanager
def _bad_offsets() -> Iterator[None]:
    # zipfile seeks to whatever place the directory names, and the kernel refuses that.
    try:
        yield
    except OSError as error:
        raise ArchiveError(f"the archive is damaged: {error.strerror or error}") from error


def _zip_problem(info: zipfile.ZipInfo, kind: Kind | None) -> str | None:
    if kind is None:
        return "it is a special file"
    if info.orig_filename != info.filename:
        return "a NUL is in its name"
    # Bit 11: the name is UTF-8 (APPNOTE.TXT 4.4.4). Without it the encoding is anybody's guess.
    if not info.filename.isascii() and not info.flag_bits & 0x800:
        return "its name is not marked as UTF-8"
    return "it is encrypted" if info.flag_bits & 1 else None


def _zip_kind(info: zipfile.ZipInfo, mode: int) -> Kind | None:
    if info.filename.endswith("/"):  # ZipInfo.is_dir() fails for an empty name
        return Kind.FOLDER
    kinds = {0: Kind.FILE, stat.S_IFREG: Kind.FILE, stat.S_IFDIR: Kind.FOLDER, stat.S_IFLNK: Kind.SYMLINK}
    return kinds.get(stat.S_IFMT(mode))


def _seconds(value: float) -> int:
    if not math.isfinite(value):
        return 0
    return int(max(0, min(value, _MAX_MTIME)))


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.members:
        raise ArchiveError(f"the archive has more than {limits.members} members")
