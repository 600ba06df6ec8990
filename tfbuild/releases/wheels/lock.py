"""The lock of a release's wheels: every file with its hash, and what it says of itself. Pure but for reading.

``build_configs/releases/<product>/<release>.wheels.json`` lists each wheel once, and for each (Python,
architecture, variant) the files that belong to it. A wheel is named as the index names it,
``pypi:NAME/FILENAME``; which index serves it is for the host's pip configuration to say
(:mod:`tfbuild.downloads.python_index`). ``requires_dist`` and ``requires_python`` are the wheel's own
metadata: https://packaging.python.org/specifications/core-metadata/
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from tfbuild.base.arch import Arch
from tfbuild.base.documents import Bytes, HexDigest, dump
from tfbuild.base.errors import ConfigError, ConfigProblem, NothingMatchesError
from tfbuild.base.urls import PYPI_SCHEME
from tfbuild.base.values import Origin, Pin
from tfbuild.releases.load import lock_command
from tfbuild.releases.lock import refuse_broken_json
from tfbuild.releases.wheels.keys import WheelRelease


def wheel_pins(
    root: Path, release: WheelRelease, arch: Arch, *, variant: str, python: str | None = None
) -> tuple[Pin, ...]:
    """The wheels of ``release`` in its lock; ``python`` None is its default one.

    :raises NothingMatchesError: there is no lock, or none of its environments is this one.
    """
    found = release.wheels.python(python)
    if found is None:
        raise NothingMatchesError(
            f"{release.product} {release.release} has no Python {python or ''}".rstrip()
        )
    file = read_lock_of(root, release)
    environment = require_environment(file, found.version, arch, variant)
    return tuple(each.pin for each in file.lock.wheels_for(environment))


def read_lock_of(root: Path, release: WheelRelease) -> LockFile:
    """The lock of ``release``. Raises as :func:`read_wheel_lock`."""
    hint = f"{lock_command(release)} makes it from the index that pip uses"
    return read_wheel_lock(root / release.lock_path, release.lock_path, hint)


_FILE = r"^[A-Za-z0-9][A-Za-z0-9._+!-]*\.whl$"
_CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, kw_only=True)
class LockedWheel:
    """One file; ``name`` is normalized (PEP 503), ``size`` is null where no index tells it."""

    __pydantic_config__ = _CLOSED
    name: Annotated[str, Field(pattern="^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    version: str
    filename: Annotated[str, Field(pattern=_FILE)]
    sha256: HexDigest
    size: Bytes | None
    requires_python: str
    requires_dist: tuple[str, ...]

    @property
    def pin(self) -> Pin:
        """The download. Its name is the file's: the only one that no two wheels of a lock share."""
        url = f"{PYPI_SCHEME}{self.name}/{self.filename}"
        return Pin(self.filename, (url,), self.sha256, self.filename, self.size)


@dataclass(frozen=True, kw_only=True)
class WheelEnvironment:
    """For what the wheels were chosen, and which they are (file names)."""

    __pydantic_config__ = _CLOSED
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$")]
    arch: Arch
    variant: str
    requirements: tuple[str, ...]
    wheels: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class UnavailableEnvironment:
    """An environment that was asked for and that the index could not fill; ``reason`` in pip's words."""

    __pydantic_config__ = _CLOSED
    python: Annotated[str, Field(pattern=r"^3\.[0-9]{1,2}$")]
    arch: Arch
    variant: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class WheelLock:
    """The document. ``unavailable`` says of which environments the index has no complete set, and why."""

    __pydantic_config__ = _CLOSED
    version: Literal[1] = 1
    product: str
    release: str
    environments: tuple[WheelEnvironment, ...]
    unavailable: tuple[UnavailableEnvironment, ...]
    wheels: tuple[LockedWheel, ...]

    def environment(self, python: str, arch: Arch, variant: str) -> WheelEnvironment | None:
        wanted = (python, arch, variant)
        return next((e for e in self.environments if (e.python, e.arch, e.variant) == wanted), None)

    def wheels_for(self, environment: WheelEnvironment) -> tuple[LockedWheel, ...]:
        by_name = {each.filename: each for each in self.wheels}
        return tuple(by_name[name] for name in environment.wheels)

    def text(self) -> str:
        return json.dumps(dump(self), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True)
class LockFile:
    """A lock and where it was read, for messages that name the line of a wheel."""

    lock: WheelLock
    path: str
    lines: dict[str, int] = field(compare=False, repr=False)

    def origin(self, filename: str) -> Origin:
        return Origin(self.path, self.lines.get(filename, 1))


def wheel_lock_path(release_file: str) -> str:
    """The wheel lock of ``.../2.21.0.yaml``."""
    return f"{release_file.removesuffix('.yaml')}.wheels.json"


def is_wheel_lock(path: Path) -> bool:
    """Whether ``path`` has the parts of a lock, though it may be damaged: it can be made anew then."""
    text = path.read_text(encoding="utf-8", errors="replace")
    return all(f'"{each.name}"' in text for each in fields(WheelLock))


def read_wheel_lock(path: Path, shown: str, hint: str | None = None) -> LockFile:
    """The lock at ``path``, called ``shown`` in messages; ``hint`` is for where there is none.

    :raises NothingMatchesError: there is none.
    :raises ConfigError: it cannot be understood, or an environment names a wheel that is not in it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NothingMatchesError(f"there is no lock of the wheels: {shown}", hint=hint) from None
    refuse_broken_json(text, shown)
    try:
        lock = _adapter().validate_json(text)
    except ValidationError as error:
        problems = tuple(
            ConfigProblem(shown, 1, 1, f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}")
            for each in error.errors()[:5]
        )
        raise ConfigError(problems, hint=f"git checkout {shown}, or make it again: invoke lock") from None
    known = {each.filename for each in lock.wheels}
    lacking = sorted({name for each in lock.environments for name in each.wheels} - known)
    if lacking:
        problem = ConfigProblem(shown, 1, 1, f"an environment names wheels without a hash: {lacking[0]}")
        raise ConfigError((problem,), hint=f"git checkout {shown}, or make it again: invoke lock")
    return LockFile(lock, shown, _lines(text))


@cache
def _adapter() -> TypeAdapter[WheelLock]:
    return TypeAdapter(WheelLock)


def _lines(text: str) -> dict[str, int]:
    """The line of each wheel's entry, by file name."""
    mark = '"filename": "'
    return {
        line.split(mark, 1)[1].split('"', 1)[0]: number
        for number, line in enumerate(text.splitlines(), start=1)
        if mark in line
    }


def require_environment(file: LockFile, python: str, arch: Arch, variant: str) -> WheelEnvironment:
    """The environment of the lock; :class:`NothingMatchesError` with what there is instead."""
    lock = file.lock
    found = lock.environment(python, arch, variant)
    if found:
        return found
    why = next(
        (e.reason for e in lock.unavailable if (e.python, e.arch, e.variant) == (python, arch, variant)), ""
    )
    able = [f"Python {e.python}, {e.arch}, {e.variant}" for e in lock.environments]
    raise NothingMatchesError(
        f"{lock.product} {lock.release} has no wheels for Python {python}, {arch}, {variant}",
        details=(*([why] if why else []), f"{file.path} has: {'; '.join(able) or 'nothing'}"),
        hint="invoke list-releases",
    )
