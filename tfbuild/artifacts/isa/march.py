"""What each -march allows, which extension shows that it arrived, and which CPUs have it. Pure.

Sources: the levels of the x86-64 psABI (https://gitlab.com/x86-psABIs/x86-64-ABI, low-level-sys-info.tex);
GCC's manual, "x86 Options" and "AArch64 Options" (https://gcc.gnu.org/onlinedocs/gcc/x86-Options.html), for
the names; the extensions are named as iced-x86 and :mod:`tfbuild.artifacts.isa.arm64` name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Level:
    """A step of the architecture: what it adds, and who has it."""

    name: str
    adds: frozenset[str]
    cpus: str


# The years are those in which the first one was sold. Pentium and Celeron of the same years often lack AVX.
X86_LEVELS = (
    Level("x86-64", frozenset(), "any 64-bit x86 CPU"),
    Level(
        "x86-64-v2",
        frozenset({"SSE3", "SSSE3", "SSE4.1", "SSE4.2", "POPCNT", "CMPXCHG16B"}),
        "Intel Nehalem (2008), Silvermont (2013); AMD Bulldozer (2011), Jaguar (2013); or newer",
    ),
    Level(
        "x86-64-v3",
        frozenset({"AVX", "AVX2", "BMI1", "BMI2", "F16C", "FMA", "LZCNT", "MOVBE"}),
        "Intel Haswell (2013), Gracemont (2021); AMD Excavator (2015), Zen 1 (2017); or newer",
    ),
    Level(
        "x86-64-v4",
        frozenset({"AVX512F", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512VL"}),
        "Intel Skylake-SP (2017); AMD Zen 4 (2022); or newer server CPUs",
    ),
)
# AVX alone lies between the levels: Intel Sandy Bridge (2011), AMD Bulldozer (2011).
AVX_ONLY = frozenset({"AVX"})
AVX_ONLY_CPUS = "Intel Sandy Bridge (2011); AMD Bulldozer (2011), Jaguar (2013); or newer, all with AVX"

# And F16C came a step before the rest of x86-64-v3: TensorFlow's wheels of 2.21 need these two.
AVX_F16C = frozenset({"AVX", "F16C"})
AVX_F16C_CPUS = "Intel Ivy Bridge (2012); AMD Piledriver (2012), Jaguar (2013); or newer, all with AVX, F16C"
# And so do the first ones after SSE2, before x86-64-v2: what NumPy's wheels were compiled for until 2.3.
EARLY_X86 = (
    Level(
        "sse3",
        frozenset({"SSE3", "CMPXCHG16B"}),
        "Intel Nocona (2004); AMD Athlon 64 rev. E (2005); or newer",
    ),
    Level("ssse3", frozenset({"SSSE3"}), "Intel Core 2 (2006); AMD Bobcat, Bulldozer (2011); or newer"),
)
# Never in one CPU: AMD's own extensions of 2011 to 2015 (family 15h), which Zen dropped, with what came
# after them (AMD64 Architecture Programmer's Manual, volume 3, appendix D); Knights Corner with any other.
_DROPPED = frozenset({"FMA4", "XOP", "TBM"})
_LATER = frozenset({"ADX", "RDSEED", "SHA", "SHA512", "GFNI", "VAES", "VPCLMULQDQ", "SM3", "SM4"})
_LATER_PREFIXES = ("AVX512", "AVX_", "AMX_")

# Arm ARM A2.2 "Armv8-A architecture extensions"; only what is measured is listed.
ARM_LEVELS = (
    Level(
        "armv8-a", frozenset(), "any 64-bit Arm CPU, Cortex-A53 (Raspberry Pi 3) and A72 (Pi 4) among them"
    ),
    Level(
        "armv8.1-a",
        frozenset({"LSE", "CRC32", "RDM"}),
        "Cortex-A55 or A75 (2017), Neoverse N1 (Graviton 2), Cortex-A76 (Raspberry Pi 5), Apple M1; or newer",
    ),
    Level(
        "armv8.3-a",
        frozenset({"RCPC", "FCMA", "JSCVT", "PAuth"}),
        "Neoverse V1 (Graviton 3), Cortex-A510 or A710, Apple M1; or newer",
    ),
    Level("armv8.4-a", frozenset({"dotprod", "RCPC2"}), "Neoverse V1 (Graviton 3), Apple M1; or newer"),
    Level(
        "armv8.6-a",
        frozenset({"i8mm", "bf16"}),
        "Neoverse V1 (Graviton 3) or N2, Cortex-A510 or A710, Apple M2; or newer",
    ),
    Level("armv9-a", frozenset({"SVE", "fp16"}), "Neoverse N2 or V2 (Graviton 4), Cortex-A710; or newer"),
)
# Who has an optional extension without the level that makes it obligatory.
ARM_OPTIONAL: Mapping[str, str] = MappingProxyType(
    {
        "fp16": "half precision arithmetic (Cortex-A55, A75; Neoverse N1; or newer)",
        "dotprod": "dot product (Cortex-A55, A76; Neoverse N1; or newer)",
        "RCPC": "LDAPR (Cortex-A55, A76; Neoverse N1; or newer)",
        "SVE": "scalable vectors (Fujitsu A64FX, Neoverse V1 or newer)",
        "SME": "matrix extension (Apple M4, Cortex-X925 or newer)",
    }
)

_V2 = X86_LEVELS[1].adds
_V3 = _V2 | X86_LEVELS[2].adds
_V4 = _V3 | X86_LEVELS[3].adds
_CRYPTO = frozenset({"AES", "PCLMULQDQ"})
_WESTMERE = _V2 | {"AES", "PCLMULQDQ"}
_SANDY = _V2 | _CRYPTO | {"AVX"}
_IVY = _SANDY | {"F16C", "RDRAND"}
_HASWELL = _V3 | _CRYPTO | {"RDRAND"}
_BROADWELL = _HASWELL | {"ADX", "RDSEED"}
_SKYLAKE_X = _V4 | _BROADWELL
_CASCADE = _SKYLAKE_X | {"AVX512_VNNI"}
_ICELAKE = _CASCADE | {
    "AVX512_IFMA", "AVX512_VBMI", "AVX512_VBMI2", "AVX512_BITALG", "AVX512_VPOPCNTDQ", "GFNI", "VAES",
    "VPCLMULQDQ", "SHA",
}  # fmt: skip
_SAPPHIRE = _ICELAKE | {
    "AVX512_BF16", "AVX512_FP16", "AVX_VNNI", "AMX_TILE", "AMX_INT8", "AMX_BF16",
}  # fmt: skip
_ALDERLAKE = _BROADWELL | {"SHA", "GFNI", "VAES", "VPCLMULQDQ", "AVX_VNNI"}
_ZEN1 = _BROADWELL | {"SHA", "SSE4A"}
_ZEN3 = _ZEN1 | {"VAES", "VPCLMULQDQ"}
_ZEN4 = _ZEN3 | _ICELAKE | {"AVX512_BF16"}
_BULLDOZER = _SANDY | {"FMA4", "XOP", "SSE4A", "LZCNT"}

X86_MARCH: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "x86-64": frozenset(), "x86-64-v2": _V2, "x86-64-v3": _V3, "x86-64-v4": _V4,
        "core2": frozenset({"SSE3", "SSSE3", "CMPXCHG16B"}),
        "nehalem": _V2, "corei7": _V2, "westmere": _WESTMERE, "silvermont": _WESTMERE | {"MOVBE", "RDRAND"},
        "sandybridge": _SANDY, "corei7-avx": _SANDY, "ivybridge": _IVY, "core-avx-i": _IVY,
        "haswell": _HASWELL, "core-avx2": _HASWELL, "broadwell": _BROADWELL, "skylake": _BROADWELL,
        "skylake-avx512": _SKYLAKE_X, "cascadelake": _CASCADE, "cooperlake": _CASCADE | {"AVX512_BF16"},
        "icelake-client": _ICELAKE, "icelake-server": _ICELAKE,
        "tigerlake": _ICELAKE | {"AVX512_VP2INTERSECT"},
        "sapphirerapids": _SAPPHIRE, "emeraldrapids": _SAPPHIRE, "graniterapids": _SAPPHIRE | {"AMX_FP16"},
        "alderlake": _ALDERLAKE, "raptorlake": _ALDERLAKE, "gracemont": _ALDERLAKE,
        "bdver1": _BULLDOZER, "bdver2": _BULLDOZER | {"BMI1", "FMA", "F16C", "TBM"},
        "btver2": _SANDY | {"BMI1", "F16C", "MOVBE", "LZCNT", "SSE4A"},
        "znver1": _ZEN1, "znver2": _ZEN1, "znver3": _ZEN3, "znver4": _ZEN4,
        "znver5": _ZEN4 | {"AVX_VNNI", "AVX512_VP2INTERSECT"},
    }
)  # fmt: skip

_ARM_BASE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "armv8-a": frozenset(),
        "armv8.1-a": ARM_LEVELS[1].adds,
        "armv8.2-a": ARM_LEVELS[1].adds,
        "armv8.3-a": ARM_LEVELS[1].adds | ARM_LEVELS[2].adds,
        "armv8.4-a": ARM_LEVELS[1].adds | ARM_LEVELS[2].adds | ARM_LEVELS[3].adds,
        "armv8.5-a": ARM_LEVELS[1].adds | ARM_LEVELS[2].adds | ARM_LEVELS[3].adds,
        "armv8.6-a": frozenset().union(*(each.adds for each in ARM_LEVELS[:5])),
        "armv9-a": ARM_LEVELS[1].adds | ARM_LEVELS[2].adds | ARM_LEVELS[3].adds | {"SVE", "fp16", "fp16fml"},
    }
)
_ARM_OPTIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "crc": frozenset({"CRC32"}), "crypto": frozenset({"AES", "PMULL", "SHA"}), "lse": frozenset({"LSE"}),
        "aes": frozenset({"AES", "PMULL"}), "sha2": frozenset({"SHA"}), "sha3": frozenset({"SHA"}),
        "fp16": frozenset({"fp16"}), "fp16fml": frozenset({"fp16", "fp16fml"}), "rdma": frozenset({"RDM"}),
        "dotprod": frozenset({"dotprod"}), "rcpc": frozenset({"RCPC"}), "i8mm": frozenset({"i8mm"}),
        "bf16": frozenset({"bf16"}), "sve": frozenset({"SVE", "fp16"}), "sve2": frozenset({"SVE", "fp16"}),
        "sme": frozenset({"SME", "bf16"}), "pauth": frozenset({"PAuth"}),
        "simd": frozenset(), "fp": frozenset(),
        "nocrypto": frozenset(), "profile": frozenset(), "ssbs": frozenset(), "sb": frozenset(),
    }
)  # fmt: skip


def allowed(march: str) -> frozenset[str] | None:
    """All extensions that the compiler may use under ``march``; None where that is not known (``native``)."""
    if march in X86_MARCH:
        return X86_MARCH[march]
    base, *options = march.split("+")
    if base not in _ARM_BASE or any(option not in _ARM_OPTIONS for option in options):
        return None
    return _ARM_BASE[base].union(*(_ARM_OPTIONS[option] for option in options))


def witnesses(march: str) -> frozenset[str]:
    """Extensions of which ordinary code shows at least one when ``march`` arrived; empty: none would."""
    found = allowed(march)
    if found is None:
        return frozenset()
    if march in X86_MARCH:
        for level in reversed(X86_LEVELS):
            if level.adds and level.adds <= found:
                # AVX alone would be a build for Sandy Bridge, and CMPXCHG16B is hardly ever used.
                return level.adds - {"AVX", "CMPXCHG16B"}
        return found & AVX_ONLY
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
    if _early(needed):
        return "+".join((X86_LEVELS[0].name, *sorted(name.lower() for name in needed)))
    if needed & (X86_LEVELS[2].adds | X86_LEVELS[3].adds) in (AVX_ONLY, AVX_F16C):
        known = X86_LEVELS[1].adds
        return "+".join((X86_LEVELS[1].name, *sorted(name.lower() for name in needed - known)))
    return _level(X86_LEVELS, needed)


def _early(needed: frozenset[str]) -> frozenset[str]:
    """What is needed of the time before x86-64-v2; empty where that is nothing or not all."""
    known = needed & (X86_LEVELS[1].adds | X86_LEVELS[2].adds | X86_LEVELS[3].adds)
    return known if known <= EARLY_X86[0].adds | EARLY_X86[1].adds else frozenset()


def arm64_level(needed: frozenset[str]) -> str:
    """``armv8-a``, ``armv8.1-a`` when LSE is needed, and the rest with a plus."""
    base = ARM_LEVELS[1] if "LSE" in needed else ARM_LEVELS[0]
    return "+".join((base.name, *sorted(name.lower() for name in needed - base.adds)))


def _level(levels: tuple[Level, ...], needed: frozenset[str]) -> str:
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
    if machine == "EM_X86_64":
        known = frozenset[str]().union(*(each.adds for each in X86_LEVELS))
        rest = sorted(needed - known)
        if needed & (X86_LEVELS[2].adds | X86_LEVELS[3].adds) == AVX_ONLY:
            words = AVX_ONLY_CPUS
        elif needed & (X86_LEVELS[2].adds | X86_LEVELS[3].adds) == AVX_F16C:
            words = AVX_F16C_CPUS
        elif early := _early(needed):
            level = EARLY_X86[1 if early & EARLY_X86[1].adds else 0]
            words = f"{level.cpus}, all with {', '.join(sorted(early))}"
        else:
            base = x86_level(needed).partition("+")[0]
            words = _words(next(each for each in X86_LEVELS if each.name == base))
    else:
        level = ARM_LEVELS[1] if "LSE" in needed else ARM_LEVELS[0]
        words = _words(level)
        rest = sorted(ARM_OPTIONAL.get(name, name) for name in needed - level.adds)
    return f"{words}; with {', '.join(rest)}" if rest else words


def _words(level: Level) -> str:
    return f"{level.name}: {level.cpus}" if level.adds else level.cpus
