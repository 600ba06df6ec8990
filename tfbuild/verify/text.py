"""A verification report in plain words."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from tfbuild.artifacts.elf.c_api import C_PREFIX
from tfbuild.artifacts.elf.facts import ElfFacts, ElfKind, Libc, SectionSize, VersionFloor, version_key
from tfbuild.artifacts.foreign import ForeignFiles
from tfbuild.artifacts.image.facts import ImageFacts
from tfbuild.artifacts.isa.facts import Basis, Extension, IsaFacts, Verdict
from tfbuild.artifacts.runs_on import RunsOn
from tfbuild.artifacts.static_archive import ArchiveFacts
from tfbuild.artifacts.wheel import WheelFacts
from tfbuild.base.printable import joined
from tfbuild.base.values import Finding
from tfbuild.verify.checks.elf import machine_name
from tfbuild.verify.checks.wheel import TagFacts
from tfbuild.verify.report import SubjectKind, VerifyFacts, VerifyReport

# Which version of a family comes with which release: https://gcc.gnu.org/onlinedocs/libstdc++/manual/abi.html
_FAMILIES = {
    "GLIBC": "glibc",
    "GLIBCXX": "libstdc++",
    "CXXABI": "the C++ ABI",
    "GCC": "libgcc",
}
_OTHER_LIBC = {Libc.MUSL: "musl (Alpine Linux)", Libc.BIONIC: "bionic (Android)"}
_SYMBOLS = 4  # named behind a floor
_DETAILED = 12  # files with all their facts; a wheel may have a hundred, the JSON has all


def render(report: VerifyReport) -> str:
    """The whole report: what it is, what it needs, what was found. Ends with a newline."""
    lines = [f"{report.subject}: {report.kind}, policy {report.policy}", "", *_facts(report.facts)]
    for each in report.platforms:
        lines += [f"-- {each.platform}", "", *_facts(each.facts)]
    for finding in report.findings:
        lines += _finding(finding)
    return joined([*lines, _summary(report)])


def _facts(read: VerifyFacts) -> list[str]:
    lines: list[str] = []
    if read.image is not None:
        lines += [*_image(read.image), ""]
    if read.wheel is not None:
        lines += [*wheel_lines(read.wheel, read.tag), ""]
    if read.static is not None:
        lines += [*archive_lines(read.static), ""]
    largest = sorted(read.elf, key=lambda facts: -facts.size)[:_DETAILED]
    for facts in read.elf:
        lines += [*_elf(facts), ""] if facts in largest else [f"{facts.path}: {_what(facts)}"]
    if read.runs_on is not None:
        lines += ["", *runs_on_lines(read.runs_on), ""]
    closure, sums = read.closure, read.checksums
    if closure is not None and closure.links:
        libraries = {link.needed for link in closure.links}
        missing = {link.needed for link in closure.missing}
        state = f"{len(missing)} of them missing" if missing else "all of them there"
        places = {link.needed: link.found or "not found" for link in reversed(closure.links)}
        shown = [f"  {name} => {place}" for name, place in sorted(places.items())]
        lines += [f"Loaded libraries: {len(libraries)}, {state}.", *shown, ""]
    if read.foreign:
        lines += [f"Not examined: {_foreign(read.foreign)}.", ""]
    if read.trust is not None and read.trust.signed:
        by = (read.trust.key or "")[:16]
        lines += [f"Signed by the key {by}: {', '.join(read.trust.signed)}.", ""]
    if read.trust is not None and read.trust.documents:
        lines += [f"About these files: {', '.join(read.trust.documents)}.", ""]
    if sums is not None:
        lines += [f"SHA256SUMS: {sums.equal} of {sums.listed} files as they should be.", ""]
    return lines


def _summary(report: VerifyReport) -> str:
    errors = len(report.errors)
    warnings = len(report.findings) - errors
    read = [report.facts, *(each.facts for each in report.platforms)]
    left = [each for facts in read for each in facts.foreign if each.code]
    if left and not errors:
        what = f"{_count(warnings, 'warning')}" if warnings else "nothing found"
        return f"OK as far as it was examined: {what}. Not examined: {_foreign(left)}."
    if not report.findings:
        empty = report.kind is SubjectKind.WHEEL and not report.facts.elf
        return "OK: nothing found; no native code in it." if empty else "OK: nothing found."
    counts = [_count(n, word) for n, word in ((errors, "error"), (warnings, "warning")) if n]
    return f"{'FAILED' if errors else 'OK'}: {', '.join(counts)}."


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number != 1 else ''}"


def _foreign(kinds: Iterable[ForeignFiles]) -> str:
    return ", ".join(f"{each.files} x {each.kind}" for each in kinds)


def _elf(facts: ElfFacts) -> Iterator[str]:
    yield f"{facts.path}: {_what(facts)}"
    if facts.kind is ElfKind.DEBUG:
        return
    if facts.soname:
        yield f"  SONAME     {facts.soname}"
    if facts.interpreter:
        yield f"  loader     {facts.interpreter}"
    yield f"  needs      {', '.join(facts.needed) or 'no library'}"
    if facts.libc in _OTHER_LIBC:
        yield f"  C library  {_OTHER_LIBC[facts.libc]}"
    yield from _floors(facts)
    for label, paths in (("RPATH", facts.rpath), ("RUNPATH", facts.runpath)):
        if paths:
            yield f"  {label:<10} {':'.join(paths)}"
    if facts.exports:
        mangled = sum(name.startswith("_Z") for name in facts.exports)
        yield f"  exports    {len(facts.exports)} symbols, {mangled} of them C++"
    yield f"  hardening  {_hardening(facts)}"
    symbols = "stripped" if facts.stripped else "not stripped"
    debug = ", with debug information" if facts.has_debug_info else ""
    yield f"  symbols    {symbols}{debug}; build id {facts.build_id or 'none'}"
    yield from content_lines(facts)
    if facts.isa is not None:
        yield from isa_lines(facts.isa)


def _what(facts: ElfFacts) -> str:
    return f"{facts.kind}, {machine_name(facts.machine)}, {facts.bits} bit, {facts.size / 1e6:.1f} MB"


def _floors(facts: ElfFacts) -> Iterator[str]:
    known = list(_FAMILIES)
    families = sorted(
        {f.family for f in facts.floors}, key=lambda f: (known.index(f) if f in known else len(known), f)
    )
    floors = [floor for family in families if (floor := facts.floor(family))]
    if floors:
        yield f"  at least   {', '.join(_newer(floor) for floor in floors)}"
    for floor in floors:
        if floor.family in {"GLIBC", "GLIBCXX"} and floor.symbols:
            rest = len(floor.symbols) - _SYMBOLS
            more = f" and {rest} more" if rest > 0 else ""
            yield f"             because of {', '.join(floor.symbols[:_SYMBOLS])}{more}"


def _newer(floor: VersionFloor) -> str:
    if floor.family in {"GLIBC", "GCC"}:
        return f"{_FAMILIES[floor.family]} {floor.version} or newer"
    known = _FAMILIES.get(floor.family, floor.library)
    release = _gcc_release(floor)
    return f"{known} with {floor.family}_{floor.version}{release} or newer"


def _gcc_release(floor: VersionFloor) -> str:
    """The GCC whose libstdc++ first has this GLIBCXX version."""
    if floor.family != "GLIBCXX":
        return ""
    known = {
        "3.4.19": "4.8.3", "3.4.20": "4.9", "3.4.21": "5.1", "3.4.22": "6.1", "3.4.23": "7.1",
        "3.4.24": "7.2", "3.4.25": "8.1", "3.4.26": "9.1", "3.4.27": "9.2", "3.4.28": "9.3",
        "3.4.29": "11.1", "3.4.30": "12.1", "3.4.31": "13.1", "3.4.32": "13.2", "3.4.33": "14.1",
        "3.4.34": "15.1",
    }  # fmt: skip
    first = next((v for v in known if version_key(v) >= floor.key), None)
    return f" (GCC {known[first]})" if first else ""


def _hardening(facts: ElfFacts) -> str:
    words = [f"RELRO {facts.relro}", "BIND_NOW" if facts.bind_now else "lazy binding"]
    words.append("executable stack" if facts.executable_stack else "no executable stack")
    if facts.text_relocations:
        words.append("text relocations")
    return ", ".join(words)


def _image(facts: ImageFacts) -> Iterator[str]:
    config = facts.config
    platform = "/".join(part for part in (config.os, config.architecture, config.variant) if part)
    count = sum(f.type.value == "file" for f in facts.files)
    yield f"Image for {platform}, created {config.created or 'at an unknown time'}"
    if facts.tags:
        yield f"  tags       {', '.join(facts.tags)}"
    layers = f"{len(facts.layers)} layer{'' if len(facts.layers) == 1 else 's'}"
    size = f"{facts.layers_bytes / 1e6:.1f} MB in {layers}"
    yield f"  size       {size}, {facts.files_bytes / 1e6:.1f} MB in {count} files"
    yield f"  user       {config.user or 'root (not set)'}"
    yield f"  starts     {' '.join(config.entrypoint + config.cmd) or 'nothing'}"
    yield f"  shells     {', '.join(facts.shells) or 'none'}"
    yield f"  packages   {len(facts.packages) or 'none recorded'}"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"{finding.severity}: {finding.message}  [{finding.id}]"
    for line in finding.evidence:
        yield f"    {line}"
    if finding.fix:
        yield f"    fix: {finding.fix}"
    yield ""


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
        return "single functions cannot be identified"
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
    c_api = sum(name.startswith(C_PREFIX) for name in facts.defined)
    ours = f", {c_api} of them {C_PREFIX}*" if c_api else ""
    yield f"  defines    {len(facts.defined)} C names{ours}; {facts.defined_cxx} C++ names"
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
