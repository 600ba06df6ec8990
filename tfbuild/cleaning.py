"""``invoke clean``: what builds leave, and where."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from tfbuild.cache import cache_root, clear_cache
from tfbuild.errors import HostError, UsageError
from tfbuild.locks import hold
from tfbuild.report_text import human_size


def clean(project: Path, env: Mapping[str, str], *, cache: bool) -> Iterator[str]:
    """Remove dist/ and, with ``cache``, downloads, sources and root filesystems; one sentence for each.

    BuildKit's cache mounts (build trees, ccache) belong to the engine, which has a command for them.
    """
    dist = project / "dist"
    if dist.is_symlink():
        raise UsageError(f"{dist} is a link; remove what it points to yourself")
    if dist.exists():
        try:
            shutil.rmtree(dist)
        except OSError as error:
            raise HostError(f"couldn't remove {dist}: {error.strerror}", hint="check its owner") from error
        yield f"removed {dist}"
    else:
        yield "no dist/ to remove"
    if cache:
        root = cache_root(env)
        if root.exists():
            _require_unused(root)
            yield f"removed {human_size(clear_cache(root))} from {root}"
        else:
            yield f"no cache at {root}"
        yield "build trees and ccache are in the engine: docker builder prune --filter type=exec.cachemount"


def _require_unused(root: Path) -> None:
    """Raises LockedError, which tells who it is, when a build uses the cache."""
    for lock in sorted((root / "locks").glob("*.lock")):
        with hold(lock, what="clearing the cache", wait_s=0, on_wait=lambda _: None):
            pass
