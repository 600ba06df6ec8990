"""Whether a release's lock is there, whole, and made from the release as it is; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tfbuild.base.arch import Arch
from tfbuild.base.documents import fingerprint
from tfbuild.base.values import Pin
from tfbuild.releases.dependency import Declared, Dependency
from tfbuild.releases.keys import Release, SourceRelease, source_of
from tfbuild.releases.lock import Condition, Lock, LockedSource, MadeFrom, MissingSource

# 'not-needed': all of the release's downloads are in its release file.
LockStatus = Literal["not-needed", "none", "stale", "incomplete", "complete"]


@dataclass(frozen=True)
class ReleaseLock:
    """A release's lock and where it lies, relative to the project."""

    path: str
    lock: Lock

    def seen(self, release: Release) -> str | None:
        """The hash of the release's source that was recorded when it was first seen."""
        source = source_of(release)
        return self.lock.sha256_of(source.filename, source.tree) if source else None


def made_from(release: SourceRelease, declared_in: str | None = None) -> MadeFrom:
    """What of ``release`` decides which sources its lock has: other keys may change without outdating it.

    ``declared_in``: see :class:`MadeFrom`.
    """
    source = release.source
    repins = [
        [name, *filter(None, (each.ref, each.repository))] for name, each in sorted(release.repinned.items())
    ]
    content = f"sha256:{source.sha256}" if source.sha256 else f"tree:{source.tree}"
    return MadeFrom(
        release=fingerprint([content, release.arches, repins]),
        source=content,
        declared_in=declared_in,
    )


def lock_status(release: Release, lock: Lock) -> LockStatus:
    """The state of the lock for the whole release: every architecture, every configuration."""
    if not release.needs_lock or not isinstance(release, SourceRelease):
        return "not-needed"
    if lock.made_from is None:
        return "none"
    if lock.made_from not in (made_from(release), made_from(release, release.declared_elsewhere)):
        return "stale"
    return "incomplete" if lock.missing else "complete"


def needed_sources(lock: Lock, arch: Arch, asked: Iterable[Condition]) -> tuple[LockedSource, ...]:
    """The locked sources of a build, sorted by name."""
    wanted = tuple(asked)
    found = (each for each in lock.sources if each.needed(arch, wanted))
    return tuple(sorted(found, key=lambda each: each.name))


def unlocked(release: Release, lock: Lock, arch: Arch, asked: Iterable[Condition]) -> tuple[str, ...]:
    """Why a build would have to download something without a hash; empty: it would not."""
    status = lock_status(release, lock)
    if status == "none":
        return ("the sources that upstream's build downloads have not been locked",)
    if status == "stale":
        return ("the lock was made from another state of the release file",)
    wanted = tuple(asked)
    missing = (each for each in lock.missing if each.needed(arch, wanted))
    return tuple(f"{each.name}: {each.reason}" for each in missing)


def unconfirmed(release: Release, lock: Lock, arch: Arch) -> tuple[Declared, ...]:
    """What the source of ``release`` has to declare for ``arch`` if the lock, which was read elsewhere, is
    right; empty where the lock was read from the source. Nothing is said of what the release file repins."""
    if lock.made_from is None or lock.made_from.declared_in is None:
        return ()
    # NAME:PATH is declared by the locked source NAME, whose bytes have a hash.
    asked: tuple[LockedSource | MissingSource, ...] = (*lock.sources, *lock.missing)
    own = (each for each in asked if ":" not in each.declared)
    found = (Declared(each.name, each.repository, each.ref) for each in own if arch in each.arches)
    return tuple(sorted(each for each in found if each.name not in release.repinned))


def locked_pins(release: Release, lock: Lock, arch: Arch, asked: Iterable[Condition] = ()) -> tuple[Pin, ...]:
    """The downloads that the lock adds to those of the release file. A stale lock adds nothing."""
    if lock_status(release, lock) not in {"complete", "incomplete"}:
        return ()
    return tuple(each.pin() for each in needed_sources(lock, arch, asked))


@dataclass(frozen=True)
class LockedSources:
    """What a lock contributes to one build.

    ``reasons`` say why the build would have to download something without a hash; ``unconfirmed`` is what the
    source has to declare where the lock was read elsewhere.
    """

    pins: tuple[Pin, ...]
    dependencies: tuple[Dependency, ...]
    reasons: tuple[str, ...]
    unconfirmed: tuple[Declared, ...]


def for_build(release: Release, lock: Lock, arch: Arch, asked: Iterable[Condition]) -> LockedSources:
    """What ``lock`` contributes to a build of ``release`` with the optional parts that are ``asked`` for."""
    wanted = tuple(asked)
    pins = locked_pins(release, lock, arch, wanted)
    return LockedSources(
        pins=pins,
        dependencies=tuple(
            Dependency(
                each.name,
                each.sha256,
                each.filename,
                each.strip_prefix,
                each.variables,
                each.license,
                each.license_file,
                each.repository,
                each.ref,
                each.commit,
            )
            for each in (needed_sources(lock, arch, wanted) if pins else ())
        ),
        reasons=unlocked(release, lock, arch, wanted),
        unconfirmed=unconfirmed(release, lock, arch),
    )
