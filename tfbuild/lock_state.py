"""Whether a release's lock is there, whole, and made from the release as it is; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from tfbuild.config_schema import BuildConfig
from tfbuild.fingerprint import fingerprint
from tfbuild.lock_file import Condition, Lock, LockedSource, MadeFrom
from tfbuild.model import Arch, Pin
from tfbuild.release_schema import Release

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


def made_from(release: Release) -> MadeFrom:
    """What of ``release`` decides which sources its lock has: other keys may change without outdating it."""
    source = release.archive
    repins = [(each.name, each.ref) for each in release.upstream.repins] if release.upstream else []
    content = f"sha256:{source.sha256}" if source.sha256 else f"tree:{source.tree}"
    return MadeFrom(release=fingerprint([content, release.arches, sorted(repins)]), source=content)


def needs_lock(release: Release) -> bool:
    """Whether the release's build would download what its release file does not pin."""
    return release.provider == "upstream" and release.serving is None


def lock_status(release: Release, lock: Lock) -> LockStatus:
    """The state of the lock for the whole release: every architecture, every configuration."""
    if not needs_lock(release):
        return "not-needed"
    if lock.made_from is None:
        return "none"
    if lock.made_from != made_from(release):
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


def locked_pins(release: Release, lock: Lock, arch: Arch, asked: Iterable[Condition] = ()) -> tuple[Pin, ...]:
    """The downloads that the lock adds to those of the release file. A stale lock adds nothing."""
    if lock_status(release, lock) not in {"complete", "incomplete"}:
        return ()
    return tuple(each.pin() for each in needed_sources(lock, arch, asked))
