"""A copy of what a compressed layer holds, which can be read at any place."""

from __future__ import annotations

import errno
import shutil
import tempfile
from contextlib import suppress
from typing import IO


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
