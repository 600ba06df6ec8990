"""Measures which instruction sets the code of an ELF file uses. Nothing is executed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tfbuild.artifacts.elf.code import Code
from tfbuild.artifacts.isa import arm64 as isa_arm64
from tfbuild.artifacts.isa import x86 as isa_x86
from tfbuild.artifacts.isa.facts import Extension, IsaFacts, Verdict, judge
from tfbuild.artifacts.isa.march import arm64_level, contradiction, x86_level
from tfbuild.artifacts.isa.sites import Usage, usage
from tfbuild.artifacts.isa.spills import spilling

MEASURED = frozenset({"EM_X86_64", "EM_AARCH64"})


# What no compiler is told of without AVX, though it is no vector code: x86-64-v3 has them together.
_WITH_AVX = frozenset({"BMI1", "BMI2", "LZCNT", "MOVBE"})
_HANDWRITTEN = frozenset(
    {
        "AES",
        "PCLMULQDQ",
        "SHA",
        "SHA512",
        "SM3",
        "SM4",
        "ADX",
        "GFNI",
        "RDRAND",
        "RDSEED",
        "VAES",
        "VPCLMULQDQ",
    }
)
_BEFORE_LSE = frozenset({"CRC32", "AES", "PMULL", "SHA"})


def measure(code: Code) -> IsaFacts | None:
    """The instruction sets of ``code``; None for a machine whose instructions are not decoded here."""
    if code.machine not in MEASURED or not code.little_endian:
        return None
    return _x86(code) if code.machine == "EM_X86_64" else _arm64(code)


def _x86(code: Code) -> IsaFacts:
    sites = isa_x86.scan(code)
    used = usage(code, sites)
    names = frozenset(used.tallies)
    extensions = judge(
        used.tallies,
        used.modern,
        used.legacy,
        needs_modern=frozenset(name for name in names if isa_x86.is_modern(name)) | _WITH_AVX,
        implied=names,
        enough=50,  # below, shares mean nothing
        witness="AVX",
        handwritten=_HANDWRITTEN,
        asks=sites.asks,
    )
    return _facts(code, used, extensions, x86_level)


def _arm64(code: Code) -> IsaFacts:
    used = usage(code, isa_arm64.scan(code), both_choose=frozenset({"LSE"}))
    extensions = judge(
        used.tallies,
        used.modern,
        used.legacy,
        needs_modern=frozenset(used.tallies) - _BEFORE_LSE,
        # Kernels' extensions are written by hand; what a compiler may do with them can hardly be seen.
        implied=frozenset({"RCPC", "RCPC2"}),
        enough=1,  # atomics are rare, but each tells: they are written by the compiler only
        witness="LSE",
    )
    return _facts(code, used, extensions, arm64_level)


def _facts(
    code: Code,
    used: Usage,
    extensions: tuple[Extension, ...],
    level: Callable[[frozenset[str]], str],
) -> IsaFacts:
    always = frozenset(e.name for e in extensions if e.verdict is Verdict.ALWAYS)
    # Some of it must be chosen at run time; which, nothing tells.
    wrong = contradiction(code.machine, always)
    extensions = tuple(replace(e, verdict=Verdict.UNCLEAR) if e.name in wrong else e for e in extensions)
    always -= wrong
    return IsaFacts(
        machine=code.machine,
        level=level(always),
        code=code.size,
        functions=len(code.functions),
        named=sum(1 for each in code.functions if each.name),
        modern=used.modern,
        legacy=used.legacy,
        extensions=extensions,
        spilling=spilling(code),
    )
