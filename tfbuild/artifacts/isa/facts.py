"""What is known of the instruction sets that a file uses, and how sure it is. Pure.

Whether an extension is needed to start a program, or only used where the CPU has it, cannot be read from
one instruction. Three things tell:

* the function's name: libraries that choose at run time name their functions for the extension;
* the file as a whole, where there are no names: a compiler that is told of AVX writes no legacy SSE in
  ordinary code any more, and one that is told of LSE writes no exclusive loads. Whichever encoding ordinary
  functions have tells what they were compiled for (:attr:`IsaFacts.modern` against :attr:`IsaFacts.legacy`);
* a function that has both an extension and what replaces it chooses by itself.

What these do not settle is called unclear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tfbuild.base.text import TextEnum

_EXAMPLES = 6
# Measured on libraries of which the truth is known from their names: where ordinary code was compiled with
# an extension, 1.7 % (LZCNT) to 30 % (AVX2) of its vector functions use it; run-time kernels in a library
# that was compiled without stay below 0.5 % of them. Between the two nothing is claimed.
_ORDINARY_SHARE, _STRAY_SHARE = 0.01, 0.005
# The part of functions in the old encoding that a build for AVX still has (parts linked in from a
# distribution): 0.5 % to 3 % were seen; builds without AVX have more than 50 %.
_LEGACY_SHARE = 0.2
_ANY = 10  # functions in the old encoding from which on the lack of the newer one is no accident


class Verdict(TextEnum):
    """Whether a CPU must have the extension."""

    ALWAYS = "always"
    CHOSEN = "chosen at run time"
    UNCLEAR = "unclear"


class Basis(TextEnum):
    """What the verdict rests on."""

    NAMES = "names"
    INFERRED = "inferred"


@dataclass(frozen=True)
class Tally:
    """Functions that use one extension, by what is known of them; ``instructions`` over all of them."""

    instructions: int = 0
    ordinary: tuple[str, ...] = ()  # names of functions that nobody chooses at run time
    chosen: tuple[str, ...] = ()  # names of functions that somebody does
    families: tuple[str, ...] = ()  # the libraries that choose
    choosing: int = 0  # functions without a name that have a replacement beside
    unnamed: int = 0  # functions without a name, of which nothing is known
    outside: int = 0  # instructions in code (or data between code) that belongs to no known function


@dataclass(frozen=True)
class Extension:
    """One instruction set extension in use."""

    name: str
    verdict: Verdict
    basis: Basis
    instructions: int
    ordinary_functions: int
    chosen_functions: int
    unnamed_functions: int
    families: tuple[str, ...]
    examples: tuple[str, ...]  # ordinary functions first


@dataclass(frozen=True)
class IsaFacts:
    """The instruction sets of one file. Extensions are sorted by name; the baseline is left out."""

    machine: str
    level: str  # the least CPU: x86-64, x86-64-v2, …; armv8-a, armv8.1-a, …
    code: int  # bytes
    functions: int
    named: int  # functions that have a name
    modern: int  # ordinary functions in the newer encoding: VEX or EVEX, LSE atomics
    legacy: int  # and in the older one: legacy SSE, exclusive loads and stores
    extensions: tuple[Extension, ...]
    spilling: int = 0  # functions that begin as unoptimised ones do: spills.py

    def names(self, *verdicts: Verdict) -> tuple[str, ...]:
        """The extensions with one of these verdicts."""
        return tuple(e.name for e in self.extensions if e.verdict in verdicts)

    def extension(self, name: str) -> Extension | None:
        return next((e for e in self.extensions if e.name == name), None)


def judge(
    tallies: Mapping[str, Tally],
    modern: int,
    legacy: int,
    *,
    needs_modern: frozenset[str],
    implied: frozenset[str],
    enough: int,
    witness: str,
    handwritten: frozenset[str] = frozenset(),
    asks: bool = False,
) -> tuple[Extension, ...]:
    """The verdict of each extension.

    ``modern`` and ``legacy`` count ordinary functions in the two encodings. Extensions in ``needs_modern``
    cannot be told of to a compiler without the newer encoding; ``witness`` is the one that is that encoding.
    ``implied`` are those that ordinary code uses visibly as soon as the compiler is told of them; ``enough``
    is the number of functions from which on the two counts mean something.
    ``handwritten``: no compiler writes it of its own accord. ``asks``: the file asks the CPU what it has.
    """
    return tuple(
        _extension(
            name,
            tally,
            _Whole(
                modern,
                legacy,
                name in needs_modern,
                name in implied,
                enough,
                name == witness,
                name in handwritten,
                asks,
            ),
        )
        for name, tally in sorted(tallies.items())
    )


@dataclass(frozen=True)
class _Whole:
    """What the whole file tells of one extension."""

    modern: int
    legacy: int
    needs_modern: bool
    implied: bool
    enough: int
    witness: bool
    handwritten: bool
    asks: bool

    def is_beside(self, functions: int) -> bool:
        """Whether so few functions may well be for some CPUs only, in a file that asks which one it has.

        What a compiler was told of for the whole file is in more of them, and leaves nothing in the old
        encoding; a name that says nothing does not prove more.
        """
        all_of_them = self.modern + self.legacy
        if not self.asks or all_of_them < self.enough:
            return False
        if self.needs_modern and self.legacy > _LEGACY_SHARE * all_of_them:
            return True
        return functions < _ORDINARY_SHARE * all_of_them


def _extension(name: str, tally: Tally, whole: _Whole) -> Extension:
    verdict, basis = _verdict(tally, whole)
    return Extension(
        name=name,
        verdict=verdict,
        basis=basis,
        instructions=tally.instructions,
        ordinary_functions=len(tally.ordinary),
        chosen_functions=len(tally.chosen) + tally.choosing,
        unnamed_functions=tally.unnamed,
        families=tally.families,
        examples=(*sorted(tally.ordinary), *sorted(tally.chosen))[:_EXAMPLES],
    )


def _verdict(tally: Tally, whole: _Whole) -> tuple[Verdict, Basis]:
    if tally.ordinary:
        beside = whole.is_beside(len(tally.ordinary))
        return (Verdict.UNCLEAR if beside else Verdict.ALWAYS), Basis.NAMES
    if not tally.unnamed and (tally.chosen or tally.choosing):
        # Bytes outside of every function are hand-written assembly without unwind tables, or data.
        return Verdict.CHOSEN, Basis.NAMES
    modern, legacy = whole.modern, whole.legacy
    if not tally.unnamed and whole.needs_modern and not modern and legacy >= _ANY:
        # Hand-written assembly beside code of a compiler that was told of nothing, as in FFmpeg's libraries.
        return Verdict.CHOSEN, Basis.INFERRED
    if modern + legacy < whole.enough:
        return Verdict.UNCLEAR, Basis.INFERRED
    if legacy > _LEGACY_SHARE * (modern + legacy):
        chosen = whole.needs_modern or whole.handwritten
        return (Verdict.CHOSEN if chosen else Verdict.UNCLEAR), Basis.INFERRED
    if whole.witness:
        return Verdict.ALWAYS, Basis.INFERRED
    if whole.handwritten or not whole.implied:
        return Verdict.UNCLEAR, Basis.INFERRED
    if tally.unnamed >= _ORDINARY_SHARE * modern:
        return Verdict.ALWAYS, Basis.INFERRED
    chosen = tally.unnamed < _STRAY_SHARE * modern
    return (Verdict.CHOSEN if chosen else Verdict.UNCLEAR), Basis.INFERRED
