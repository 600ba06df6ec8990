"""The dist folder: what the product consists of, its manifest and checksums. Complete or not there."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tfbuild.base.documents import Bytes, HexDigest, Replaced
from tfbuild.base.errors import HostError, LockedError, PackagingError, UsageError
from tfbuild.base.text import ArtifactRow
from tfbuild.base.values import Finding
from tfbuild.build.dist.ownership import (
    CHECKSUMS,
    STAGING_MARK,
    obstacle,
    owner_of,
    read_manifest,
    remove_own,
    require_replaceable,
)
from tfbuild.machine.files import hash_file


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A main result."""

    path: str
    size: Bytes
    sha256: HexDigest


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """The name in a registry that a build's image got, and what it stands for."""

    reference: str
    digest: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


@dataclass(frozen=True, kw_only=True)
class BuildDocument:
    """``invoke build-tflite --json``; ``up-to-date``: nothing had to be done. ``pushed`` is null without
    ``--push``."""

    version: Literal[1] = 1
    status: Literal["built", "up-to-date"]
    output: str
    image: str
    image_id: str
    seconds: Annotated[float, Field(ge=0)]
    artifacts: tuple[Artifact, ...]
    findings: tuple[Finding, ...]
    replaced: tuple[Replaced, ...]
    pushed: Pushed | None = None


# Longer than it takes to look into a folder, shorter than anybody writes one.
_TRIES, _PAUSE_S = 5, 0.05


def staging_of(target: Path) -> Path:
    """Where the new tree is put together, beside the one that it replaces."""
    return target.parent / f".{target.name}.new"


def old_of(target: Path) -> Path:
    """Where the tree that is replaced is for a moment."""
    return target.parent / f".{target.name}.old"


def require_writable(target: Path, flag: str = "--output DIR") -> None:
    """Raises an error when ``target`` could not be replaced at the end of a build, for want of permission
    (:class:`HostError`) or because a part of its path is no folder (:class:`UsageError`)."""
    folder = target
    while not os.path.lexists(folder):
        folder = folder.parent
    if folder != target and not folder.is_dir():
        what = f"a link to {folder.readlink()}" if folder.is_symlink() else "not a folder"
        raise UsageError(
            f"{target} cannot be made",
            details=(f"{folder} is {what}",),
            hint=f"choose another place: {flag}",
        )
    # What is in the place itself is judged by whose it is: require_room.
    place = folder.parent if folder == target else folder
    if not os.access(place, os.W_OK | os.X_OK):
        raise HostError(
            f"{target} cannot be written",
            details=(f"no permission in {place}",),
            hint=f"choose another place: {flag}",
        )


def require_room(target: Path, owner: str, key: str) -> None:
    """Raises :class:`UsageError` where a result of ``owner`` could not take the place ``target``.

    A result with this ``key`` that is there and intact is not replaced, whatever else lies beside it.
    """
    if not is_finished(target, owner, key):
        require_places(target, owner)


def require_places(target: Path, owner: str) -> None:
    """Raises :class:`UsageError` unless ``target`` and what is beside it for a moment are ours or free."""
    require_replaceable(old_of(target), owner)
    require_replaceable(target, owner)
    _require_staging(staging_of(target), owner)


def is_finished(target: Path, owner: str, key: str) -> bool:
    """Whether the result with this ``key`` is in ``target``, every file as it was written."""
    manifest = read_manifest(target)
    if manifest is None or owner_of(manifest) != owner or manifest.get("key") != key:
        return False
    return is_intact(target)


@contextmanager
def claim(target: Path, owner: str) -> Iterator[Path]:
    """An empty folder beside ``target`` for a new result of ``owner``; removed in the end, if it is there.

    The kernel knows who holds it: what a killed process left is taken, what another build writes is not,
    also where that one has another cache and so another lock.

    :raises LockedError: another process is writing there.
    :raises UsageError: somebody else's data is there.
    """
    staging = staging_of(target)
    made = [folder for folder in target.parents if not folder.exists()]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        holding = _hold(staging, target, owner)
    except OSError as error:
        raise _unwritten(staging, error) from error
    try:
        _prepare(staging, owner)
        yield staging
    finally:
        if _is_at(holding, staging):
            shutil.rmtree(staging, ignore_errors=True)
        os.close(holding)
        for folder in made:
            with suppress(OSError):  # it is not empty, or was never made
                folder.rmdir()


def _hold(staging: Path, target: Path, owner: str) -> int:
    if not _is_folder(staging):
        require_replaceable(staging, owner)
        staging.mkdir(exist_ok=True)
    for _ in range(_TRIES):  # somebody who only looks holds it for a moment
        if (holding := hold_staging(staging)) is not None:
            break
        time.sleep(_PAUSE_S)
    if holding is not None and not _is_at(holding, staging):
        os.close(holding)  # it was renamed meanwhile: the other build is done just now
        holding = None
    if holding is None:
        raise LockedError(
            f"another process is writing {target}", details=(str(staging),), hint="wait for it to end"
        )
    if not is_marked(staging):  # asked only now: nobody changes it any more
        try:
            require_replaceable(staging, owner)
        except UsageError:
            os.close(holding)
            raise
    return holding


def hold_staging(staging: Path) -> int | None:
    """A descriptor that holds the folder until it is closed; None where another process has it."""
    holding = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(holding, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(holding)
        return None
    except OSError:  # a file system without such locks: the build's own lock has to do
        return holding
    return holding


def _require_staging(staging: Path, owner: str) -> None:
    """What is there must be what a killed process left; what another one is writing is judged later."""
    if not _is_folder(staging):
        require_replaceable(staging, owner)
        return
    if is_marked(staging) or (holding := hold_staging(staging)) is None:
        return
    try:
        require_replaceable(staging, owner)
    finally:
        os.close(holding)


def is_marked(staging: Path) -> bool:
    """Whether it is a folder that :func:`claim` made."""
    return _is_folder(staging) and (staging / STAGING_MARK).is_file()


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_at(holding: int, staging: Path) -> bool:
    """Whether the folder that is held still has its name."""
    try:
        return os.path.samestat(staging.stat(follow_symlinks=False), os.fstat(holding))
    except FileNotFoundError:
        return False


def _prepare(staging: Path, owner: str) -> None:
    """Empty, but for the mark that says whose it is."""
    try:
        for each in staging.iterdir():
            if each.is_dir() and not each.is_symlink():
                shutil.rmtree(each)
            else:
                each.unlink()
        (staging / STAGING_MARK).write_text(f"{owner}\n", encoding="utf-8")
    except OSError as error:
        raise _unwritten(staging, error) from error


def fill(staging: Path, product: Path, logs: Path) -> None:
    """Copy what the compile step gave (``product``) and ``logs`` to ``staging``.

    Of the rights only who may execute a file counts: the others are those of this user's umask.
    """
    try:
        shutil.copytree(product, staging, symlinks=True, dirs_exist_ok=True)
        for path in (staging, *staging.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        shutil.copytree(logs, staging / "logs")
    except OSError as error:
        raise _unwritten(staging, error) from error


def _unwritten(staging: Path, error: OSError) -> PackagingError:
    return PackagingError(f"couldn't write {staging}", details=(str(error),), hint="df -h; or --output DIR")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write beside, then rename: a reader never sees half a document."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps(document, indent=2, sort_keys=False, default=str) + "\n")
    partial.replace(path)


def hashes_below(folder: Path) -> dict[str, str]:
    """The sha256 of each file in ``folder`` by its path, sorted, but for SHA256SUMS itself."""
    return {
        path.relative_to(folder).as_posix(): hash_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in {folder / CHECKSUMS, folder / STAGING_MARK}
    }


def write_checksums(folder: Path) -> None:
    """SHA256SUMS over every file in ``folder`` but itself, in the form that ``sha256sum --check`` reads."""
    lines = (f"{digest}  {path}\n" for path, digest in hashes_below(folder).items())
    (folder / CHECKSUMS).write_text("".join(lines))


def settle(target: Path, owner: str) -> None:
    """Finish or undo what a killed :func:`swap` left."""
    old = old_of(target)
    if not os.path.lexists(old):
        return
    require_replaceable(old, owner)
    try:
        if os.path.lexists(target):
            remove_own(old)
        else:
            old.rename(target)
    except OSError as error:
        raise _unreplaced(target, error) from error


def swap(staging: Path, target: Path, owner: str) -> tuple[str, ...]:
    """Put ``staging`` in the place of ``target``; what was there is only removed when that is done.

    Returns what of the old tree could not be removed.

    :raises UsageError: ``target`` is not a result of ``owner``, or somebody put files into it.
    """
    old = old_of(target)
    try:
        settle(target, owner)
        require_replaceable(target, owner)
        (staging / STAGING_MARK).unlink(missing_ok=True)
        if target.exists():
            target.rename(old)
            if obstacle(old, owner):  # somebody was quicker than the rename
                old.rename(target)
                require_replaceable(target, owner)
        staging.rename(target)
        return remove_own(old) if old.exists() else ()
    except OSError as error:
        if old.exists() and not target.exists():
            old.rename(target)
        raise _unreplaced(target, error) from error


def _unreplaced(target: Path, error: OSError) -> PackagingError:
    return PackagingError(f"couldn't replace {target}", details=(str(error),), hint="--output DIR")


def artifact_rows(folder: Path, names: Iterable[str], seconds: float) -> tuple[ArtifactRow, ...]:
    """Size and hash of the files ``names`` in ``folder``, for the closing table; names may be patterns."""
    files = (
        path for name in names for path in (sorted(folder.glob(name)) if "*" in name else [folder / name])
    )
    return tuple(ArtifactRow(path, path.stat().st_size, hash_file(path), seconds) for path in files)


def is_intact(target: Path) -> bool:
    """Whether every file that SHA256SUMS names is there with its hash."""
    try:
        lines = (target / CHECKSUMS).read_text().splitlines()
        return bool(lines) and all(
            hash_file(target / name) == digest for digest, name in (line.split("  ", 1) for line in lines)
        )
    except (OSError, ValueError):
        return False
