"""``invoke clean``: what builds left here, removed; what is not theirs stays."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, HostError, UsageError
from tfbuild.base.text import human_size, shown
from tfbuild.build.dist.folder import hold_staging, is_marked
from tfbuild.build.dist.ownership import (
    MANIFEST,
    Content,
    content_of,
    files_below,
    read_manifest,
    remove_own,
)
from tfbuild.engine.facts import Held
from tfbuild.machine.cache import bytes_below, cache_root, clear_cache, require_clearable
from tfbuild.machine.locks import hold
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.plan.several import INDEX_FOLDER
from tfbuild.products import table

_DAY_S = 24 * 3600
# A hundred years; Python refuses to convert some thousands of digits.
_LONGEST_DAYS = 36_500


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What shall go. ``output``, ``older`` and ``product`` as they were typed; empty: dist, any age, all."""

    cache: bool = False
    engine: bool = False
    output: str = ""
    older: str = ""
    product: str = ""
    only_list: bool = False

    @property
    def older_s(self) -> int:
        """The least age of a result in seconds. Raises :class:`UsageError` for what is no number of days."""
        if not self.older:
            return 0
        days = self.older.removesuffix("d")
        if not re.fullmatch("[0-9]{1,5}", days) or int(days) > _LONGEST_DAYS:
            raise UsageError(
                f"--older takes a number of days up to {_LONGEST_DAYS}, not '{shown(self.older)}'",
                hint="for example --older 30",
            )
        return int(days) * _DAY_S


@dataclass(frozen=True)
class Engine:
    """The engine, as far as build trees are concerned; asked only when they shall go."""

    held: Callable[[], Sequence[Held]]
    remove: Callable[[str], int]  # a cache mount; how many bytes that freed


Kind = Literal["result", "cache", "build-tree", "other"]
_VERBS = {"removed": "removed", "would-remove": "would remove", "left": "left", "would-leave": "would leave"}


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """What happened to a folder, or to a cache mount of the engine: ``why`` says it of what is left, and of
    a place where there is nothing."""

    kind: Kind
    action: Literal["removed", "would-remove", "left", "would-leave", "nothing"]
    place: str
    bytes: int = 0
    why: str = ""

    def __str__(self) -> str:
        if self.action == "nothing":
            return self.why
        verb, size = _VERBS[self.action], human_size(self.bytes)
        if self.action in {"left", "would-leave"}:
            return f"{verb} {self.place}{self.why if self.why.startswith(',') else f': {self.why}'}"
        if self.kind == "cache":
            return f"{verb} {size} from {self.place}"
        return f"{verb} {self.place}{' from the engine' if self.kind == 'build-tree' else ''} ({size})"


@dataclass(frozen=True, kw_only=True)
class CleanDocument:
    """``invoke clean --json``"""

    version: Literal[1] = 1
    cleaned: tuple[Cleaned, ...]


def clean(wanted: Wanted, *, as_json: bool) -> int:
    """``invoke clean``"""
    from tfbuild.cli.wiring import held_in_engine, remove_from_engine

    cleaned = clean_up(wanted, os.environ, Engine(held_in_engine, remove_from_engine))
    if as_json:
        write_json(dump(CleanDocument(cleaned=tuple(cleaned))))
    else:
        write_lines(map(str, cleaned))
    return ExitCode.OK


# DIST/product/release/config/arch, and beside an arch what a killed build left of it.
_DEPTH = 4
_TEMPORARY = re.compile(r"\.(.+)\.(new|old)")


@dataclass(frozen=True)
class Remains:
    """What a build left: its result, or half of one; ``foreign`` says why it is not removed."""

    folder: Path
    size: int
    foreign: str = ""


def clean_up(wanted: Wanted, env: Mapping[str, str], engine: Engine) -> Iterator[Cleaned]:
    """Remove the results of builds below ``wanted.output`` (else dist, where builds write); when asked also
    downloads, sources and root filesystems, and the build trees in the engine. One entry for each.

    :raises UsageError: the place is a link or a file, the cache is none of ours or holds other things, or an
        option cannot be understood.
    :raises HostError: something may not be read or removed.
    :raises LockedError: a build uses what shall go.
    """
    root = cache_root(env)
    if wanted.product:
        table.parse_product(wanted.product)
    wanted_age = wanted.older_s
    if wanted.cache and (wanted.product or wanted.older):
        raise UsageError(
            "--cache removes the whole cache: it takes neither --product nor --older",
            hint="invoke clean --cache, or leave it out",
        )
    if wanted.cache and root.exists():
        require_clearable(root)
    yield from _clean_results(wanted, wanted_age)
    if wanted.cache:
        yield from _clean_cache(root, only_list=wanted.only_list)
    if wanted.engine:
        if not wanted.only_list:
            _require_unused(root)
        yield from _clean_engine(wanted, engine)
    elif wanted.cache:
        why = "build trees and ccache are in the engine: invoke clean --engine"
        yield Cleaned(kind="build-tree", action="nothing", place="", why=why)


def _clean_engine(wanted: Wanted, engine: Engine) -> Iterator[Cleaned]:
    """Our build trees; those that all products share (ccache, Bazel's caches) only where none is named."""
    mounts = [each for each in engine.held() if each.is_mount]
    if wanted.product:
        mounts = [each for each in mounts if each.names[0].startswith(f"tfbuild-tree-{wanted.product}-")]
    for each in mounts:
        name = each.names[0]
        if wanted.only_list:
            yield Cleaned(kind="build-tree", action="would-remove", place=name, bytes=each.size)
        else:
            yield Cleaned(kind="build-tree", action="removed", place=name, bytes=engine.remove(each.id))
    if not mounts:
        yield Cleaned(kind="build-tree", action="nothing", place="", why="no build tree in the engine")


def _clean_cache(root: Path, *, only_list: bool) -> Iterator[Cleaned]:
    place = str(root)
    if not root.exists():
        yield Cleaned(kind="cache", action="nothing", place=place, why=f"no cache at {root}")
    elif only_list:
        yield Cleaned(kind="cache", action="would-remove", place=place, bytes=bytes_below(root))
    else:
        _require_unused(root)
        yield Cleaned(kind="cache", action="removed", place=place, bytes=clear_cache(root))
        if root.exists():
            others = ", ".join(sorted(each.name for each in root.iterdir())[:5])
            yield Cleaned(
                kind="cache", action="left", place=place, why=f", which holds other things: {others}"
            )


def _clean_results(wanted: Wanted, older_s: int) -> Iterator[Cleaned]:
    word, only_list = wanted.output or "dist", wanted.only_list
    dist = Path(os.path.abspath(word))  # noqa: PTH100 - resolve() would follow the user's links
    if dist.is_symlink():
        raise UsageError(f"{dist} is a link: nothing removed", hint=f"--output {dist.readlink()}")
    if not dist.exists():
        yield Cleaned(kind="result", action="nothing", place=str(dist), why=f"no {word}/ to remove")
        return
    if not dist.is_dir():
        raise UsageError(f"{dist} is a file, not a folder of results", hint="--output DIR")
    try:
        found = tuple(each for each in remains(dist) if _is_wanted(each, dist, wanted, older_s))
    except OSError as error:
        raise HostError(f"cannot read {error.filename}: {error.strerror}", hint="check its owner") from error
    for each in found:
        place = str(each.folder)
        if each.foreign:
            left: Literal["left", "would-leave"] = "would-leave" if only_list else "left"
            yield Cleaned(kind="other", action=left, place=place, why=each.foreign)
        elif only_list:
            yield Cleaned(kind="result", action="would-remove", place=place, bytes=each.size)
        else:
            yield _remove(each, dist)
    if not any(not each.foreign for each in found):
        whose = f" of {wanted.product}" if wanted.product else ""
        days = wanted.older_s // _DAY_S
        age = f" that is {days} day{'' if days == 1 else 's'} old" if wanted.older else ""
        why = f"no result of a build{whose}{age} in {dist}"
        yield Cleaned(kind="result", action="nothing", place=str(dist), why=why)


def _is_wanted(each: Remains, dist: Path, wanted: Wanted, older_s: int) -> bool:
    """Of the product, and as old; foreign files are told where everything goes."""
    parts = each.folder.relative_to(dist).parts
    if wanted.product and parts[0] != wanted.product:
        return False
    if not older_s:
        return True
    if each.foreign:
        return False
    manifest = each.folder / MANIFEST
    written = manifest if manifest.is_file() else each.folder
    return time.time() - written.stat().st_mtime >= older_s


def remains(dist: Path) -> Iterator[Remains]:
    """What is below ``dist``, ours and foreign, without following a link.

    :raises OSError: a folder cannot be listed.
    """
    yield from _below(dist, dist)


def _below(folder: Path, dist: Path) -> Iterator[Remains]:
    for each in sorted(folder.iterdir()):
        depth = len(each.relative_to(dist).parts)
        if each.is_symlink():
            yield Remains(each, 0, f"a link to {each.readlink()}, which is not followed")
        elif not each.is_dir():
            yield Remains(each, 0, "not a result of a build")
        elif depth < _DEPTH:
            yield from _below(each, dist)
        elif is_marked(each) and _TEMPORARY.fullmatch(each.name):
            yield Remains(each, bytes_below(each))
        else:
            yield from _judged(each, dist)


def _judged(folder: Path, dist: Path) -> Iterator[Remains]:
    content = content_of(folder)
    if not content.owner:
        if any(files_below(folder)):
            yield Remains(folder, 0, "it has no manifest.json of tfbuild")
        return
    yield Remains(folder, bytes_below(folder), _objection(folder, dist, content))


def _objection(folder: Path, dist: Path, content: Content) -> str:
    product, release, config, name = folder.relative_to(dist).parts
    temporary = _TEMPORARY.fullmatch(name)
    place = (product, release, config, temporary[1] if temporary else name)
    if _place_of(read_manifest(folder) or {}, place) != place:
        return f"its manifest.json is of {content.owner}, which belongs elsewhere"
    if content.foreign:
        more = len(content.foreign) - 5
        names = ", ".join(content.foreign[:5]) + (f" and {more} more" if more > 0 else "")
        return f"it also holds {names}"
    return ""


def _place_of(manifest: Mapping[str, Any], place: tuple[str, ...]) -> tuple[str, ...]:
    """Where below dist the result of this manifest was written."""
    plan = manifest.get("plan")
    if isinstance(plan, dict):
        return Path(str(plan.get("output"))).parts[-_DEPTH:]
    # That of an index has no plan, but an id of the same words.
    product, release, config, _ = place
    ours = manifest.get("id") == f"{product}-{release}-{config}"
    return (product, release, config, INDEX_FOLDER) if ours else ()


def _remove(each: Remains, dist: Path) -> Cleaned:
    folder = each.folder
    try:
        if is_marked(folder):
            holding = hold_staging(folder)
            if holding is None:
                return Cleaned(kind="result", action="left", place=str(folder), why="a build is writing it")
            shutil.rmtree(folder)
            os.close(holding)
        elif failed := remove_own(folder):
            raise HostError("couldn't remove everything", details=failed, hint="check its owner")
    except OSError as error:
        raise HostError(
            f"couldn't remove {error.filename}: {error.strerror}", hint="check its owner"
        ) from error
    for parent in folder.parents:
        with suppress(OSError):  # something else is in it
            parent.rmdir()
        if parent == dist or parent.exists():
            break
    return Cleaned(kind="result", action="removed", place=str(folder), bytes=each.size)


def _require_unused(root: Path) -> None:
    """Raises LockedError, which tells who it is, when a build uses the cache."""
    for lock in sorted((root / "locks").glob("*.lock")):
        with hold(lock, what="clearing the cache", wait_s=0, on_wait=lambda _: None):
            pass
