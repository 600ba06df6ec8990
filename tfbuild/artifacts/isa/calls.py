"""Which functions are reached from chosen ones only. Pure.

A kernel that is chosen at run time has helpers that bear no sign of it in their names: OpenBLAS's
``dgemv_kernel_4x4`` is called by ``dgemv_n_HASWELL`` alone. Whoever is called by, or whose address is taken
in, nothing but chosen functions runs only where these run.
"""

from __future__ import annotations

import re
import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping

from tfbuild.artifacts.elf.code import Code

# Intel SDM, volume 2: CALL (E8), JMP (E9), Jcc (0F 80 to 8F) with 32 bits relative to the next instruction;
# LEA (8D) with a ModRM byte that says "relative to the next instruction".
_REFERENCE = re.compile(rb"[\xe8\xe9]|\x0f[\x80-\x8f]|\x8d[\x05\x0d\x15\x1d\x25\x2d\x35\x3d]", re.DOTALL)
_ROUNDS = 4
NOBODY = "by nobody"  # who chooses what is never called
_RELATIVE = struct.Struct("<i")


def followers(code: Code, wanted: frozenset[int], family: Callable[[int], str | None]) -> dict[int, str]:
    """Those of the functions ``wanted`` (places in ``code.functions``) that only chosen ones reach.

    ``family`` says who chooses a function, None for one that just runs. A function that a table of pointers
    or the list of exports holds is left out; what nobody mentions at all is never run. Only x86-64 is read,
    and no program that is loaded at a fixed address: its code may hold addresses in other forms.
    """
    if code.machine != "EM_X86_64" or code.fixed or not wanted:
        return {}
    callers: dict[int, set[int]] = {}
    chosen: dict[int, str] = {}
    asked = set(wanted)
    mentions = _Mentions(code)
    # Who calls may have no sign of it either: its own callers are asked for then.
    for _ in range(_ROUNDS):
        held = _held(code, frozenset(code.functions[index].start for index in asked))
        callers |= {index: set() for index in asked if code.functions[index].start not in held}
        for caller, callee in mentions.of(callers.keys() & asked):
            if caller != callee:
                callers[callee].add(caller)
        new = {caller for index in asked for caller in callers.get(index, ()) if caller >= 0} - callers.keys()
        chosen |= {index: who for index in new if (who := family(index))}
        asked = new - chosen.keys() - asked
        if not asked:
            break
    found = _only_from_chosen(callers, chosen)
    return {index: who for index, who in found.items() if index in wanted}


def _only_from_chosen(callers: Mapping[int, set[int]], chosen: Mapping[int, str]) -> dict[int, str]:
    """Those of ``callers`` that only chosen ones lead to, each with who chooses the nearest."""
    callees: dict[int, list[int]] = {}
    for callee, who in callers.items():
        for caller in who:
            callees.setdefault(caller, []).append(callee)
    left = callers.keys() - _reached(callees, callees.keys() - callers.keys() - chosen.keys(), chosen)
    found: dict[int, str] = {}
    # Names are handed down from the chosen ones; nobody calls those that none leads to.
    last: Mapping[int, str] = chosen
    while last:
        names: dict[int, set[str]] = {}
        for caller, name in last.items():
            for callee in callees.get(caller, ()):
                if callee in left and callee not in found:
                    names.setdefault(callee, set()).add(name)
        last = {callee: min(those) for callee, those in names.items()}
        found |= last
    return found | dict.fromkeys(left - found.keys(), NOBODY)


def _reached(callees: Mapping[int, list[int]], ordinary: set[int], chosen: Mapping[int, str]) -> set[int]:
    """Whom ``ordinary`` functions call, and those whom these call, unless they are chosen themselves."""
    reached: set[int] = set()
    calling = list(ordinary)
    while calling:
        for callee in callees.get(calling.pop(), ()):
            if callee not in reached:
                reached.add(callee)
                if callee not in chosen:
                    calling.append(callee)
    return reached


class _Mentions:
    """All places of the code that mention the start of a function. All code is read once."""

    def __init__(self, code: Code) -> None:
        self._functions = code.functions
        self._starts = array("Q", (each.start for each in code.functions))
        self._places, self._callees = array("Q"), array("L")
        targets = {start: index for index, start in enumerate(self._starts)}
        for area in code.ranges:
            data = bytes(area.data)
            base, last = area.address + _RELATIVE.size, len(data) - _RELATIVE.size
            for match in _REFERENCE.finditer(data):
                place = match.end()
                if place > last:
                    break
                callee = targets.get(base + place + _RELATIVE.unpack_from(data, place)[0])
                if callee is not None:
                    self._places.append(area.address + match.start())
                    self._callees.append(callee)

    def of(self, candidates: set[int]) -> Iterator[tuple[int, int]]:
        """Pairs of who mentions (-1 for code that belongs to no function) and who of them is mentioned."""
        for address, callee in zip(self._places, self._callees, strict=True):
            if callee in candidates:
                caller = bisect_right(self._starts, address) - 1
                inside = caller >= 0 and address < self._functions[caller].end
                yield (caller if inside else -1), callee


def _held(code: Code, addresses: frozenset[int]) -> set[int]:
    """Those of ``addresses`` that stand in data, as in tables and relocations, or that others may call."""
    found = set(addresses & code.exported)
    for part in code.data:
        words = array("Q")
        words.frombytes(part[: len(part) // 8 * 8])
        found |= addresses.intersection(words)
    return found
