"""A layer while it is read for the first time: its hash, its size, and a copy of what was compressed."""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
from contextlib import suppress
from typing import IO

_READS_AFTER_END = 16  # tarfile itself needs two or three


class LayerCopy:
    """A temporary file for what a compressed layer holds, as long as the disk has room to spare.

    Such a layer can only be read forwards, and an image is asked for its files in a dozen rounds. Without
    room (:attr:`file` is None then) each round decompresses it again.
    """

    def __init__(self) -> None:
        self.file: IO[bytes] | None = None
        self._left = 0
        with suppress(OSError):
            # Half of what is free: nobody's archive, small as it may be, fills the disk.
            self._left = shutil.disk_usage(tempfile.gettempdir()).free // 2
            self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the archive

    def write(self, data: bytes) -> None:
        self._left -= len(data)
        if self.file is None:
            return
        try:
            if self._left < 0:
                raise OSError(errno.ENOSPC, "a layer takes more than half of what is free")
            self.file.write(data)
        except OSError:
            self.close()

    def close(self) -> None:
        if self.file is not None:
            with suppress(OSError):
                self.file.close()
            self.file = None


class LayerMeter:
    """Counts and hashes what passes; all that tarfile needs to read a stream."""

    def __init__(self, stream: IO[bytes], copy: LayerCopy | None = None) -> None:
        self._stream = stream
        self._copy = copy
        self.hash = hashlib.sha256()
        self.size = 0
        self._after_end = 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self.hash.update(data)
        self.size += len(data)
        if self._copy is not None:
            self._copy.write(data)
        if not data:
            # tarfile skips a member that claims 2^60 bytes block by block, whether there are any or not.
            self._after_end += 1
            if self._after_end > _READS_AFTER_END:
                raise EOFError("a file is longer than its layer")
        return data
