"""Instruction sets, contents and places to run of a verification report, in plain words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from tfbuild.checks_wheel import TagFacts
from tfbuild.elf_facts import ElfFacts, Libc, SectionSize
from tfbuild.isa_facts import Basis, Extension, IsaFacts, Verdict
from tfbuild.static_archive import ArchiveFacts
from tfbuild.wheel import WheelFacts
from tfbuild.where import RunsOn

_WIDTH = 110
_SECTIONS = 5  # the largest are named
_INDENT = " " * 13


def isa_lines(isa: IsaFacts) -> Iterator[str]:
    """What has to be there, what is used where it is there, and how that is known."""
    yield f"  CPU        {isa.level} at least; {isa.code / 1e6:.1f} MB of code, {_functions(isa)}"
    for verdict, words in (
        (Verdict.ALWAYS, "always"),
        (Verdict.CHOSEN, "if there"),
        (Verdict.UNCLEAR, "unclear"),
    ):
        mine = [e for e in isa.extensions if e.verdict is verdict]
        if mine:
            yield from _wrapped(f"    {words:<9}", ", ".join(_extension(e) for e in mine) + _basis(mine))


def _functions(isa: IsaFacts) -> str:
    if not isa.functions:
        return "no function can be told from another"
    return f"{isa.functions} functions, {100 * isa.named // isa.functions} % of them with names"


def _extension(extension: Extension) -> str:
    if extension.verdict is Verdict.ALWAYS and extension.examples:
        return f"{extension.name} ({extension.ordinary_functions or extension.unnamed_functions} functions)"
    return extension.name


def _basis(extensions: list[Extension]) -> str:
    families = sorted({f for e in extensions for f in e.families if not f.startswith("by ")})
    chosen = extensions[0].verdict is Verdict.CHOSEN
    by = f", by {', '.join(families)}" if families and chosen else ""
    inferred = [e.name for e in extensions if e.basis is Basis.INFERRED]
    if not inferred or extensions[0].verdict is Verdict.UNCLEAR:
        return by
    which = "all" if len(inferred) == len(extensions) else ", ".join(inferred)
    return f"{by} (inferred, without names of functions: {which})"


def content_lines(facts: ElfFacts) -> Iterator[str]:
    """What is in the file: C interface, libraries, compilers, sizes."""
    if facts.abi:
        yield f"  ABI        {', '.join(facts.abi)}"
    if facts.api is not None:
        yield f"  C API      {facts.api.exported} of {facts.api.declared} functions ({facts.api.source})"
    if facts.linked:
        # Debian's absl is a dozen libraries of one version.
        contents = dict.fromkeys(f"{each.name} {each.version}" for each in facts.linked)
        yield from _wrapped("  contains   ", ", ".join(contents))
    if facts.compilers:
        yield from _wrapped("  made by    ", ", ".join(facts.compilers))
    largest = sorted(facts.sections, key=lambda s: -s.size)[:_SECTIONS]
    if largest:
        yield f"  sections   {', '.join(_section(section) for section in largest)}"


def _section(section: SectionSize) -> str:
    size = f"{section.size / 1e6:.1f} MB" if section.size >= 100_000 else f"{section.size / 1e3:.1f} kB"
    return f"{section.name} {size}"


def archive_lines(facts: ArchiveFacts) -> Iterator[str]:
    """A static archive."""
    machine = ", ".join(name.removeprefix("EM_") for name in facts.machines) or "no machine"
    yield f"{facts.path}: {facts.objects} objects, {machine}, {facts.bits} bit, {facts.size / 1e6:.1f} MB"
    c_api = sum(name.startswith("TfLite") for name in facts.defined)
    yield f"  defines    {len(facts.defined)} C names, {c_api} of them TfLite*; {facts.defined_cxx} C++ names"
    yield f"  leaves to the linker {len(facts.undefined)} C names, which no object of it defines"
    if facts.isa is not None:
        yield from isa_lines(facts.isa)


def wheel_lines(wheel: WheelFacts, tag: TagFacts | None) -> Iterator[str]:
    """A wheel."""
    yield f"Wheel of {wheel.name} {wheel.version} for {wheel.python or 'an unknown Python'}"
    yield f"  tags       {', '.join(wheel.tags)}"
    if tag is not None:
        yield from _wrapped("  fits       ", _fits(tag))
        needs = ", ".join(f"{floor.family}_{floor.version}" for floor in tag.needs)
        yield f"  needs      {needs or 'no versioned symbol'}"
    yield f"  size       {wheel.unpacked / 1e6:.1f} MB in {wheel.files} files"
    if wheel.requires_python:
        yield f"  Python     {wheel.requires_python}"


def _fits(tag: TagFacts) -> str:
    if tag.libc is Libc.MUSL:
        return "a musllinux tag, no manylinux one; of which version, files for musl do not say"
    if tag.libc is Libc.BIONIC:
        return "an Android tag, no manylinux one"
    if tag.foreign:
        by_versions = f" (its symbol versions alone: {tag.versions_fit})" if tag.versions_fit else ""
        return f"{tag.fits}, for it needs {', '.join(tag.foreign)}{by_versions}"
    return tag.fits or "newer than every known tag"


def runs_on_lines(places: RunsOn) -> Iterator[str]:
    """Where it runs."""
    yield "Runs on"
    if places.distributions:
        yield from _wrapped("  systems    ", "; ".join(places.distributions))
    elif places.refused:
        yield "  systems    none of the releases that are known here"
    for reason in places.refused:
        yield from _wrapped("  not on     ", reason)
    yield from _wrapped("  CPUs       ", places.cpus)
    for condition in places.conditions:
        yield from _wrapped("  also       ", condition)
    packages = sorted({each.source for each in places.libraries if each.package})
    if packages and places.distributions:
        yield from _wrapped("  packages   ", ", ".join(packages))


def _wrapped(label: str, text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent=f"{label:<13}", subsequent_indent=_INDENT, break_on_hyphens=False
    )
