"""A verification report in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tfbuild.checks import machine_name
from tfbuild.elf_facts import ElfFacts, ElfKind, Libc, VersionFloor, version_key
from tfbuild.foreign import ForeignFiles
from tfbuild.image_facts import ImageFacts
from tfbuild.model import Finding
from tfbuild.printable import joined
from tfbuild.verify_code_text import archive_lines, content_lines, isa_lines, runs_on_lines, wheel_lines
from tfbuild.verify_report import SubjectKind, VerifyFacts, VerifyReport

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
