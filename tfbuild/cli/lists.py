"""``invoke list-configs`` and ``list-releases``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tfbuild.base.arch import Arch
from tfbuild.base.documents import GitId, HexDigest, dump
from tfbuild.base.errors import ExitCode
from tfbuild.base.project import PROJECT
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.products.table import release_kinds
from tfbuild.releases.keys import Release, source_of
from tfbuild.releases.load import default_release, load_lock
from tfbuild.releases.state import LockStatus, lock_status
from tfbuild.releases.wheels.keys import WheelRelease


@dataclass(frozen=True, kw_only=True)
class ConfigEntry:
    """A build configuration; ``arches`` is empty where every architecture will do."""

    name: str
    description: str
    path: str
    arches: tuple[Arch, ...]
    default: bool


@dataclass(frozen=True, kw_only=True)
class ConfigList:
    """``invoke list-configs --json``"""

    version: Literal[1] = 1
    configs: tuple[ConfigEntry, ...]


@dataclass(frozen=True, kw_only=True)
class SourceEntry:
    """Where the source of a release may be had; ``debian:pool/...`` is a path in the Debian archive."""

    urls: tuple[str, ...]
    sha256: HexDigest | None  # null: nobody published one, and the tree decides
    tree: GitId | None


@dataclass(frozen=True, kw_only=True)
class ReleaseEntry:
    """A release; ``built``: this project has compiled and verified it; ``pinned``: its bytes are known."""

    product: str
    release: str
    status: Literal["built", "pinned"]
    arches: tuple[Arch, ...]
    description: str
    library_version: str
    provider: Literal["debian", "upstream", "wheels"]
    tag: str
    revision: str | None
    source: SourceEntry | None  # null: it is made of wheels
    # Of what a build downloads besides: 'not-needed' where the release file has it all; only 'not-needed' and
    # 'complete' can always be built, 'incomplete' where nothing is missing for what is asked.
    lock: Literal["not-needed", "none", "stale", "incomplete", "complete"]


@dataclass(frozen=True, kw_only=True)
class ReleaseList:
    """``invoke list-releases --json``"""

    version: Literal[1] = 1
    releases: tuple[ReleaseEntry, ...]


def list_configs(*, as_json: bool) -> int:
    """``invoke list-configs``"""
    from tfbuild.base.documents import dump
    from tfbuild.cli.line.own_files import user_places
    from tfbuild.config.load import CONFIG_FOLDER, DEFAULT_CONFIG
    from tfbuild.products.table import list_configs

    configs = list_configs(PROJECT, user_places())
    if as_json:
        entries = [
            ConfigEntry(
                name=each.name,
                description=each.description,
                path=each.path,
                arches=each.arches,
                default=each.name == DEFAULT_CONFIG,
            )
            for each in configs
        ]
        write_json(dump(ConfigList(configs=tuple(entries))))
        return ExitCode.OK
    width = max(len(each.name) for each in configs)
    for each in configs:
        mark = "*" if each.name == DEFAULT_CONFIG else " "
        only = f" [{', '.join(map(str, each.arches))} only]" if each.arches else ""
        own = "" if each.path == f"{CONFIG_FOLDER}/{each.name}.yaml" else f" ({each.path})"
        write_lines([f"{mark} {each.name:<{width}}  {each.description}{only}{own}"])
    return ExitCode.OK


def list_releases(*, as_json: bool) -> int:
    """``invoke list-releases``"""
    from tfbuild.products.table import list_releases
    from tfbuild.releases.load import load_lock

    releases = list_releases(PROJECT)
    locks = lock_statuses(PROJECT, releases)
    if as_json:
        write_json(list_releases_json(releases, locks))
        return ExitCode.OK
    lacking = [tuple(missing.name for missing in load_lock(PROJECT, each).lock.missing) for each in releases]
    write_lines(release_lines(releases, locks, lacking))
    return ExitCode.OK


def release_lines(
    releases: Sequence[Release], locks: Sequence[LockStatus], lacking: Sequence[tuple[str, ...]]
) -> Iterator[str]:
    """A line for each release; ``lacking`` are the names of the sources that its lock has no hash of."""
    defaults = [
        default_release(releases, kind.product, never_built=kind.never_built_will_do)
        for kind in release_kinds()
        if any(each.product == kind.product for each in releases)
    ]
    arches = [", ".join(map(str, each.arches)) for each in releases]
    name_width, arch_width = max(len(each.release) for each in releases), max(map(len, arches))
    for each, where, lock, names in zip(releases, arches, locks, lacking, strict=True):
        mark = "*" if each in defaults else " "
        state = _state(each) + _lock_note(lock, names)
        yield f"{mark} {each.product:<8} {each.release:<{name_width}}  {where:<{arch_width}}  {state}"


def _state(release: Release) -> str:
    how = "compiled" if release.is_compiled else "built"
    return (
        f"built: {how} and verified here" if release.status == "built" else f"pinned: not {how} here as it is"
    )


def _lock_note(lock: LockStatus, lacking: tuple[str, ...]) -> str:
    if lock in {"not-needed", "complete"}:
        return ""
    told = {"none": "not locked: invoke lock", "incomplete": f"its lock lacks {', '.join(lacking)}"}
    return f"; {told.get(lock, 'its lock is stale: invoke lock')}"


def lock_statuses(root: Path, releases: Sequence[Release]) -> tuple[LockStatus, ...]:
    """The state of each release's lock. Raises :class:`ConfigError` for a broken lock file."""
    return tuple(_lock_status(root, each) for each in releases)


def _lock_status(root: Path, release: Release) -> LockStatus:
    if isinstance(release, WheelRelease):
        return "complete" if (root / release.lock_path).exists() else "none"
    return lock_status(release, load_lock(root, release).lock)


def list_releases_json(releases: Sequence[Release], locks: Sequence[LockStatus]) -> dict[str, Any]:
    """The document of ``list-releases --json``; its form is part of the interface."""
    entries = tuple(
        ReleaseEntry(
            product=each.product,
            release=each.release,
            status=each.status,
            arches=each.arches,
            description=each.description,
            library_version=each.version,
            provider=each.provider,
            tag=each.tag,
            revision=each.revision,
            source=SourceEntry(urls=source.urls, sha256=source.sha256, tree=source.tree)
            if (source := source_of(each))
            else None,
            lock=lock,
        )
        for each, lock in zip(releases, locks, strict=True)
    )
    return dump(ReleaseList(releases=entries))
