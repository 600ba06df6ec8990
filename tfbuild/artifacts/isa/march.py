"""What each -march allows, which extension shows that it arrived, and which CPUs have it.

The facts are in ``build_configs/platforms/cpus.yaml``, which is read once; the rest is pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfbuild.artifacts.elf.facts import version_key
from tfbuild.base.project import PROJECT
from tfbuild.config.cpus import Cpus, Level, load_cpus

# Never in one CPU: AMD's own extensions of 2011 to 2015 (family 15h), which Zen dropped, with what came
# after them (AMD64 Architecture Programmer's Manual, volume 3, appendix D); Knights Corner with any other.
_DROPPED = frozenset({"FMA4", "XOP", "TBM"})
_LATER = frozenset({"ADX", "RDSEED", "SHA", "SHA512", "GFNI", "VAES", "VPCLMULQDQ", "SM3", "SM4"})
_LATER_PREFIXES = ("AVX512", "AVX_", "AMX_")


def _table() -> Cpus:
    return load_cpus(PROJECT)


def allowed(march: str) -> frozenset[str] | None:
    """All extensions that the compiler may use under ``march``; None where that is not known (``native``)."""
    table = _table()
    if march in table.x86_64:
        return table.x86_64[march]
    base, *options = march.split("+")
    if base not in table.arm64 or any(option not in table.arm64_options for option in options):
        return None
    return table.arm64[base].union(*(table.arm64_options[option] for option in options))


def emulated_cpu(march: str | None, qemu: str | None) -> str:
    """The weakest CPU of QEMU, of version ``qemu``, with all that ``march`` allows; empty: none is known.

    A program that is tested on the one that has everything would run what the promised CPU does not.
    """
    table = _table()
    if march is None or qemu is None or march in table.x86_64:
        return ""
    if exact := table.emulated_march.get(march):
        return exact.cpu if version_key(exact.qemu) <= version_key(qemu) else ""
    needed = allowed(march)
    if needed is None:
        return ""
    found = next((name for name, has in table.emulated.items() if needed <= has), "")
    return found if found and version_key(table.arm64_emulated[found].qemu) <= version_key(qemu) else ""


def x86_names() -> tuple[str, ...]:
    """The levels and CPUs of x86-64 that are known here."""
    return tuple(_table().x86_64)


def witnesses(march: str) -> frozenset[str]:
    """Extensions of which ordinary code shows at least one when ``march`` arrived; empty: none would."""
    found = allowed(march)
    if found is None:
        return frozenset()
    table = _table()
    if march in table.x86_64:
        for level in reversed(table.x86_64_levels):
            if level.adds and level.adds <= found:
                # AVX alone would be a build for Sandy Bridge, and CMPXCHG16B is hardly ever used.
                return level.adds - {"AVX", "CMPXCHG16B"}
        return found & {"AVX"}
    return found & {"LSE"}


def contradiction(machine: str, needed: frozenset[str]) -> frozenset[str]:
    """Those of ``needed`` that no CPU has together; empty where one may have all."""
    if machine != "EM_X86_64":
        return frozenset()
    if "KNC" in needed and len(needed) > 1:
        return needed
    dropped = needed & _DROPPED
    later = frozenset(name for name in needed if name in _LATER or name.startswith(_LATER_PREFIXES))
    return dropped | later if dropped and later else frozenset()


def x86_level(needed: frozenset[str]) -> str:
    """The least level of the psABI with all of ``needed``; what no level has is added with a plus.

    AVX without the rest of x86-64-v3 is ``x86-64-v2+avx``, SSE3 alone ``x86-64+sse3``.
    """
    table = _table()
    levels = table.x86_64_levels
    if _early(needed, table):
        return "+".join((levels[0].name, *sorted(name.lower() for name in needed)))
    if _between(needed, table):
        known = levels[1].adds
        return "+".join((levels[1].name, *sorted(name.lower() for name in needed - known)))
    return _level(levels, needed)


def _between(needed: frozenset[str], table: Cpus) -> Level | None:
    """The step between x86-64-v2 and -v3 that is all of these two and above that is needed."""
    above = needed & (table.x86_64_levels[2].adds | table.x86_64_levels[3].adds)
    return next((step for step in table.x86_64_before_v3 if step.adds == above), None)


def _early(needed: frozenset[str], table: Cpus) -> frozenset[str]:
    """What is needed of the time before x86-64-v2; empty where that is nothing or not all."""
    known = needed & table.x86_64[table.x86_64_levels[3].name]
    steps = table.x86_64_before_v2
    return known if known <= steps[0].adds | steps[1].adds else frozenset()


def arm64_level(needed: frozenset[str]) -> str:
    """``armv8-a``, ``armv8.1-a`` when LSE is needed, and the rest with a plus."""
    base = _table().arm64_levels[1 if "LSE" in needed else 0]
    return "+".join((base.name, *sorted(name.lower() for name in needed - base.adds)))


def _level(levels: Sequence[Level], needed: frozenset[str]) -> str:
    known = frozenset[str]().union(*(level.adds for level in levels))
    have: frozenset[str] = frozenset()
    for level in levels:
        have |= level.adds
        if needed & known <= have:
            return "+".join((level.name, *sorted(name.lower() for name in needed - known)))
    raise AssertionError("the last level has all")


def cpus(machine: str, needed: frozenset[str]) -> str:
    """The CPU families that have all of ``needed``, in words."""
    if impossible := contradiction(machine, needed):
        return f"unclear: no CPU has all of {', '.join(sorted(impossible))}"
    table = _table()
    if machine == "EM_X86_64":
        levels = table.x86_64_levels
        rest = sorted(needed - table.x86_64[levels[3].name])
        if step := _between(needed, table):
            words = step.cpus
        elif early := _early(needed, table):
            level: Level = table.x86_64_before_v2[1 if early & table.x86_64_before_v2[1].adds else 0]
            words = f"{level.cpus}, all with {', '.join(sorted(early))}"
        else:
            base = x86_level(needed).partition("+")[0]
            words = _words(next(each for each in levels if each.name == base))
    else:
        level = table.arm64_levels[1 if "LSE" in needed else 0]
        words = _words(level)
        rest = sorted(table.arm64_optional.get(name, name) for name in needed - level.adds)
    return f"{words}; with {', '.join(rest)}" if rest else words


def _words(level: Level) -> str:
    return f"{level.name}: {level.cpus}" if level.adds else level.cpus
