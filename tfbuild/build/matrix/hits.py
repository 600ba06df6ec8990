"""What of a build came out of caches, as its logs tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# How a log tells the end of a step of BuildKit's, see tfbuild.build.buildkit.buildx.
_STEP = re.compile(r"^<= .*: (cached|done)$", re.MULTILINE)
# What is compiled asks ccache first, and then the cluster; each tells its part at the end of a compile.
_CCACHE = re.compile(r"^tfbuild: ccache: (\d+) hits, (\d+) misses$", re.MULTILINE)
_CLUSTER = re.compile(r"^tfbuild: remote: (\d+) cache hits, ", re.MULTILINE)
# https://bazel.build/remote/cache-remote#cache-hits
_BAZEL = re.compile(r"^INFO: (\d+) process(?:es)?: (.*)\.$", re.MULTILINE)
_OF_CACHE = re.compile(r"(\d+) (?:remote|disk) cache hit")
_INTERNAL = re.compile(r"(\d+) internal")


@dataclass(frozen=True, kw_only=True)
class CacheHits:
    """Of ``steps`` of BuildKit's, ``cached`` came from its cache; of ``compiles``, as far as the logs tell,
    ``found`` were in a cache of the compiler's or of the cluster's."""

    cached: int
    steps: int
    found: int = 0
    compiles: int = 0

    @property
    def text(self) -> str:
        """For the table."""
        files = f", {self.found} of {self.compiles} compiles" if self.compiles else ""
        return f"{self.cached} of {self.steps} steps{files}"


def cache_hits(logs: Iterable[str]) -> CacheHits | None:
    """Counted in the texts of a build's logs; None where BuildKit did nothing."""
    texts = tuple(logs)
    steps = [match for text in texts for match in _STEP.findall(text)]
    if not steps:
        return None
    found, compiles = _compiles(texts)
    return CacheHits(cached=steps.count("cached"), steps=len(steps), found=found, compiles=compiles)


def _compiles(texts: Sequence[str]) -> tuple[int, int]:
    """How many were in a cache, and of how many. What a log says twice counts once: the last one."""
    if asked := _last(_CCACHE, texts):
        cluster = _last(_CLUSTER, texts)
        hits, misses = map(int, asked.groups())
        return hits + (int(cluster[1]) if cluster else 0), hits + misses
    if ended := _last(_BAZEL, texts):
        hits = sum(map(int, _OF_CACHE.findall(ended[2])))
        return hits, int(ended[1]) - sum(map(int, _INTERNAL.findall(ended[2])))
    return 0, 0


def _last(pattern: re.Pattern[str], texts: Sequence[str]) -> re.Match[str] | None:
    found = [match for text in texts for match in pattern.finditer(text)]
    return found[-1] if found else None


def logs_in(output: Path) -> list[str]:
    """The texts of a dist folder's logs; of those that cannot be read none."""
    found = []
    for path in sorted((output / "logs").glob("*.log")):
        try:
            found.append(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
    return found
