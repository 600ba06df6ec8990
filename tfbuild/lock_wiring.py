"""Puts together what ``invoke lock`` uses, for releases that are made of a source."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tfbuild.cache import cache_root, prepare_cache
from tfbuild.errors import VerificationError
from tfbuild.git_sources import GitSources
from tfbuild.host import gather
from tfbuild.lock_command import LockPlaces, refresh, require_lockable
from tfbuild.lock_state import needs_lock
from tfbuild.locking import LockEffects
from tfbuild.model import Reporter
from tfbuild.release_schema import Release
from tfbuild.releases import load_lock
from tfbuild.runner import SubprocessRunner
from tfbuild.wiring import fetch_release, make_fetcher


def lock_release(
    project: Path, release: Release, word: str, places: LockPlaces, *, check: bool, reporter: Reporter
) -> str:
    """Make or check the lock of ``release``, which was typed as ``word``; the path of the lock file.

    A source that is proven by its git tree gets the sha256 that was seen first.
    """
    require_lockable(release)
    source_of = release.archive
    old = load_lock(project, release, word)
    seen = old.seen(release)
    unhashed = source_of.unhashed(old.path, seen)
    if unhashed and check:
        message = f"{old.path} has no sha256 of {source_of.filename}"
        raise VerificationError(
            message, hint=f"invoke lock --product {release.product} --release {release.release}"
        )
    pins = release.pins(release.arches[0], seen=seen)[: 0 if unhashed else 1]
    source = fetch_release(release, pins, unhashed, offline=False, reporter=reporter)[0]
    if not needs_lock(release):
        return old.path
    cache = cache_root(os.environ)
    fetcher = make_fetcher(
        release, env=os.environ, reporter=reporter, offline=False, runner=SubprocessRunner(), host=gather()
    )
    with tempfile.TemporaryDirectory(prefix="lock-", dir=prepare_cache(cache) / "state") as scratch:
        effects = LockEffects(
            git=GitSources(SubprocessRunner(), Path(scratch), places.clones),
            fetch=fetcher.fetch,
            fetch_unhashed=fetcher.fetch_unhashed,
            adopt=fetcher.adopt,
            scratch=Path(scratch),
            note=reporter.note,
        )
        refresh(release, old, source, effects, project=project, mirror=places.mirror, check=check)
    return old.path
