"""From places of instructions to functions that use an extension. Pure."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from tfbuild.artifacts.elf.code import Code, Function
from tfbuild.artifacts.isa.calls import followers
from tfbuild.artifacts.isa.facts import Tally
from tfbuild.artifacts.isa.names import family


@dataclass(frozen=True)
class Sites:
    """Addresses, ascending, of instructions: for each set of extensions, and of the old encoding."""

    extensions: tuple[tuple[frozenset[str], array[int]], ...]
    legacy: array[int]
    modern: frozenset[str]  # extensions that are, or come with, the newer encoding
    asks: bool = False  # the code asks the CPU what it has


@dataclass
class Usage:
    """What the sites mean, per extension; functions that are chosen are in neither of the two counts."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    modern: int = 0
    legacy: int = 0


def usage(code: Code, sites: Sites, *, both_choose: frozenset[str] = frozenset()) -> Usage:
    """Counts functions.

    ``both_choose``: an unnamed function that has one of these and the old encoding, too, chooses by itself.
    """
    starts = array("Q", (each.start for each in code.functions))
    families: dict[int, str | None] = {}
    old = set(_functions(code.functions, starts, sites.legacy)) - {-1}
    by_name: dict[str, dict[int, int]] = {}
    for names, places in sites.extensions:
        found = _functions(code.functions, starts, places)
        for name in names:
            counts = by_name.setdefault(name, {})
            for index, count in found.items():
                counts[index] = counts.get(index, 0) + count
    new = {i for name, counts in by_name.items() if name in sites.modern for i in counts} - {-1}
    for index in old | new | {i for counts in by_name.values() for i in counts if i >= 0}:
        families[index] = family(code.functions[index].name) if code.functions[index].name else None
    families |= _followers(code, families, {i for counts in by_name.values() for i in counts if i >= 0})
    result = Usage()
    for name, counts in by_name.items():
        choosing = old if name in both_choose else set[int]()
        result.tallies[name] = _tally(code.functions, counts, families, choosing)
    # Who chooses was compiled without the extension, or there were nothing to choose: libgcc's outline
    # atomics are in a file because its ordinary code may not use LSE.
    choosing = old & new if both_choose else set[int]()
    result.modern = sum(1 for index in new - choosing if not families[index])
    result.legacy = sum(1 for index in old if not families[index] or index in choosing)
    return result


def _followers(code: Code, families: dict[int, str | None], users: set[int]) -> dict[int, str]:
    """Functions that use an extension and are reached from chosen ones only."""
    wanted = frozenset(index for index in users if families[index] is None)
    if not any(families.values()):
        return {}
    # A chosen function that needs nothing special itself may call one that does.
    return followers(code, wanted, lambda index: families.get(index) or family(code.functions[index].name))


def _tally(
    functions: tuple[Function, ...],
    counts: dict[int, int],
    families: dict[int, str | None],
    choosing: set[int],
) -> Tally:
    ordinary, chosen, who, hidden, unnamed = [], [], set[str](), 0, 0
    for index in counts:
        if index < 0:
            continue
        name, owner = functions[index].name, families[index]
        if owner is not None:
            who.add(owner)
            if name:
                chosen.append(name)
            else:
                hidden += 1
        elif index in choosing:
            hidden += 1
        elif name:
            ordinary.append(name)
        else:
            unnamed += 1
    return Tally(
        instructions=sum(counts.values()),
        ordinary=tuple(ordinary),
        chosen=tuple(chosen),
        families=tuple(sorted(who)),
        choosing=hidden,
        unnamed=unnamed,
        outside=counts.get(-1, 0),
    )


def _functions(functions: tuple[Function, ...], starts: array[int], places: Iterable[int]) -> dict[int, int]:
    """How many of ``places`` are in which function; -1 for none. Both are ascending, so few are searched."""
    found: dict[int, int] = {}
    index, end = -1, 0
    start = 0
    for place in places:
        if not start <= place < end:
            at = bisect_right(starts, place) - 1
            inside = at >= 0 and place < functions[at].end
            index = at if inside else -1
            start, end = (functions[at].start, functions[at].end) if inside else (place, place + 1)
        found[index] = found.get(index, 0) + 1
    return found
