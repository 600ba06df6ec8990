"""Reads a saved image (``docker save``, or an OCI layout in a tar) without unpacking its files.

The layers are applied in memory: per path only the header is kept, and where in which layer its bytes
are. A compressed layer is decompressed once, into a temporary file without a name. The rules for
whiteouts are those of https://github.com/opencontainers/image-spec/blob/main/layer.md. Each layer's
digest is checked on the way, since a tar that is damaged in the middle otherwise just seems to end there.
"""

from __future__ import annotations

import gzip
import posixpath
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from pydantic import ValidationError

from tfbuild.artifacts.elf.facts import ElfFacts
from tfbuild.artifacts.elf.read import ELF_MAGIC, parse_elf
from tfbuild.artifacts.image.copy import LayerCopy, LayerMeter
from tfbuild.artifacts.image.facts import FileType, ImageConfig, ImageFacts, ImageFile, Layer, make_facts
from tfbuild.artifacts.image.manifest import ImageSource, choose_image, find_images
from tfbuild.base.errors import UsageError, VerificationError

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_CHUNK = 1 << 20
_MAX_LINKS = 40  # as in Linux, path_resolution(7)
_MAX_DOCUMENT = 16 << 20  # bytes of a manifest or configuration; engines refuse more than 4 to 8 MiB
_OPAQUE = ".wh..wh..opq"
_WHITEOUT = ".wh."

# What tarfile, gzip and json let out on damaged input.
_DAMAGE = (
    ArithmeticError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
    tarfile.TarError,
    zlib.error,
)


@dataclass(frozen=True)
class _Content:
    """Where the bytes of a file are: number of the layer, and place in its uncompressed tar."""

    layer: int
    offset: int
    size: int


class ImageArchive:
    """An opened image. Use it as a context manager; reading is lazy, except for the layers' headers."""

    def __init__(self, path: Path, *, platform: str | None = None) -> None:
        """Opens ``path``; ``platform`` ("linux/arm64") picks one where the archive holds several.

        Raises UsageError when it is no image archive or the choice is unclear, VerificationError when
        it is damaged.
        """
        self.path = path
        self._tree = _Tree()
        self._streams: list[IO[bytes]] = []
        self._copies: list[LayerCopy] = []
        self._elf: dict[str, ElfFacts | None] = {}
        self.damaged: dict[str, VerificationError] = {}
        try:
            self._outer = tarfile.open(path, "r:")  # noqa: SIM115 - closed by close()
        except (tarfile.TarError, OSError, EOFError) as error:
            raise _not_an_image(path, str(error)) from error
        try:
            with self._damage():
                self._members = {posixpath.normpath(m.name): m for m in _members(self._outer)}
                self.source = choose_image(self._member, frozenset(self._members), str(path), platform)
                self.layers = tuple(
                    self._apply(index, name, self.source) for index, name in enumerate(self.source.layers)
                )
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> ImageArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for stream in self._streams:
            stream.close()
        for copy in self._copies:
            copy.close()
        self._outer.close()

    @property
    def config(self) -> ImageConfig:
        return self.source.config

    @property
    def files(self) -> Mapping[str, ImageFile]:
        """All paths of the merged file system."""
        return self._tree.files

    @cached_property
    def facts(self) -> ImageFacts:
        return make_facts(
            self.source.tags,
            self.config,
            self.layers,
            self.files,
            sum(c.size for c in set(self._tree.content.values())),
            self.resolve,
            self.read,
        )

    def resolve(self, path: str) -> str | None:
        """The path that ``path`` is after following symbolic links inside the image; None if missing."""
        return self._tree.resolve(path)

    def read(self, path: str) -> bytes:
        """The bytes of a regular file; symbolic links are followed inside the image.

        Raises UsageError when there is no such file, VerificationError when the archive is damaged.
        """
        return next(self.read_many((path,)))[1]

    def read_many(self, paths: Iterable[str], limit: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Pairs of path and bytes (the first ``limit``), in the order in which they are stored.

        Asking for all at once reads a compressed layer once, even where there was no room for its copy.
        """
        for content, path in sorted(
            ((self._content(path), path) for path in set(paths)),
            key=lambda pair: (pair[0].layer, pair[0].offset, pair[1]),
        ):
            yield path, self._bytes(content, limit)

    def elf_facts(self, paths: Iterable[str]) -> dict[str, ElfFacts]:
        """Facts of those of ``paths`` that are ELF files which a loader takes.

        Keys are the paths as given. A damaged one is left out and stands in :attr:`damaged`.
        """
        real = {path: found for path in paths if (found := self.resolve(path)) in self._tree.content}
        wanted = {str(found) for found in real.values()} - self._elf.keys()
        starts = {path for path, start in self.read_many(wanted, len(ELF_MAGIC)) if start == ELF_MAGIC}
        self._elf.update(dict.fromkeys(wanted - starts))
        for path, data in self.read_many(starts):
            self._elf[path] = None
            try:
                self._elf[path] = parse_elf(data, path)
            except VerificationError as error:
                self.damaged[path] = error
            except UsageError:
                continue  # an object file or a core dump: nothing that is loaded
        return {
            path: replace(facts, path=path)
            for path, found in real.items()
            if (facts := self._elf.get(str(found))) is not None
        }

    def _content(self, path: str) -> _Content:
        content = self._tree.content.get(self.resolve(path) or "")
        if content is None:
            raise UsageError(f"{self.path} has no file {path}")
        return content

    def _bytes(self, content: _Content, limit: int | None) -> bytes:
        size = content.size if limit is None else min(limit, content.size)
        with self._damage():
            if content.offset + content.size > self.layers[content.layer].size:
                raise EOFError(f"a file of {content.size} bytes ends behind the end of its layer")
            stream = self._streams[content.layer]
            stream.seek(content.offset)
            data = stream.read(size)
            if len(data) != size:
                raise EOFError(f"a layer ends early: {size} bytes at {content.offset}")
        return data

    def _member(self, name: str) -> bytes:
        """A document of the outer archive."""
        return _document(self._outer, self._members[posixpath.normpath(name)])

    def _apply(self, index: int, name: str, source: ImageSource) -> Layer:
        stored, stream, compressed = self._open_layer(name)
        self._streams.append(stream)
        copy = LayerCopy() if compressed else None
        self._copies += [copy] if copy else []
        meter = LayerMeter(stream, copy)
        with tarfile.open(fileobj=cast("IO[bytes]", meter), mode="r|", bufsize=_CHUNK) as tar:
            for member in _members(tar):
                self._tree.put(member, index)
        while meter.read(_CHUNK):
            pass
        if copy is not None and copy.file is not None:
            self._streams[index] = copy.file
        digest = f"sha256:{meter.hash.hexdigest()}"
        if index < len(source.diff_ids) and source.diff_ids[index] != digest:
            raise ValueError(f"layer {index + 1} has the digest {digest}, not {source.diff_ids[index]}")
        return Layer(digest, meter.size, stored)

    def _open_layer(self, name: str) -> tuple[int, IO[bytes], bool]:
        """The stored size of the layer, its uncompressed bytes, and whether they are stored compressed."""
        member = self._members[posixpath.normpath(name)]
        raw = self._outer.extractfile(member)
        if raw is None:
            raise ValueError(f"the layer {name} is not a file")
        start = raw.read(4)
        size = raw.seek(0, 2)
        raw.seek(0)
        if start == _ZSTD:
            raise UsageError(
                f"{self.path} has a layer compressed with zstd, which cannot be read here",
                hint="save the image with gzip or uncompressed layers (buildx: compression=gzip,"
                "force-compression=true)",
            )
        if start[:2] == _GZIP:
            return size, cast("IO[bytes]", gzip.GzipFile(fileobj=raw)), True
        return size, raw, False

    @contextmanager
    def _damage(self) -> Iterator[None]:
        try:
            yield
        except (ValidationError, *_DAMAGE) as error:
            raise _damaged(self.path, error) from error


class _Tree:
    """The merged file system while layers are put on top of each other."""

    def __init__(self) -> None:
        self.files: dict[str, ImageFile] = {}
        self.content: dict[str, _Content] = {}
        self._layer: dict[str, int] = {}
        self._children: dict[str, set[str]] = {}

    def put(self, member: tarfile.TarInfo, layer: int) -> None:
        path = posixpath.normpath("/" + member.name.lstrip("/"))
        parent, name = posixpath.split(path)
        parent = self._real(parent)
        if name == _OPAQUE:
            for child in tuple(self._children.get(parent, ())):
                self._remove_below(child, layer)
        elif name.startswith(_WHITEOUT):
            self._remove_below(posixpath.join(parent, name[len(_WHITEOUT) :]), layer)
        else:
            self._put(posixpath.join(parent, name) if name else "/", member, layer)

    def _put(self, path: str, member: tarfile.TarInfo, layer: int) -> None:
        entry, content = self._entry(path, member, layer)
        if entry.type is not FileType.DIRECTORY:
            for child in tuple(self._children.get(path, ())):
                self._remove(child)
        self.files[path] = entry
        self._layer[path] = layer
        self.content.pop(path, None)
        if content is not None:
            self.content[path] = content
        while path != "/":
            parent = posixpath.dirname(path)
            known = self._children.setdefault(parent, set())
            if path in known:
                break
            known.add(path)
            path = parent

    def _entry(self, path: str, member: tarfile.TarInfo, layer: int) -> tuple[ImageFile, _Content | None]:
        if member.islnk():
            name = posixpath.normpath("/" + member.linkname.lstrip("/"))
            target = posixpath.join(self._real(posixpath.dirname(name)), posixpath.basename(name))
            if target not in self.files:
                raise ValueError(f"{path} is a hard link to {target}, which is missing")
            return replace(self.files[target], path=path), self.content.get(target)
        if member.isfile():
            content = None if member.issparse() else _Content(layer, member.offset_data, member.size)
            kind = FileType.FILE
        else:
            content = None
            kind = (
                FileType.DIRECTORY
                if member.isdir()
                else FileType.SYMLINK
                if member.issym()
                else (FileType.FIFO if member.isfifo() else FileType.DEVICE)
            )
        size = member.size if kind is FileType.FILE else 0
        link = member.linkname if kind is FileType.SYMLINK else ""
        return ImageFile(path, kind, member.mode & 0o7777, member.uid, member.gid, size, link), content

    def _remove_below(self, path: str, layer: int) -> None:
        """Removes what lower layers put at ``path``; what this layer put there stays."""
        for child in tuple(self._children.get(path, ())):
            self._remove_below(child, layer)
        if self._layer.get(path, -1) < layer and not self._children.get(path):
            self._remove(path)

    def _remove(self, path: str) -> None:
        waiting = [path]
        while waiting:
            gone = waiting.pop()
            waiting.extend(self._children.pop(gone, ()))
            for table in (self.files, self.content, self._layer):
                table.pop(gone, None)
        self._children.get(posixpath.dirname(path), set()).discard(path)

    def _real(self, directory: str) -> str:
        """``directory`` with symbolic links followed; parts that do not exist are taken as they are."""
        return self._follow(directory) or directory

    def resolve(self, path: str) -> str | None:
        found = self._follow(posixpath.normpath("/" + path.lstrip("/")))
        return found if found in self.files else None

    def _follow(self, path: str) -> str | None:
        done, links = "/", 0
        waiting = [part for part in reversed(path.split("/")) if part]
        while waiting:
            part = waiting.pop()
            if part == ".":
                continue
            if part == "..":
                done = posixpath.dirname(done)
                continue
            step = posixpath.join(done, part)
            entry = self.files.get(step)
            if entry is None or entry.type is not FileType.SYMLINK:
                done = step
                continue
            links += 1
            if links > _MAX_LINKS:
                return None
            if entry.target.startswith("/"):
                done = "/"
            waiting.extend(part for part in reversed(entry.target.split("/")) if part)
        return done


def _members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The members of ``tar``; a negative size would let older tarfiles run in a circle (CVE-2025-8194)."""
    for member in tar:
        if member.size < 0:
            raise ValueError(f"{member.name} has a negative size")
        yield member


def is_image_archive(path: Path) -> bool:
    """Whether ``path`` is a tar file with an image's index in it."""
    try:
        with tarfile.open(path, "r:") as tar:
            names = {posixpath.normpath(member.name) for member in _members(tar)}
    except (tarfile.TarError, OSError, EOFError, ValueError):
        return False
    return bool(names & {"manifest.json", "index.json"})


def require_whole_tar(path: Path) -> None:
    """Raises VerificationError for a tar file that is damaged or cut off: an image's index may be missing."""
    try:
        with tarfile.open(path, "r:") as tar:
            for _ in _members(tar):
                pass
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise _damaged(path, error, "tar archive") from error
    # Two blocks of zeros end a tar file (POSIX, pax, "ustar Interchange Format"); tarfile does without.
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1024))
        if size < 1024 or any(file.read()):
            raise _damaged(path, EOFError("it has no end mark"), "tar archive")


def image_platforms(path: Path) -> tuple[str, ...]:
    """The platforms of an archive that holds one image for each of several; else nothing.

    Raises VerificationError for a damaged archive.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            members = {posixpath.normpath(member.name): member for member in _members(tar)}
            if "index.json" not in members:
                return ()
            found = find_images(
                lambda name: _document(tar, members[posixpath.normpath(name)]), frozenset(members)
            )
    except (ValidationError, *_DAMAGE) as error:
        raise _damaged(path, error) from error
    platforms = tuple(each.platform for each in found)
    return platforms if len(platforms) > 1 and len(set(platforms)) == len(platforms) else ()


def _document(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > _MAX_DOCUMENT:
        raise ValueError(f"{member.name} is {member.size} bytes long")
    stream = tar.extractfile(member)
    if stream is None:
        raise ValueError(f"{member.name} is not a file")
    return stream.read()


def _damaged(path: Path, error: Exception, kind: str = "image archive") -> VerificationError:
    return VerificationError(
        f"{path} is a damaged {kind}",
        details=(f"{type(error).__name__}: {str(error)[:300]}",),
        hint="save the image again",
    )


def _not_an_image(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"{path} is not an image archive",
        details=(reason,) if reason else (),
        hint="write one with: docker save -o image.tar IMAGE",
    )
