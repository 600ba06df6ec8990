"""What compilers know: which -march a version has, and how to say the same to an older one. Pure.

Sources: https://gcc.gnu.org/gcc-11/changes.html (x86-64-v2 to v4), ``gcc/config/i386/i386.h`` (what they
stand for, after https://gitlab.com/x86-psABIs/x86-64-ABI), https://gcc.gnu.org/gcc-12/changes.html,
-13 and -14, ``gcc/config/aarch64/aarch64-cores.def``; for clang ``llvm/lib/TargetParser/X86TargetParser.cpp``
and the release notes of 12, 16 and 19.
"""

from __future__ import annotations

from collections.abc import Mapping

Version = tuple[int, ...]

# The first version of each compiler that takes the name; those before all that are of use are left out.
_SINCE: Mapping[str, Mapping[str, Version]] = {
    "gcc": {
        "x86-64-v2": (11,),
        "x86-64-v3": (11,),
        "x86-64-v4": (11,),
        "znver3": (10, 3),
        "znver4": (12, 3),
        "znver5": (14, 1),
        "alderlake": (11,),
        "sapphirerapids": (11,),
        "graniterapids": (13,),
        "armv8.7-a": (12,),
        "armv8.8-a": (12,),
        "armv9-a": (12,),
        "neoverse-v2": (13,),
    },
    "clang": {
        "x86-64-v2": (12,),
        "x86-64-v3": (12,),
        "x86-64-v4": (12,),
        "znver4": (16,),
        "znver5": (19,),
        "graniterapids": (16,),
    },
}
_V2 = ("-march=x86-64", "-mcx16", "-mpopcnt", "-msahf", "-msse3", "-mssse3", "-msse4.1", "-msse4.2")
_V3 = ("-mavx", "-mavx2", "-mbmi", "-mbmi2", "-mf16c", "-mfma", "-mlzcnt", "-mmovbe", "-mxsave")
_V4 = ("-mavx512f", "-mavx512bw", "-mavx512cd", "-mavx512dq", "-mavx512vl")
# The levels are sets of instructions, so one flag for each says the same.
_SPELLED_OUT: Mapping[str, tuple[str, ...]] = {
    "x86-64-v2": _V2,
    "x86-64-v3": (*_V2, *_V3),
    "x86-64-v4": (*_V2, *_V3, *_V4),
}


def parse_version(text: str) -> Version:
    """``18.1.8`` as numbers."""
    return tuple(int(part) for part in text.split("."))


def since(kind: str, march: str) -> Version | None:
    """The first version of gcc or clang that knows ``march``, where that is known to matter."""
    return _SINCE.get(kind, {}).get(march.partition("+")[0])


def march_flags(kind: str, version: str, march: str) -> tuple[str, ...] | None:
    """Flags that mean ``march`` to this compiler; None where it cannot be told."""
    first = since(kind, march)
    if first is None or parse_version(version) >= first:
        return (f"-march={march}",)
    return _SPELLED_OUT.get(march)
