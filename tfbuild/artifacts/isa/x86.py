"""Which extensions of x86-64 the code of a file uses, and in which functions.

iced-x86 (https://github.com/icedland/iced) knows the CPUID feature of every instruction. The decoder is
asked for nothing but the code of each instruction; what a code needs is looked up once.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from functools import cache

from iced_x86 import Code as Op
from iced_x86 import CpuidFeature, Decoder, Instruction

from tfbuild.artifacts.elf.code import Code
from tfbuild.artifacts.isa.sites import Sites

# Beyond the baseline (SSE2): what the levels of the psABI are made of, and what can be compiled for beside.
_COUNTED = frozenset(
    {
        "SSE3", "SSSE3", "SSE4_1", "SSE4_2", "SSE4A", "POPCNT", "CMPXCHG16B", "AVX", "AVX2", "BMI1", "BMI2",
        "F16C", "FMA", "FMA4", "XOP", "TBM", "LZCNT", "MOVBE", "ADX", "AES", "PCLMULQDQ", "VAES",
        "VPCLMULQDQ", "GFNI", "SHA", "SHA512", "SM3", "SM4", "RDRAND", "RDSEED", "KNC",
    }
)  # fmt: skip
_COUNTED_PREFIXES = ("AVX512", "AVX_", "AMX_")
# GCC writes TZCNT as a faster BSF for every CPU, where the operand is not zero: older ones execute BSF.
_HARMLESS = "TZCNT_"
_PLAIN, _LEGACY = 0, 1
# What a program asks the CPU and the system with; Intel SDM, volume 1, 14.3 "Detection of AVX Instructions".
_ASKING = ("CPUID", "XGETBV")


@cache
def _feature_names() -> Mapping[int, str]:
    return {v: n for n in dir(CpuidFeature) if n.isupper() and isinstance(v := getattr(CpuidFeature, n), int)}


@cache
def _op_names() -> Mapping[int, str]:
    return {v: n for n in dir(Op) if n.isupper() and isinstance(v := getattr(Op, n), int)}


def scan(code: Code) -> Sites:
    """The places of all instructions that are not of the baseline, and of legacy SSE."""
    # The index of a set of features; 0: of no interest, 1: vector or floating point in the old encoding.
    sets: list[frozenset[str]] = [frozenset(), frozenset()]
    kinds: dict[int, int] = {}
    places = [array("Q"), array("Q")]
    for address, data, _ in code.chunks():
        decoder = Decoder(64, bytes(data), ip=address)
        for instruction in decoder:
            op = instruction.code
            kind = kinds.get(op)
            if kind is None:
                kind = kinds[op] = _kind(op, instruction, sets)
                while len(places) < len(sets):
                    places.append(array("Q"))
            if kind:
                places[kind].append(instruction.ip)
    return Sites(
        extensions=tuple((sets[kind], places[kind]) for kind in range(2, len(sets))),
        legacy=places[_LEGACY],
        # Carry-less and AES instructions, POPCNT and the like exist in both encodings or in neither.
        modern=frozenset(name for used in sets for name in used if is_modern(name)),
        asks=any(_op_names().get(op, "").startswith(_ASKING) for op in kinds),
    )


def _kind(op: int, instruction: Instruction, sets: list[frozenset[str]]) -> int:
    name = _op_names().get(op, "")
    features = {_feature_names()[number] for number in instruction.cpuid_features()}
    used = frozenset(f for f in features if f in _COUNTED or f.startswith(_COUNTED_PREFIXES))
    if used and not name.startswith(_HARMLESS):
        shown = frozenset(feature.replace("SSE4_", "SSE4.") for feature in used)
        if shown not in sets:
            sets.append(shown)
        return sets.index(shown)
    vector = "XMM" in name and any(feature.startswith("SSE") for feature in features)
    return _LEGACY if vector else _PLAIN


def is_modern(name: str) -> bool:
    """Whether the extension's instructions have VEX or EVEX encodings on vector registers."""
    return name.startswith(("AVX", "VAES", "VPCLMUL", "AMX_")) or name in {"FMA", "F16C", "FMA4", "XOP"}
