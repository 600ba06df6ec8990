"""Paths on the command line, looked at before anything else is done with them.

A path that cannot be used is told at once (exit code 2): not after a build, and not as a traceback. What is
no regular file or folder is refused, since reading a pipe would wait for ever.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from tfbuild.base.errors import HostError, TfBuildError, UsageError
from tfbuild.base.text import shown

# What a disk or its owner refuses is no bug of ours, wherever it happens.
_HOST_ERRORS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EPIPE}
)
# What is wrong with a name; of a name that was typed it is a wrong argument, of any other a bug.
_NAME_ERRORS = frozenset(
    {
        errno.EACCES,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENXIO,
        errno.EPERM,
        errno.EROFS,
    }
)
_SPECIAL = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
# Root may write everywhere by the mode bits; the kernel makes these files itself: man 5 proc, man 5 sysfs.
_KERNELS_OWN = frozenset(
    {
        *("proc", "sysfs", "cgroup", "cgroup2", "debugfs", "tracefs", "securityfs", "configfs", "devpts"),
        *("mqueue", "bpf", "pstore", "efivarfs", "binfmt_misc", "fusectl", "selinuxfs", "nsfs", "hugetlbfs"),
    }
)
_MOUNTS = Path("/proc/self/mountinfo")


def expanded(word: str, option: str) -> Path:
    """``word`` with ``~`` and ``~user`` replaced. Raises :class:`UsageError` where there is no such user."""
    path = os.path.expanduser(word)  # noqa: PTH111 - Path.expanduser raises a RuntimeError
    if path.startswith("~"):
        raise UsageError(
            f"{option} {shown(word)}: there is no such home folder",
            hint=f"write ./{shown(word)} for a file that is called so",
        )
    return Path(path)


def input_path(word: str, option: str) -> Path:
    """The path ``word``; what is there, if anything, is a file or folder that can be read.

    :raises UsageError: it is not, or the name cannot be one of a file.
    """
    path = expanded(word, option)
    found = _status(path, option, "read")
    if found is None:
        return path
    _refuse_special(path, found, option)
    wanted = os.R_OK | os.X_OK if stat.S_ISDIR(found.st_mode) else os.R_OK
    if not os.access(path, wanted):
        raise UsageError(
            f"cannot read {shown(path)}: permission denied", hint=f"another {option}, or its owner"
        )
    return path


def input_word(word: str, option: str) -> str:
    """``word`` as it was typed, but for ``~``, after :func:`input_path` looked at it; it may be no path."""
    path = input_path(word, option)
    return str(path) if word.startswith("~") else word


def input_file(word: str, option: str) -> Path:
    """The file ``word``, which can be read. Raises :class:`UsageError`."""
    path = input_path(word, option)
    found = _status(path, option, "read")
    if found is None:
        raise UsageError(f"cannot read {shown(path)}: there is no such file", hint=f"{option} FILE")
    if stat.S_ISDIR(found.st_mode):
        raise UsageError(f"cannot read {shown(path)}: it is a folder", hint=f"{option} FILE")
    return path


def input_folder(word: str, option: str) -> Path:
    """The folder ``word``, which can be read. Raises :class:`UsageError`."""
    path = input_path(word, option)
    found = _status(path, option, "read")
    if found is None or not stat.S_ISDIR(found.st_mode):
        what = f"there is none at {shown(path)}" if found is None else f"{shown(path)} is a file"
        raise UsageError(f"{option} takes a folder, and {what}", hint=f"{option} DIR")
    return path


def output_file(word: str, option: str) -> Path:
    """The absolute path ``word``, where a file can be written; what is there may be replaced.

    :raises UsageError: its folder is not there or cannot be written, or a folder or device has the name.
    """
    path = _absolute(expanded(word, option))
    found = _status(path, option, "write")
    if found is not None:
        if stat.S_ISDIR(found.st_mode):
            raise UsageError(f"cannot write {shown(path)}: it is a folder", hint=f"{option} FILE")
        _refuse_special(path, found, option)
    parent = _status(path.parent, option, "write")
    if parent is None:
        raise UsageError(
            f"cannot write {shown(path)}: there is no folder {shown(path.parent)}",
            hint=f"mkdir -p {shown(path.parent)}, or another {option}",
        )
    _require_writable_folder(path.parent, parent, path, option)
    return path


def output_folder(word: str, option: str) -> Path:
    """The path ``word`` as it was typed but for ``~``: a folder that can be written, or made.

    :raises UsageError: something else has the name, or the name of a folder above it, or it is not writable.
    """
    path = expanded(word, option)
    place = _absolute(path)
    while (found := _status(place, option, "write")) is None:
        place = place.parent
    _require_writable_folder(place, found, path, option)
    return path


def expected_error(error: OSError | ValueError, typed: Iterable[str]) -> TfBuildError | None:
    """What ``error`` is for a user who typed the words ``typed``; None where it is a bug of this program."""
    if not isinstance(error, OSError):
        # Python's words for a name that no system call takes.
        return UsageError("a file name has a NUL byte in it") if "embedded null" in str(error) else None
    name = _name_of(error)
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.ENAMETOOLONG:
        return UsageError(f"cannot use '{shown(name)}' as a file name: {reason}", hint="invoke --list")
    if error.errno in _NAME_ERRORS and _was_typed(name, typed):
        verb = "write" if error.errno == errno.EROFS else "read"
        return UsageError(f"cannot {verb} {shown(name)}: {reason}", hint="check the path and its owner")
    if error.errno in _HOST_ERRORS:
        hint = "df -h" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "invoke doctor"
        return HostError(error.strerror or str(error), details=(name,) if name else (), hint=hint)
    return None


def _name_of(error: OSError) -> str:
    name = error.filename
    return os.fsdecode(name) if isinstance(name, str | bytes) else "" if name is None else str(name)


def _was_typed(name: str, typed: Iterable[str]) -> bool:
    """Whether the file ``name`` is, or lies below, one that a word names."""
    if not name:
        return False
    place = os.path.abspath(name)  # noqa: PTH100 - resolve() would follow links
    for word in typed:
        path = os.path.abspath(os.path.expanduser(word))  # noqa: PTH100, PTH111 - as above
        if word and (place == path or place.startswith(f"{path.rstrip('/')}/") or name in word):
            return True
    return False


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the user's links


def _status(path: Path, option: str, verb: str) -> os.stat_result | None:
    """What is at ``path``; None where nothing is."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"cannot {verb} {shown(path)}: {reason}", hint=f"another {option}") from error
    except ValueError as error:
        raise UsageError(f"{option}: a file name has a NUL byte in it") from error


def _refuse_special(path: Path, found: os.stat_result, option: str) -> None:
    for is_kind, what in _SPECIAL:
        if is_kind(found.st_mode):
            raise UsageError(
                f"{option} {shown(path)} is {what}, neither a file nor a folder", hint=f"another {option}"
            )


def _require_writable_folder(folder: Path, found: os.stat_result, path: Path, option: str) -> None:
    if not stat.S_ISDIR(found.st_mode):
        what = "it is not a folder" if _absolute(path) == folder else f"{shown(folder)} is not a folder"
        raise UsageError(f"cannot write {shown(path)}: {what}", hint=f"another {option}")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(
            f"cannot write {shown(path)}: no permission in {shown(folder)}", hint=f"another {option}"
        )
    kind = _file_system(found.st_dev)
    if kind in _KERNELS_OWN:
        raise UsageError(
            f"cannot write {shown(path)}: {shown(folder)} is of the kernel ({kind}), which takes no files",
            hint=f"another {option}",
        )


def _file_system(device: int) -> str:
    """The type of the file system with this number, as ``ext4``; empty where it cannot be told.

    The third field is MAJOR:MINOR, the type the first after the hyphen: man 5 proc_pid_mountinfo.
    """
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    mounts = (line.partition(" - ") for line in lines)
    return next((kind.split()[0] for mount, _, kind in mounts if mount.split()[2] == number), "")
