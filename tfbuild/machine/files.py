"""Hashes and times of files."""

from __future__ import annotations

import hashlib
import os
import zlib
from pathlib import Path

_CHUNK = 1 << 20


def hash_file(path: Path) -> str:
    """sha256 of a file, in hex."""
    return hashed(path).hexdigest()


def hashed(path: Path) -> hashlib._Hash:
    """A sha256 that has seen the whole of ``path`` and may be fed further."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest


_SECOND = 10**9


def marked(seconds: int, checksum: int) -> int:
    """``seconds`` since the epoch as nanoseconds, whose fraction is that of the content's ``checksum``."""
    return seconds * _SECOND + checksum % _SECOND


def mark_files(folder: Path) -> None:
    """Give each file below ``folder`` a time whose fraction of a second comes from its content."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            changed = marked(int(path.stat().st_mtime), _checksum(path))
            os.utime(path, ns=(changed, changed))


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            value = zlib.crc32(chunk, value)
    return value
