"""Modification times that differ where contents differ.

BuildKit keeps what a client has sent as a named context, for all builds of this project under one name,
and takes a file of the same mode, size and time for the one that it has
(https://github.com/moby/buildkit/blob/master/source/local/source.go,
https://github.com/tonistiigi/fsutil/blob/master/diff_containerd.go). Archives and reproducible builds give
every file one time: the second of two files of equal size would never arrive.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path

_SECOND = 10**9
_CHUNK = 1 << 20


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
