"""The folder of finished downloads, addressed by content: ``downloads/sha256-<hex>/<filename>``.

Beside a file stand its stamp (proof that it has been hashed), and while it arrives its part and what is
known about the part's origin. Only a file that has been hashed ever gets its final name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tfbuild.base.errors import HostError, UsageError
from tfbuild.base.values import Pin, Unhashed
from tfbuild.machine.files import hashed

_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~@=-]{0,199}\Z")


@dataclass(frozen=True)
class Validator:
    """What a server said about the version of a file, for ``If-Range`` (RFC 9110, section 13.1.5)."""

    url: str
    etag: str = ""
    last_modified: str = ""

    def if_range(self, url: str) -> str:
        """The header's value for ``url``, or empty. A weak ETag must not be used."""
        if url != self.url:
            return ""
        strong = self.etag if self.etag and not self.etag.startswith("W/") else ""
        return strong or self.last_modified


@dataclass(frozen=True)
class Entry:
    """The places of one file in the store; an empty ``sha256`` is that of a file that nobody has seen."""

    folder: Path
    filename: str
    sha256: str

    @property
    def file(self) -> Path:
        return self.folder / self.filename

    @property
    def part(self) -> Path:
        return self.folder / f"{self.filename}.part"

    @property
    def _origin(self) -> Path:
        return self.folder / f"{self.filename}.part.json"

    @property
    def _stamp(self) -> Path:
        return self.folder / f"{self.filename}.stamp"

    def is_stamped(self) -> bool:
        """Whether the file is the one that was hashed, by its size, times and inode; it is not read."""
        try:
            return self._stamp.read_text(encoding="utf-8") == _fingerprint(self.file)
        except (OSError, UnicodeDecodeError):
            return False

    def is_there(self) -> bool:
        """Whether the file need not be fetched: nobody wrote to it. A link to it may have come or gone, which
        changes its ctime; it is hashed once more before it is used."""
        try:
            recorded = self._stamp.read_text(encoding="utf-8").split()
            return _without_ctime(recorded) == _without_ctime(_fingerprint(self.file).split())
        except (OSError, UnicodeDecodeError):
            return False

    def accepts(self, digest: str) -> bool:
        """Whether a whole file with this hash is the one; without a hash of its own, any is."""
        return self.sha256 in {"", digest}

    def stamp(self) -> None:
        """Record that the file as it is now has been hashed and is right."""
        self._stamp.write_text(_fingerprint(self.file), encoding="utf-8")

    def commit(self) -> None:
        """Give the hashed part its final name."""
        self.part.replace(self.file)
        self.stamp()
        self._origin.unlink(missing_ok=True)

    def discard(self) -> None:
        """Delete the file, damaged as it is."""
        self.file.unlink(missing_ok=True)
        self._stamp.unlink(missing_ok=True)

    def discard_part(self) -> None:
        self.part.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)

    def read_origin(self) -> Validator:
        """Where the part came from; empty when unknown."""
        try:
            data = json.loads(self._origin.read_text(encoding="utf-8"))
            return Validator(str(data["url"]), str(data["etag"]), str(data["last_modified"]))
        except (OSError, ValueError, KeyError, TypeError):
            return Validator("")

    def write_origin(self, origin: Validator) -> None:
        data = {"url": origin.url, "etag": origin.etag, "last_modified": origin.last_modified}
        # Without it the next resume does without If-Range; the hash still decides.
        with suppress(OSError):
            self._origin.write_text(json.dumps(data), encoding="utf-8")


@dataclass
class Part:
    """What has arrived of a file: its size in bytes, its running hash, and where it came from."""

    size: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    origin: Validator = field(default_factory=lambda: Validator(""))

    @classmethod
    def resume(cls, entry: Entry, limit: int | None) -> Part:
        """The part on disk, hashed; a part of more than ``limit`` bytes is deleted."""
        if not entry.part.exists():
            return cls()
        size = entry.part.stat().st_size
        if limit is not None and size > limit:
            entry.discard_part()
            return cls()
        return cls(size, hashed(entry.part), entry.read_origin())

    def append(self, path: Path, chunks: Iterable[bytes]) -> Generator[int, None, None]:
        """Write ``chunks`` to ``path``, after what this part has already; yields the size after each."""
        with path.open("ab" if self.size else "wb") as out:
            for chunk in chunks:
                out.write(chunk)
                self.digest.update(chunk)
                self.size += len(chunk)
                yield self.size


def entry_of(cache_dir: Path, pin: Pin) -> Entry:
    """Where ``pin`` is kept below ``cache_dir``.

    :raises UsageError: the pin's hash or file name cannot be one.
    """
    digest = pin.sha256.lower()
    if not _SHA256.match(digest):
        raise UsageError(f"the pin {pin.name} has no sha256: {pin.sha256!r}")
    if not _PLAIN_NAME.match(pin.filename):
        raise UsageError(f"the pin {pin.name} has an unusable file name: {pin.filename!r}")
    return Entry(cache_dir / "downloads" / f"sha256-{digest}", pin.filename, digest)


def unhashed_entry(cache_dir: Path, source: Unhashed) -> Entry:
    """Where a file arrives whose hash nobody published; it stays there only until its content is proven."""
    if not _PLAIN_NAME.match(source.filename):
        raise UsageError(f"{source.name} has an unusable file name: {source.filename!r}")
    return Entry(cache_dir / "downloads" / f"tree-{source.tree}", source.filename, "")


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turns what the disk refuses into a HostError; ``folder`` is where the download goes."""
    try:
        yield
    except OSError as error:
        raise HostError(
            f"cannot write the download to {folder}: {error.strerror or error}",
            hint="free some space or set TFBUILD_CACHE_DIR to another disk; what has arrived is kept",
        ) from error


def _without_ctime(fingerprint: list[str]) -> list[str]:
    return fingerprint[:2] + fingerprint[3:]


def _fingerprint(file: Path) -> str:
    """Tells whether a file was touched since it was hashed, without reading it.

    A modification time can be set back, the time of change (ctime) cannot: the kernel alone sets it.
    """
    status = file.stat()
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns} {status.st_ino}\n"
