"""Puts together what ``invoke lock`` uses."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tfbuild.cache import cache_root, prepare_cache
from tfbuild.errors import TfBuildError, VerificationError
from tfbuild.fetch import new_session
from tfbuild.git_sources import GitSources
from tfbuild.host import gather
from tfbuild.lock_command import (
    LockPlaces,
    ReadFrom,
    build_files_of,
    refresh,
    require_lockable,
    require_made,
)
from tfbuild.lock_file import write_lock
from tfbuild.lock_state import ReleaseLock, needs_lock
from tfbuild.lock_texts import build_file_texts, source_texts
from tfbuild.lock_wheels import lock_application, lock_wheels
from tfbuild.locking import LockEffects
from tfbuild.model import Pin, Reporter
from tfbuild.python_index import head_size
from tfbuild.release_schema import Release
from tfbuild.releases import load_lock, release_file
from tfbuild.request import application_to_lock
from tfbuild.runner import SubprocessRunner
from tfbuild.user_files import require_replaceable_file
from tfbuild.wheel_lock import WheelLock, is_wheel_lock, read_wheel_lock, wheel_lock_path
from tfbuild.wiring import PROJECT, fetch_release, make_fetcher


def lock_release(
    project: Path, release: Release, word: str, places: LockPlaces, *, check: bool, reporter: Reporter
) -> str:
    """Make or check the lock of ``release``, which was typed as ``word``; the path of the lock file.

    A source that is proven by its git tree gets the sha256 that was seen first.
    """
    require_lockable(release)
    old = load_lock(project, release, word)
    if check:
        require_made(release, old)
    if places.without_source:
        build_files_of(release)
        source = None
    else:
        source = _source(release, old, check=check, reporter=reporter)
    if not needs_lock(release):
        return old.path
    cache = cache_root(os.environ)
    fetcher = make_fetcher(
        release,
        mirrors=(),
        env=os.environ,
        reporter=reporter,
        offline=False,
        runner=SubprocessRunner(),
        host=gather(),
    )
    with tempfile.TemporaryDirectory(prefix="lock-", dir=prepare_cache(cache) / "state") as scratch:
        git = GitSources(SubprocessRunner(), Path(scratch), places.clones)
        effects = LockEffects(
            git=git,
            fetch=fetcher.fetch,
            fetch_unhashed=fetcher.fetch_unhashed,
            adopt=fetcher.adopt,
            scratch=Path(scratch),
            note=reporter.note,
        )
        read = _read(release, source, git, Path(scratch))
        refresh(release, old, read, effects, project=project, mirror=places.mirror, check=check)
    return old.path


def _read(release: Release, source: tuple[Pin, Path] | None, git: GitSources, scratch: Path) -> ReadFrom:
    if source:
        return ReadFrom(source_texts(source[1], release.archive.strip_prefix), source=source)
    files = build_files_of(release)
    return ReadFrom(build_file_texts(files, git, scratch), declared_in=files.place)


def _source(release: Release, old: ReleaseLock, *, check: bool, reporter: Reporter) -> tuple[Pin, Path]:
    """The release's source archive, from the cache or the network."""
    source_of = release.archive
    seen = old.seen(release)
    unhashed = source_of.unhashed(old.path, seen)
    if unhashed and check:
        message = f"{old.path} has no sha256 of {source_of.filename}"
        raise VerificationError(
            message, hint=f"invoke lock --product {release.product} --release {release.release}"
        )
    pins = release.pins(release.arches[0], seen=seen)[: 0 if unhashed else 1]
    return fetch_release(release, pins, unhashed, offline=False, reporter=reporter)[0]


def lock_wheels_of(release: Release, word: str, app: str, *, reporter: Reporter) -> Path:
    """Make the lock of the wheels of ``release``, typed as ``word``, or of the program in the folder ``app``;
    the path of the lock file."""
    if app:
        path, base, asked = application_to_lock(PROJECT, release, word, Path(app))
        tell_replaced(path, release, reporter)
        make_wheel_lock(release, path, reporter=reporter, base=base, requirements=asked)
    else:
        path = PROJECT / wheel_lock_path(release_file(release.product, word or release.release))
        make_wheel_lock(release, path, reporter=reporter)
    return path


def tell_replaced(path: Path, release: Release, reporter: Reporter) -> None:
    """A program has one lock: say so where it is that of another release, whose builds will miss it."""
    try:
        before = read_wheel_lock(path, str(path)).lock.release
    except TfBuildError:  # none, or none that could be read
        return
    if before != release.release:
        reporter.warn(f"{path} is the lock for {release.product} {before}: it is replaced")


def make_wheel_lock(
    release: Release,
    path: Path,
    *,
    reporter: Reporter,
    base: WheelLock | None = None,
    requirements: tuple[str, ...] = (),
) -> None:
    """Ask the index that pip is configured with, and write the lock of the wheels to ``path``: those of
    ``release``, or those that ``requirements`` need besides its lock ``base``."""
    require_replaceable_file(path, is_wheel_lock, "a lock", "move it away: the lock goes there")
    runner = SubprocessRunner()
    sizes: dict[str, int | None] = {}

    def size_of(url: str) -> int | None:
        if url not in sizes:
            sizes[url] = head_size(lambda: new_session(os.environ), url)
        return sizes[url]

    if base:
        lock = lock_application(
            release, base, requirements, runner=runner, reporter=reporter, size_of=size_of
        )
    else:
        lock = lock_wheels(release, runner=runner, reporter=reporter, size_of=size_of)
    write_lock(path, lock)
