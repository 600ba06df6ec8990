"""Files whose names a user gives: one that is not ours is never replaced, and one of ours in one step."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tfbuild.base.errors import UsageError
from tfbuild.base.html import is_page


def require_replaceable_file(path: Path, is_ours: Callable[[Path], bool], what: str, hint: str) -> None:
    """Raises :class:`UsageError` unless ``path`` can be made, is empty, or is ``what`` (``a bundle``) by
    ``is_ours``; ``hint`` says what else to do. A device or a pipe is only written to, so it will do."""
    try:
        status = path.stat()
    except FileNotFoundError:
        _require_makeable(path, hint)
        return
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint=hint) from error
    if stat.S_ISCHR(status.st_mode) or stat.S_ISFIFO(status.st_mode):
        return
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"cannot write {path}: it is not a file", hint=hint)
    if status.st_size and not is_ours(path):
        raise UsageError(
            f"{path} exists and is not {what} of tfbuild: it is not replaced",
            hint=hint,
        )


def require_page_place(path: Path) -> None:
    """Raises :class:`UsageError` where a page for ``--html`` cannot be written, or something else is."""
    require_replaceable_file(path, is_page, "a page", "another name: --html FILE")


def write_page(path: Path, text: str) -> None:
    """Write the page whose place :func:`require_page_place` looked at.

    :raises UsageError: the disk refuses.
    """
    try:
        replace_text(path, text)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}", hint="--html FILE") from error


def _require_makeable(path: Path, hint: str) -> None:
    if path.is_symlink():
        raise UsageError(
            f"cannot write {path}: it is a link to {path.readlink()}, which does not exist", hint=hint
        )
    if not path.parent.is_dir():
        raise UsageError(f"cannot write {path}: there is no folder {path.parent}", hint=hint)


def replace_text(path: Path, text: str) -> None:
    """Write ``text`` beside ``path``, then give it the name; what a link points to is what is replaced.

    :raises OSError: the disk refuses; what was there is untouched.
    """
    replace_bytes(path, text.encode("utf-8"))


def replace_bytes(path: Path, data: bytes) -> None:
    """The same with ``data``. Raises as :func:`replace_text`."""
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    real = path.resolve()
    beside = beside_of(real)
    try:
        with beside.open("xb") as out:
            out.write(data)
        if real.exists():
            beside.chmod(stat.S_IMODE(real.stat().st_mode))
        beside.replace(real)
    finally:
        with suppress(FileNotFoundError):
            beside.unlink()


def beside_of(path: Path) -> Path:
    """A name beside ``path`` for what is not complete yet; open it with ``x``, which follows no link."""
    return path.with_name(f".{path.name}.{os.getpid()}.part")
