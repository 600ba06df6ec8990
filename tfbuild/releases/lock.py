"""A release's lock: every download of it that its release file does not pin, as text for version control.

``build_configs/releases/<product>/<release>.lock.json`` lies beside the release file. ``sources`` is what
``invoke lock`` found upstream's build to want, each with a hash and how that was obtained; ``missing`` is
what it wants and no hash could be had of. ``seen`` holds the sha256 of sources that are proven by their git
tree (:mod:`tfbuild.releases.first_seen`). Pure, but for the two functions that read and write the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from tfbuild.base.arch import Arch
from tfbuild.base.documents import GitId, HexDigest, dump
from tfbuild.base.errors import ConfigError, ConfigProblem
from tfbuild.base.values import Pin
from tfbuild.machine.user_files import replace_text
from tfbuild.releases.types import FileName, Url

# How a hash came to be known, from the strongest to the weakest.
HashMethod = Literal["published", "git-archive", "download"]
# What a config must ask for before a source is needed: a dotted key of a product.
Condition = Annotated[str, Field(pattern=r"^[a-z][a-z_]*(\.[a-z][a-z_]*)+$")]


@dataclass(frozen=True)
class Seen:
    """What is recorded of a download whose content was proven by its git tree."""

    filename: str
    sha256: HexDigest
    tree: str
    size: int  # bytes
    url: str


@dataclass(frozen=True, kw_only=True)
class HashOrigin:
    """How the hash of a source was obtained.

    ``published``: somebody else wrote it down, ``evidence`` says where. ``git-archive``: of the archive that
    ``git archive`` makes of the commit, compressed as the host does it. ``download``: of what the host served
    when the lock was made; nobody else is known to have seen the same.
    """

    method: HashMethod
    evidence: str


@dataclass(frozen=True, kw_only=True)
class LockedSource:
    """One source that upstream's build would download, and what hands it over instead.

    ``ref`` is what upstream wrote; ``commit`` what it meant when the lock was made (None: a plain file).
    ``variables`` are CMake's: each gets the folder that the archive becomes. ``declared`` is the file where
    upstream asks for it: a path in the release's source, or ``NAME:PATH`` in the locked source NAME.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]
    repository: str  # URL; empty for a plain file
    ref: str
    commit: GitId | None
    urls: tuple[Url, ...]
    filename: FileName
    sha256: HexDigest
    size: int | None  # bytes
    hash_from: HashOrigin
    strip_prefix: FileName
    license: str  # SPDX expression
    license_file: str  # in the archive, or a folder of such; empty: it has none
    variables: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_.+-]+$")], ...]
    arches: tuple[Arch, ...]  # that need it
    only_with: Condition | None
    declared: str

    def pin(self) -> Pin:
        return Pin(self.name, self.urls, self.sha256, self.filename, self.size)

    def needed(self, arch: Arch, conditions: Iterable[Condition]) -> bool:
        return arch in self.arches and (self.only_with is None or self.only_with in conditions)


@dataclass(frozen=True, kw_only=True)
class MissingSource:
    """A source that upstream's build wants and that could not be locked."""

    name: str
    repository: str
    ref: str
    arches: tuple[Arch, ...]
    only_with: Condition | None
    declared: str
    reason: str

    def needed(self, arch: Arch, conditions: Iterable[Condition]) -> bool:
        return arch in self.arches and (self.only_with is None or self.only_with in conditions)


@dataclass(frozen=True, kw_only=True)
class MadeFrom:
    """What a lock was made from: a hash of what the release file says about it, and the source's own.

    ``declared_in`` is the folder of another repository that was read instead of the source (None: the source
    itself was); a build then compares the lock with the source before it compiles.
    """

    release: HexDigest
    source: str  # sha256:… or tree:… of the source archive
    declared_in: Url | None = None


@dataclass(frozen=True, kw_only=True)
class Lock:
    """The content of a lock file; ``made_from`` is None as long as ``invoke lock`` has not made its part."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    made_from: MadeFrom | None = None
    sources: tuple[LockedSource, ...] = ()
    missing: tuple[MissingSource, ...] = ()
    seen: tuple[Seen, ...] = ()

    def sha256_of(self, filename: str, tree: str | None) -> str | None:
        """The recorded hash; an entry for another tree is about another source and does not count."""
        found = (each.sha256 for each in self.seen if (each.filename, each.tree) == (filename, tree))
        return next(found, None)

    def recorded(self, new: Seen) -> Lock:
        """This lock with ``new`` in the place of what was said about the same file."""
        kept = (each for each in self.seen if each.filename != new.filename)
        return replace(self, seen=tuple(sorted((*kept, new), key=lambda each: each.filename)))

    def text(self) -> str:
        """The same bytes for equal locks, in an order that a reader of a diff can follow."""
        ordered = replace(
            self,
            sources=tuple(sorted(self.sources, key=lambda each: each.name)),
            missing=tuple(sorted(self.missing, key=lambda each: each.name)),
        )
        return json.dumps(dump(ordered), indent=2, ensure_ascii=False) + "\n"


def lock_path(release_file: str) -> str:
    """The lock of ``.../2.20.0.yaml``."""
    return f"{release_file.removesuffix('.yaml')}.lock.json"


def read_lock(path: Path, shown: str) -> Lock:
    """The lock at ``path``, empty where there is none.

    :raises ConfigError: it cannot be understood. It is not taken for empty: that would accept anything.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Lock()
    except UnicodeDecodeError:
        text = ""
    refuse_broken_json(text, shown)
    try:
        lock: Lock = TypeAdapter(Lock).validate_json(text, strict=False)
        _require_whole(lock, text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _broken(shown, f"{where}: {first['msg']}" if where else str(first["msg"])) from None
    except ValueError as error:
        raise _broken(shown, str(error)) from None
    return lock


def refuse_broken_json(text: str, shown: str) -> None:
    """Raises :class:`ConfigError` with line and column, which pydantic only says in words."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise _broken(shown, error.msg, error.lineno, error.colno) from None
    except RecursionError:
        raise _broken(shown, "nested too deeply") from None


class AnyLock(Protocol):
    """A lock of sources or of wheels."""

    def text(self) -> str: ...


def write_lock(path: Path, lock: AnyLock) -> None:
    """Replace the lock file in one step; one that is cut off never has half of it."""
    replace_text(path, lock.text())


def _require_whole(lock: Lock, text: str) -> None:
    if not {"seen", "sources"} & set(json.loads(text)):
        raise ValueError("it has neither 'sources' nor 'seen'")
    names = [each.name for each in lock.sources] + [each.name for each in lock.missing]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"named twice: {', '.join(twice)}")


def _broken(shown: str, why: str, line: int = 1, column: int = 1) -> ConfigError:
    problem = ConfigProblem(shown, line, column, f"not a lock file: {why}")
    hint = f"git checkout {shown}, or delete it and make it again: invoke lock"
    return ConfigError((problem,), hint=hint)
