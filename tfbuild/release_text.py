"""The releases as ``invoke list-releases`` prints them; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tfbuild.lock_state import LockStatus
from tfbuild.model import Product
from tfbuild.release_schema import Release
from tfbuild.releases import default_release


def release_lines(
    releases: Sequence[Release], locks: Sequence[LockStatus], lacking: Sequence[tuple[str, ...]]
) -> Iterator[str]:
    """A line for each release; ``lacking`` are the names of the sources that its lock has no hash of."""
    defaults = [default_release(releases, product) for product in Product]
    arches = [", ".join(map(str, each.arches)) for each in releases]
    name_width, arch_width = max(len(each.release) for each in releases), max(map(len, arches))
    for each, where, lock, names in zip(releases, arches, locks, lacking, strict=True):
        mark = "*" if each in defaults else " "
        state = _state(each) + _lock_note(lock, names)
        yield f"{mark} {each.product:<8} {each.release:<{name_width}}  {where:<{arch_width}}  {state}"


def _state(release: Release) -> str:
    how = "compiled" if release.source else "built"
    return f"built: {how} and verified here" if release.status == "built" else f"pinned: never {how} here"


def _lock_note(lock: LockStatus, lacking: tuple[str, ...]) -> str:
    if lock in {"not-needed", "complete"}:
        return ""
    told = {"none": "not locked: invoke lock", "incomplete": f"its lock lacks {', '.join(lacking)}"}
    return f"; {told.get(lock, 'its lock is stale: invoke lock')}"
