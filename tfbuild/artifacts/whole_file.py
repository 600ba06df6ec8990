"""Reads a whole file into memory, when that is a sensible thing to do."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from tfbuild.base.errors import HostError, UsageError

_LARGEST = 4 << 30  # bytes; TensorFlow's largest library with its debug information has 3.3 GB


def require_regular(path: Path) -> int:
    """The size of ``path``. Raises UsageError for a pipe or a device: to read one may never end."""
    try:
        status = path.stat()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"cannot read {path}: {os.strerror(errno.EISDIR)}")
    if not stat.S_ISREG(status.st_mode):
        kinds = (
            (stat.S_ISFIFO, "a named pipe"),
            (stat.S_ISSOCK, "a socket"),
            (stat.S_ISCHR, "a device"),
            (stat.S_ISBLK, "a device"),
        )
        what = next((words for test, words in kinds if test(status.st_mode)), "something else")
        raise UsageError(f"{path} is {what}, not a regular file", hint="copy what comes out of it to a file")
    return status.st_size


def read_whole(path: Path) -> bytes:
    """All bytes of ``path``.

    Raises UsageError for what is no regular file, cannot be read, or is larger than anything that is loaded
    into a process; HostError when the memory does not suffice.
    """
    size = require_regular(path)
    if size > _LARGEST:
        raise UsageError(
            f"{path} has {size / 1e9:.0f} GB; files of up to {_LARGEST / 1e9:.0f} GB are examined",
            hint="no library is that large: look at how it was copied (a sparse file?)",
        )
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except MemoryError as error:
        raise HostError(
            f"there is not enough memory to read {path} ({size / 1e6:.0f} MB)",
            hint="allow this process more memory (ulimit -v, the container's limit)",
        ) from error
