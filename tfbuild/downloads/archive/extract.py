"""Extraction of archives that may be hostile.

Every member is judged before it is written, also those that are not wanted. What is written goes to a
private folder beside the destination, links last, and gets its name only when all of it is there.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from posixpath import normpath
from typing import IO

from tfbuild.base.errors import ArchiveError, HostError
from tfbuild.downloads.archive.readers import BROKEN, Kind, Limits, Member, read_members
from tfbuild.downloads.archive.rules import Names
from tfbuild.machine.files import marked
from tfbuild.machine.locks import hold

_DEFAULT_LIMITS = Limits()
_COPY_CHUNK = 1 << 20
# Another process that extracts the same archive; 30 000 files on a slow disk take minutes.
_WAIT_S = 1800.0


@dataclass(frozen=True)
class _Marker:
    """What a complete destination was made from, and which folder it is."""

    archive: str
    size: int
    mtime_ns: int
    strip_prefix: str
    subtrees: tuple[str, ...]
    inode: int
    # Counts up when the same archive is extracted differently: what an older version extracted is replaced.
    form: int = 2

    def text(self) -> str:
        return json.dumps(asdict(self), sort_keys=True) + "\n"


def extract(
    archive: Path,
    destination: Path,
    *,
    strip_prefix: str | None,
    subtrees: tuple[str, ...] = (),
    limits: Limits = _DEFAULT_LIMITS,
    on_wait: Callable[[str], None] = lambda _text: None,
) -> None:
    """Extract ``archive`` (tar with gzip, xz, bzip2 or zstd, or zip) as the folder ``destination``.

    ``strip_prefix`` is the folder in the archive that becomes ``destination``; ``subtrees`` are files or
    folders below it, the only ones that are written (empty: all). Files get mode 0644 or 0755 and keep
    their modification time to the second (:mod:`tfbuild.machine.files` has the rest); owners are dropped. A
    destination that an earlier call completed from the same archive with the same arguments is left as it
    is; one made with others is replaced.

    :raises ArchiveError: a member must not be extracted, or the archive is broken; nothing is left.
    :raises HostError: the disk is full, not writable, or holds something else at ``destination``.
    :raises LockedError: another process has been extracting to ``destination`` for too long.
    """
    prefix = _normal(strip_prefix or "")
    wanted = tuple(_normal(tree) for tree in subtrees)
    lock = destination.with_name(f".{destination.name}.lock")
    with hold(lock, what=f"extracting {archive.name}", wait_s=_WAIT_S, on_wait=on_wait):
        if _is_complete(archive, destination, prefix, wanted):
            return
        staging = destination.with_name(f".{destination.name}.partial")
        with _explained(archive, destination), _removed_after(staging):
            _refuse_foreign(destination)
            staging.mkdir(mode=0o700)
            writer = _Writer(staging, Names(prefix, wanted))
            for member in read_members(archive, limits):
                writer.add(member)
            writer.finish()
            _swap(staging, destination, _marker(archive, prefix, wanted, staging.stat().st_ino))


def _normal(path: str) -> str:
    plain = normpath(path.strip("/") or ".")
    return "" if plain == "." else plain


class _Writer:
    """Writes judged members below ``root``."""

    def __init__(self, root: Path, names: Names) -> None:
        self._root = str(root)
        self._names = names
        self._made: set[str] = set()
        self._folder_times: dict[str, int] = {}
        self._deferred: list[tuple[str, Member]] = []

    def add(self, member: Member) -> None:
        target = self._names.check(member)
        if target is None:
            return
        if member.kind is Kind.FOLDER:
            self._make(target)
            self._folder_times[target] = member.mtime
        elif member.kind is Kind.FILE:
            self._make_parent(target)
            self._write(target, member)
        else:
            self._deferred.append((target, member))

    def finish(self) -> None:
        """Make the links, when all their targets are known, and then set the times of folders."""
        self._names.check_links()
        hard = [(t, m) for t, m in self._deferred if m.kind is Kind.HARD_LINK]
        for target, member in hard:
            self._make_parent(target)
            source = self._names.written(member.link)
            if source is None:
                raise ArchiveError(
                    f"the hard link {member.name!r} leads to {member.link!r}, which is not selected",
                    hint="include that path as well",
                )
            Path(self._at(target)).hardlink_to(self._at(source))
        for target, member in self._deferred:
            if member.kind is Kind.SYMLINK:
                self._make_parent(target)
                Path(self._at(target)).symlink_to(member.link)
                os.utime(self._at(target), (member.mtime, member.mtime), follow_symlinks=False)
        for target, mtime in self._folder_times.items():
            os.utime(self._at(target), (mtime, mtime))
        Path(self._root).chmod(0o755)

    def _at(self, target: str) -> str:
        # Strings: with 30 000 members, pathlib is a third of the time.
        return f"{self._root}/{target}" if target else self._root

    def _make_parent(self, target: str) -> None:
        self._make(target.rpartition("/")[0])

    def _make(self, folder: str) -> None:
        if not folder or folder in self._made:
            return
        self._make_parent(folder)
        path = Path(self._at(folder))
        path.mkdir(exist_ok=True)
        path.chmod(0o755)
        self._made.add(folder)

    def _write(self, target: str, member: Member) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(self._at(target), flags, 0o600), "wb") as out:
            with member.open() as source:
                written, checksum = _copy(source, out)
            if written != member.size:
                raise ArchiveError(f"the archive ends in the middle of {member.name!r}")
            out.flush()
            os.fchmod(out.fileno(), 0o755 if member.executable else 0o644)
            changed = marked(member.mtime, checksum)
            os.utime(out.fileno(), ns=(changed, changed))


def _copy(source: IO[bytes], out: IO[bytes]) -> tuple[int, int]:
    """How much there was, and a checksum of it."""
    written = checksum = 0
    while chunk := source.read(_COPY_CHUNK):
        written += out.write(chunk)
        checksum = zlib.crc32(chunk, checksum)
    return written, checksum


def _marker(archive: Path, prefix: str, subtrees: tuple[str, ...], inode: int) -> _Marker:
    status = archive.stat()
    return _Marker(archive.name, status.st_size, status.st_mtime_ns, prefix, subtrees, inode)


def _marker_file(destination: Path) -> Path:
    # Beside, not inside: the tree is exactly what the archive holds.
    return destination.with_name(f".{destination.name}.complete")


def _is_complete(archive: Path, destination: Path, prefix: str, subtrees: tuple[str, ...]) -> bool:
    try:
        inode = destination.stat().st_ino
        recorded = _marker_file(destination).read_text(encoding="utf-8")
        return recorded == _marker(archive, prefix, subtrees, inode).text()
    except (OSError, UnicodeDecodeError):
        return False


def _refuse_foreign(destination: Path) -> None:
    if not os.path.lexists(destination) or _marker_file(destination).exists():
        return
    if destination.is_dir() and not destination.is_symlink() and not any(destination.iterdir()):
        return
    raise HostError(
        f"{destination} exists and was not extracted by tfbuild: it is not replaced",
        hint="move it away or delete it",
    )


def _swap(staging: Path, destination: Path, marker: _Marker) -> None:
    """Put ``staging`` in the place of ``destination``; safe to be cut off at any line.

    The marker names the new folder's inode, so it does not vouch for the old one.
    """
    old = destination.with_name(f".{destination.name}.old")
    _remove(old)
    _marker_file(destination).write_text(marker.text(), encoding="utf-8")
    if destination.exists():
        destination.rename(old)
    staging.rename(destination)
    _remove(old)


@contextmanager
def _removed_after(staging: Path) -> Iterator[None]:
    _remove(staging)  # of a process that was killed
    try:
        yield
    finally:
        _remove(staging)


def _remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)


@contextmanager
def _explained(archive: Path, destination: Path) -> Iterator[None]:
    try:
        yield
    except ArchiveError as error:
        if error.details:
            raise
        raise ArchiveError(
            error.message,
            details=(f"Archive: {archive}",),
            hint=error.hint or "nothing was extracted; is this the archive that was meant?",
        ) from error
    except BROKEN as error:
        raise ArchiveError(
            f"the archive {archive.name} is damaged: {error or type(error).__name__}",
            details=(f"Archive: {archive}",),
            hint=f"nothing was extracted; delete {archive} to have it downloaded again",
        ) from error
    except OSError as error:
        raise HostError(
            f"cannot extract {archive.name} to {destination}: {error.strerror or error}",
            hint="is the disk full, or the folder not writable? TFBUILD_CACHE_DIR names another one",
        ) from error
