"""A world in which no file is opened or looked at, and nothing is sent."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

# What Python itself tells of: https://docs.python.org/3/library/audit_events.html
_FORBIDDEN = ("open", "os.", "shutil.", "tempfile.", "glob.", "pathlib.", "socket.", "subprocess.", "mmap.")
_closed = False
_hooked = False


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if not _closed or not event.startswith(_FORBIDDEN):
        return
    if event == "open" and str(arguments[0]).endswith((".py", ".pyc")):
        return  # a module that is imported where it is used
    # Not an Exception: code that catches those must not hide it.
    pytest.fail(f"what is called pure reached for the world: {event} {arguments}", pytrace=True)


@contextmanager
def closed_world() -> Iterator[None]:
    """Fails the test at the first file, folder, connection or process, whatever door is used.

    Audit hooks see builtins.open, io.open, os.open, os.listdir, os.scandir and all that is made of them, and
    sockets. Looking whether a file is there is no event, so ``os.stat`` and its like are replaced.
    """
    global _closed, _hooked
    if not _hooked:
        sys.addaudithook(_refuse)
        _hooked = True
    with pytest.MonkeyPatch.context() as patch:
        for name in ("stat", "lstat", "access", "readlink"):
            patch.setattr(os, name, _looked(name))
        _closed = True
        try:
            yield
        finally:
            _closed = False


def _looked(name: str) -> object:
    def refuse(*arguments: object, **_: object) -> None:
        global _closed
        _closed = False  # the report of the failure reads files
        pytest.fail(f"what is called pure reached for the world: os.{name} {arguments}", pytrace=True)

    return refuse


def forget_what_was_read() -> None:
    """Empty every cache of this program: a file that was read before is read again, or not at all."""
    for name, module in tuple(sys.modules.items()):
        if name.startswith("tfbuild."):
            for value in tuple(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()
