"""Whether the loader finds the libraries that lie in the same folder or wheel. Pure.

That a library is there is not enough: a program in bin/ finds nothing in lib/ unless its run path says so.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from tfbuild.artifacts.elf.facts import ElfFacts, ElfKind
from tfbuild.artifacts.image.closure import Link, closure
from tfbuild.artifacts.image.facts import ImageConfig, ImageFile
from tfbuild.base.text import first_lines
from tfbuild.verify.findings import Observation

_ROOT = "/@"  # where the files are thought to be: no folder that a loader looks into of its own accord
_NO_CONFIG = ImageConfig("linux", "", "", None, "", (), (), (), "", (), {})
_SHOWN = 12


@dataclass(frozen=True)
class _Tree:
    """Files by their paths below the root, and symbolic links among them."""

    facts: Mapping[str, ElfFacts]
    links: Mapping[str, str] = field(default_factory=dict)
    config: ImageConfig = _NO_CONFIG
    files: Mapping[str, ImageFile] = field(default_factory=dict)

    def resolve(self, path: str) -> str | None:
        target = self.links.get(path, path)
        return target if target in self.facts else None

    def read(self, path: str) -> bytes:
        raise KeyError(path)  # only configuration is read, and there is none

    def elf_facts(self, paths: Iterable[str]) -> dict[str, ElfFacts]:
        return {p: self.facts[found] for p in paths if (found := self.resolve(p)) is not None}


def misplaced(
    files: Mapping[str, ElfFacts], links: Mapping[str, str] | None = None, *, each_alone: bool
) -> tuple[tuple[Link, str], ...]:
    """Needed libraries that are among ``files`` where the loader does not look, and where they are.

    Keys are paths relative to the common folder, ``links`` its symbolic links and where these end.
    ``each_alone``: what users can link with (``-lNAME`` takes libNAME.so) is loaded for itself, too. Else
    what others need is loaded through those only: auditwheel's copies find each other by the run path of
    the module above them.
    """
    known = {
        _inside(p): replace(facts, path=_inside(p))
        for p, facts in files.items()
        if facts.kind is not ElfKind.DEBUG
    }
    tree = _Tree(known, {_inside(p): _inside(target) for p, target in (links or {}).items()})
    start = _roots(tree)
    if each_alone:
        linkable = {tree.resolve(path) for path in (*known, *tree.links) if path.endswith(".so")}
        start |= {path for path in linkable if path is not None}
    places: dict[tuple[str, str, int], str] = {}
    for path in (*sorted(known), *sorted(tree.links)):
        facts = known.get(tree.resolve(path) or "")
        for name in (posixpath.basename(path), facts.soname if facts else None):
            if facts and name:
                places.setdefault((name, facts.machine, facts.bits), path)
    found: set[tuple[Link, str]] = set()
    for link in closure(tree, start).missing:
        owner = known[tree.resolve(link.owner) or link.owner]
        # The loader passes over files of another machine.
        place = places.get((link.needed, owner.machine, owner.bits))
        if place is not None:
            found.add((link, place))
    return tuple(
        (Link(_outside(link.owner), link.needed, None), _outside(place))
        for link, place in sorted(found, key=lambda pair: (pair[0].owner, pair[0].needed))
    )


def _roots(tree: _Tree) -> set[str]:
    """What nobody else loads; and of those that only load each other, all."""
    loaded = {
        link.found for link in closure(tree, tree.facts).links if link.found and link.found != link.owner
    }
    roots = set(tree.facts) - {tree.resolve(path) for path in loaded}
    reached = {tree.resolve(link.found) for link in closure(tree, roots).links if link.found}
    return roots | (set(tree.facts) - reached - roots)


def check_misplaced(name: str, lost: tuple[tuple[Link, str], ...]) -> Iterator[Observation]:
    """One finding for each file that does not find what lies beside it."""
    owners: dict[str, list[tuple[str, str]]] = {}
    for link, place in lost:
        owners.setdefault(link.owner, []).append((link.needed, place))
    for owner, needs in owners.items():
        lines = [f"{needed} is {place}" for needed, place in needs]
        folder = posixpath.relpath(posixpath.dirname(needs[0][1]) or ".", posixpath.dirname(owner) or ".")
        path = "$ORIGIN" if folder == "." else f"$ORIGIN/{folder}"
        yield Observation(
            "elf-library-not-found",
            f"{owner} in {name} does not find {needs[0][0]}"
            + (f" and {len(needs) - 1} more" if len(needs) > 1 else "")
            + ": it has no run path to where that is",
            first_lines(lines, _SHOWN),
            f"link it with -Wl,-rpath,'{path}'",
        )


def _inside(path: str) -> str:
    return posixpath.join(_ROOT, path)


def _outside(path: str) -> str:
    return posixpath.relpath(path, _ROOT)
