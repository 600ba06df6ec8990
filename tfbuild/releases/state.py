"""Whether a release's lock is there, whole, and made from the release as it is; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tfbuild.base.arch import Arch
from tfbuild.base.documents import fingerprint
from tfbuild.base.values import Pin
from tfbuild.products.keys import BuildConfig
from tfbuild.releases.dependency import Declared
from tfbuild.releases.keys import Release
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
        source = release.source
        return self.lock.sha256_of(source.filename, source.tree) if source else None


def made_from(release: Release, declared_in: str | None = None) -> MadeFrom:
    """What of ``release`` decides which sources its lock has: other keys may change without outdating it.

    ``declared_in``: see :class:`MadeFrom`.
    """
    source = release.archive
    repins = [(each.name, each.ref) for each in release.upstream.repins] if release.upstream else []
    content = f"sha256:{source.sha256}" if source.sha256 else f"tree:{source.tree}"
    return MadeFrom(
        release=fingerprint([content, release.arches, sorted(repins)]),
        source=content,
        declared_in=declared_in,
    )


def needs_lock(release: Release) -> bool:
    """Whether the release's build would download what its release file does not pin."""
    return release.provider == "upstream" and release.serving is None


def lock_status(release: Release, lock: Lock) -> LockStatus:
    """The state of the lock for the whole release: every architecture, every configuration."""
    if not needs_lock(release):
        return "not-needed"
    if lock.made_from is None:
        return "none"
    files = release.upstream.build_files if release.upstream else None
    if lock.made_from not in (made_from(release), made_from(release, files.place if files else None)):
        return "stale"
    return "incomplete" if lock.missing else "complete"


def conditions(values: BuildConfig) -> tuple[Condition, ...]:
    """The optional parts that a configuration asks for."""
    return ("tflite.gpu_delegate",) if values.tflite.gpu_delegate else ()


def needed_sources(lock: Lock, arch: Arch, asked: Iterable[Condition]) -> tuple[LockedSource, ...]:
    """The locked sources of a build, sorted by name."""
    wanted = tuple(asked)
    found = (each for each in lock.sources if each.needed(arch, wanted))
    return tuple(sorted(found, key=lambda each: each.name))


def unlocked(release: Release, lock: Lock, arch: Arch, asked: Iterable[Condition]) -> tuple[str, ...]:
    """Why a build would have to download something without a hash; empty: it would not."""
    status = lock_status(release, lock)
    if status == "none":
        return ("which sources upstream's build downloads has not been locked",)
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
    repinned = {each.name for each in release.upstream.repins} if release.upstream else set()
    # NAME:PATH is declared by the locked source NAME, whose bytes have a hash.
    asked: tuple[LockedSource | MissingSource, ...] = (*lock.sources, *lock.missing)
    own = (each for each in asked if ":" not in each.declared)
    found = (Declared(each.name, each.repository, each.ref) for each in own if arch in each.arches)
    return tuple(sorted(each for each in found if each.name not in repinned))


def locked_pins(release: Release, lock: Lock, arch: Arch, asked: Iterable[Condition] = ()) -> tuple[Pin, ...]:
    """The downloads that the lock adds to those of the release file. A stale lock adds nothing."""
    if lock_status(release, lock) not in {"complete", "incomplete"}:
        return ()
    return tuple(each.pin() for each in needed_sources(lock, arch, asked))
