"""What was read of a file's code before, in the cache: by its bytes, and by the program that read them.

Reading instructions takes a second for each 5 to 20 MB. An image's libraries are mostly those of the image
that was built before it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from tfbuild.base.errors import UsageError
from tfbuild.base.project import PROJECT
from tfbuild.config.cpus import CPUS
from tfbuild.machine.user_files import replace_bytes

FOLDER = "facts"  # of the cache
_DECODERS = ("iced-x86", "pyelftools")

Facts = TypeVar("Facts")


def _nowhere() -> Path | None:
    return None


_folder: Callable[[], Path | None] = _nowhere


@contextmanager
def kept_below(root: Callable[[], Path]) -> Iterator[None]:
    """Within, what is read is kept in the cache ``root``; where there is none, none is made for this."""
    global _folder
    before = _folder

    def folder() -> Path | None:
        with suppress(UsageError):  # a command that needs the cache says so
            found = root() / FOLDER
            return found if found.is_dir() else None
        return None

    _folder = folder
    try:
        yield
    finally:
        _folder = before


def kept(kind: type[Facts], digests: tuple[str, ...], read: Callable[[], Facts]) -> Facts:
    """What ``read`` gives for the bytes with these ``digests``; what was kept of them where that is whole."""
    folder = _folder()
    if folder is None:
        return read()
    key = hashlib.sha256("\n".join((_reader(), kind.__qualname__, *digests)).encode()).hexdigest()
    # mypy takes no class for hashable: https://github.com/python/mypy/issues/11470
    file, adapter = folder / f"{key}.json", _adapter(kind)  # type: ignore[arg-type]
    with suppress(OSError, ValidationError):
        known: Facts = adapter.validate_json(file.read_bytes())
        return known
    facts = read()
    with suppress(OSError):  # a full disk is told by whom it matters to
        replace_bytes(file, adapter.dump_json(facts))
    return facts


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _reader() -> str:
    """A hash of the code and the tables that facts come from: a changed one reads everything again."""
    here = Path(__file__).parent
    files = [here / "examine.py", *here.glob("elf/*.py"), *here.glob("isa/*.py"), PROJECT / CPUS]
    sums = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)]
    return "\n".join((*sums, *(version(name) for name in _DECODERS)))
