"""Judges instruction sets, and how complete a C interface is. Pure: facts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator

from tfbuild.artifacts.elf.facts import ElfFacts
from tfbuild.artifacts.isa.facts import Basis, Extension, IsaFacts, Verdict
from tfbuild.artifacts.isa.march import allowed, witnesses
from tfbuild.base.arch import Arch
from tfbuild.base.text import first_lines
from tfbuild.verify.findings import Observation
from tfbuild.verify.policy import Context, Policy

# Fewer ordinary functions that could show it do not prove that a flag got lost.
_ENOUGH = {"EM_X86_64": 50, "EM_AARCH64": 1}
_SHOWN = 6
# Seen: 98 % with -O0; 0 to 3 % in optimised libraries, 13 % in a very small one with frame pointers.
_ENOUGH_TO_JUDGE, _UNOPTIMISED_SHARE = 20, 0.5


def check_isa(
    name: str, isa: IsaFacts, policy: Policy, role: str | None, context: Context
) -> Iterator[Observation]:
    """Compares with the policy's ceiling, and both ways with what the build was asked for."""
    arch = next((a for a in Arch if a.platform.elf_machine == isa.machine), None)
    ceilings = {policy.elf.max_march.get(arch)} if arch else set()
    for march in sorted({*ceilings, context.march} - {None}, key=str):
        permitted = allowed(str(march))
        if permitted is not None:
            yield from _exceeded(name, isa, str(march), permitted)
    if context.march and role is not None:
        yield from _arrived(name, isa, context.march)
    if role is not None and context.optimised:
        yield from _optimised(name, isa)


def _exceeded(name: str, isa: IsaFacts, march: str, permitted: frozenset[str]) -> Iterator[Observation]:
    beyond = [e for e in isa.extensions if e.name not in permitted]
    # What is built here names its kernels: a function with another name is to be looked at.
    certain = [
        e
        for e in beyond
        if e.verdict is Verdict.ALWAYS or (e.verdict is Verdict.UNCLEAR and e.ordinary_functions)
    ]
    if certain:
        yield Observation(
            "isa-exceeded",
            f"{name} is meant for {march}, but executes {_names(certain)} without asking the CPU",
            tuple(_evidence(e) for e in certain),
            f"compile everything that is linked in with -march={march}; look for objects of other origin",
        )
    unclear = [e for e in beyond if e.verdict is Verdict.UNCLEAR and e not in certain]
    if unclear:
        yield Observation(
            "isa-unclear",
            f"{name} is meant for {march} and has {_names(unclear)}; whether it asks first is unclear",
            tuple(_evidence(e) for e in unclear),
            "verify the file before it is stripped, or beside its .debug file: the names of functions decide",
        )


def _arrived(name: str, isa: IsaFacts, march: str) -> Iterator[Observation]:
    expected = witnesses(march)
    there = isa.names(Verdict.ALWAYS, Verdict.UNCLEAR)
    beyond = set(isa.names(Verdict.ALWAYS)) - (allowed(march) or frozenset())
    if (
        not expected
        or expected & set(there)
        or beyond
        or isa.modern + isa.legacy < _ENOUGH.get(isa.machine, 0)
    ):
        return
    yield Observation(
        "isa-not-arrived",
        f"{name} was built with -march={march}, but no ordinary function has anything of "
        f"{', '.join(sorted(expected))}",
        (f"{isa.functions} functions, {isa.legacy} in the older encoding; the code is for {isa.level}",),
        "look in the compile log for a later -march, or for flags that replace the given ones",
    )


def _optimised(name: str, isa: IsaFacts) -> Iterator[Observation]:
    if isa.functions < _ENOUGH_TO_JUDGE or isa.spilling < _UNOPTIMISED_SHARE * isa.functions:
        return
    yield Observation(
        "elf-unoptimised",
        f"{name} was compiled without optimisation",
        (f"{isa.spilling} of {isa.functions} functions store their first argument to the stack at once",),
        "look in the compile log for -O0, or for flags that replace the given ones",
    )


def check_api(facts: ElfFacts) -> Iterator[Observation]:
    """What the headers declare is exported."""
    if facts.api is None or not facts.api.missing:
        return
    missing = facts.api.missing
    yield Observation(
        "api-missing",
        f"{facts.path} exports {facts.api.exported} of the {facts.api.declared} functions that "
        f"{facts.api.source} declare",
        first_lines(missing, _SHOWN),
        "link the objects that define them, and let the version script export them",
    )


def _names(extensions: list[Extension]) -> str:
    return ", ".join(e.name for e in extensions)


def _evidence(extension: Extension) -> str:
    functions = extension.ordinary_functions + extension.unnamed_functions
    where = f"{extension.instructions} instructions, {functions} functions that are not known to be chosen"
    if extension.basis is Basis.NAMES and extension.examples:
        return f"{extension.name}: {where}, for example {extension.examples[0]}"
    return f"{extension.name}: {where}; inferred from the whole file, the functions have no names"
