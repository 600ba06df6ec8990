"""``invoke lock``: makes a release's lock and writes it, or only tells whether the one there still holds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tfbuild.documents import dump
from tfbuild.errors import DownloadError, HostError, UsageError, VerificationError
from tfbuild.lock_file import Lock, write_lock
from tfbuild.lock_state import ReleaseLock, lock_status, needs_lock
from tfbuild.locking import LockEffects, Made, make_lock
from tfbuild.model import Pin
from tfbuild.release_schema import Release
from tfbuild.release_upstream import UpstreamBuildFiles
from tfbuild.store import hash_file
from tfbuild.user_files import beside_of

_MOST_DIFFERENCES = 20


@dataclass(frozen=True)
class LockPlaces:
    """Where ``invoke lock`` finds clones, and where it copies the archives to; None: nowhere. And whether it
    reads the release's source, or the build files that the release file names besides."""

    clones: Path | None = None
    mirror: Path | None = None
    without_source: bool = False


@dataclass(frozen=True)
class ReadFrom:
    """The build files that a lock is made from: the ``source`` archive's, or those ``declared_in`` another
    repository."""

    texts: Mapping[str, str]
    source: tuple[Pin, Path] | None = None
    declared_in: str | None = None


def refresh(
    release: Release,
    old: ReleaseLock,
    read: ReadFrom,
    effects: LockEffects,
    *,
    project: Path,
    mirror: Path | None,
    check: bool,
) -> None:
    """Make the lock of ``release`` from what was ``read``, and write it unless ``check``.

    :raises DownloadError: something could not be locked; what could is written.
    :raises VerificationError: with ``check``, the lock is not what would be written.
    """
    made = make_lock(release, read.texts, old.lock, effects, declared_in=read.declared_in)
    if mirror and not check:
        copy_to_mirror(mirror, (*((read.source,) if read.source else ()), *_archives(made)))
    if check:
        _require_equal(release, old, made.lock)
    elif made.lock.text() != old.lock.text():
        _write(project / old.path, made.lock, old.path)
    if made.lock.missing:
        what = f"{len(made.lock.missing)} of the sources of {release.product} {release.release}"
        raise DownloadError(
            f"{what} could not be locked",
            details=tuple(f"{each.name}: {each.reason}" for each in made.lock.missing),
            hint="with --clones DIR, from clones; or again when the network is there",
        )


def require_lockable(release: Release) -> None:
    """Raises :class:`UsageError` for a release whose release file has all of its downloads."""
    if not needs_lock(release) and release.archive.sha256:
        raise UsageError(
            f"{release.product} {release.release} needs no lock: its release file pins every download",
            hint="invoke list-releases",
        )


def build_files_of(release: Release) -> UpstreamBuildFiles:
    """Raises :class:`UsageError` for a release whose release file names none."""
    found = release.upstream.build_files if release.upstream else None
    if found is None:
        raise UsageError(
            f"the release file of {release.product} {release.release} names no build files but its source's",
            hint="invoke lock, without --without-source",
        )
    return found


def require_made(release: Release, old: ReleaseLock) -> None:
    """Raises :class:`VerificationError` where there is no lock yet."""
    if lock_status(release, old.lock) == "none":
        raise _stale(release, old, "there is none yet", ())


def copy_to_mirror(folder: Path, files: Sequence[tuple[Pin, Path]]) -> None:
    """Copy each file to where ``TFBUILD_MIRRORS=https://=FOLDER/`` looks for its first URL.

    :raises UsageError: something else is there; nothing was copied then.
    """
    places = [(_mirrored(folder, pin), pin, path) for pin, path in files]
    _require_same_or_none(places)
    for target, _, path in places:
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = beside_of(target)
        try:
            with path.open("rb") as source, staging.open("xb") as out:
                shutil.copyfileobj(source, out)
            staging.replace(target)
        finally:
            staging.unlink(missing_ok=True)


def _mirrored(folder: Path, pin: Pin) -> Path:
    url = urlsplit(pin.urls[0])
    return folder / url.netloc / unquote(url.path).lstrip("/")


def _require_same_or_none(places: Sequence[tuple[Path, Pin, Path]]) -> None:
    """Nothing that is in the mirror already is replaced by something else."""
    others = tuple(
        str(target)
        for target, pin, _ in places
        if os.path.lexists(target) and not (target.is_file() and hash_file(target) == pin.sha256)
    )
    if others:
        raise UsageError(
            "the mirror has other files in the places of those that are locked: nothing is replaced",
            details=others,
            hint="move them away, or take another folder: --mirror DIR",
        )


def differences(old: Lock, new: Lock) -> tuple[str, ...]:
    """What ``new`` says otherwise than ``old``, a line each."""
    return tuple(_differences(_named(old), _named(new)))


def _archives(made: Made) -> Iterator[tuple[Pin, Path]]:
    for each in made.lock.sources:
        yield each.pin(), made.files[each.name]


def _write(path: Path, lock: Lock, shown: str) -> None:
    try:
        write_lock(path, lock)
    except OSError as error:
        raise HostError(f"{shown} cannot be written: {error.strerror or error}") from error


def _require_equal(release: Release, old: ReleaseLock, new: Lock) -> None:
    require_made(release, old)
    if old.lock.text() == new.text():
        return
    stale = lock_status(release, old.lock) == "stale"
    why = (
        "it is stale: the release file has changed since it was made"
        if stale
        else "upstream's source or its hosts say something else"
    )
    raise _stale(release, old, why, differences(old.lock, new))


def _stale(release: Release, old: ReleaseLock, why: str, details: Sequence[str]) -> VerificationError:
    more = len(details) - _MOST_DIFFERENCES
    return VerificationError(
        f"{old.path} is not what would be written: {why}",
        details=(*details[:_MOST_DIFFERENCES], *((f"and {more} more",) if more > 0 else ())),
        hint=f"invoke lock --product {release.product} --release {release.release}",
    )


def _named(lock: Lock) -> dict[str, Mapping[str, Any]]:
    entries: dict[str, Mapping[str, Any]] = {each.name: dump(each) for each in lock.sources}
    entries |= {each.name: {**asdict(each), "missing": True} for each in lock.missing}
    entries["made_from"] = dump(lock.made_from) if lock.made_from else {}
    return entries


def _differences(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in new:
            yield f"{name}: upstream does not want it any more"
        elif name not in old:
            yield f"{name}: is not in the lock"
        else:
            keys = sorted({*old[name], *new[name]})
            yield from (
                f"{name}: {key} is {old[name].get(key)}, would be {new[name].get(key)}"
                for key in keys
                if old[name].get(key) != new[name].get(key)
            )
