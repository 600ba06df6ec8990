"""``invoke du``: what builds have left on this machine, and the command that frees it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, HostError
from tfbuild.base.text import human_size
from tfbuild.cli.cleaning import remains
from tfbuild.engine.facts import Held
from tfbuild.machine.cache import SUBFOLDERS, bytes_below, cache_root
from tfbuild.machine.path_words import output_folder
from tfbuild.machine.terminal import write_json, write_lines

Kind = Literal["result", "cache", "image", "build-tree"]
_CLEAN_CACHE = "invoke clean --cache"
_WHAT: Mapping[Kind, str] = {
    "result": "results",
    "cache": "downloads, sources and root filesystems",
    "image": "images in the engine; several share layers",
    "build-tree": "build trees and compiler caches in the engine; all of them: invoke clean --engine",
}


@dataclass(frozen=True, kw_only=True)
class Room:
    """Something that takes room; ``place`` is a folder, or a name in the engine. ``free`` frees it."""

    kind: Kind
    place: str
    bytes: int
    free: str


@dataclass(frozen=True, kw_only=True)
class RoomTaken:
    """``invoke du --json``; ``engine`` says why the engine did not answer, null where it did."""

    version: Literal[1] = 1
    entries: tuple[Room, ...]
    engine: str | None


def du(output: str, *, as_json: bool) -> int:
    """``invoke du``"""
    from tfbuild.cli.wiring import held_in_engine

    dist = output_folder(output, "--output") if output else Path("dist")
    taken = room_taken(dist, cache_root(os.environ), held_in_engine)
    if as_json:
        write_json(dump(taken))
    else:
        write_lines(room_lines(taken))
    return ExitCode.OK


def room_taken(dist: Path, cache: Path, engine: Callable[[], Sequence[Held]]) -> RoomTaken:
    """What there is, the largest of each kind first. An engine that does not answer is told, no error.

    :raises HostError: a folder cannot be read.
    """
    try:
        found = [*_results(dist), *_cache(cache)]
    except OSError as error:
        raise HostError(f"cannot read {error.filename}: {error.strerror}", hint="check its owner") from error
    problem = None
    try:
        found += [_held(each) for each in engine()]
    except HostError as error:
        problem = error.message
    return RoomTaken(entries=tuple(found), engine=problem)


def _results(dist: Path) -> Iterator[Room]:
    if not dist.is_dir():
        return
    free = "invoke clean" if dist == Path("dist") else f"invoke clean --output {shlex.quote(str(dist))}"
    ours = [each for each in remains(dist) if not each.foreign]
    for each in sorted(ours, key=lambda each: (-each.size, each.folder)):
        yield Room(kind="result", place=str(each.folder), bytes=each.size, free=free)


def _cache(cache: Path) -> Iterator[Room]:
    sizes = [(bytes_below(cache / name), cache / name) for name in SUBFOLDERS if (cache / name).is_dir()]
    for size, folder in sorted(sizes, key=lambda each: (-each[0], each[1])):
        yield Room(kind="cache", place=str(folder), bytes=size, free=_CLEAN_CACHE)


def _held(held: Held) -> Room:
    name = held.names[0] if held.names else held.id
    if held.is_mount:
        free = f"docker builder prune --force --filter id={held.id}"
        return Room(kind="build-tree", place=name, bytes=held.size, free=free)
    free = f"docker image rm {' '.join(held.names) or held.id}"
    return Room(kind="image", place=name, bytes=held.size, free=free)


def room_lines(taken: RoomTaken) -> Iterator[str]:
    """A paragraph for each kind, with its sum; a command where one frees all of it, else beside each."""
    for kind, what in _WHAT.items():
        entries = [each for each in taken.entries if each.kind == kind]
        if not entries:
            continue
        commands = {each.free for each in entries}
        whole = f"  {commands.pop()}" if len(commands) == 1 else ""
        yield f"{human_size(sum(each.bytes for each in entries)):>9}  {what}{whole}"
        for each in entries:
            yield f"{human_size(each.bytes):>13}  {each.place}{'' if whole else f'  {each.free}'}"
    if not taken.entries:
        yield "nothing of tfbuild is here"
    if taken.engine:
        yield f"the engine was not asked: {taken.engine}"
