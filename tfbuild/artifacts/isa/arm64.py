"""Which extensions of arm64 the code of a file uses, and in which functions.

Every instruction is one word of 32 bits, and a library of three megabytes has only some 180,000 different
ones, so each different word is looked at once. The rows below are classes of the encoding index (Arm
Architecture Reference Manual, DDI 0487, C4 "A64 Instruction Set Encoding"): a word belongs to a class when
``word & mask == value``. The tests compare them with capstone.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from tfbuild.artifacts.elf.code import Code
from tfbuild.artifacts.isa.sites import Sites

# The atomics that every arm64 CPU has; __sync and std::atomic become these unless the compiler may use LSE.
_EXCLUSIVE = (
    (0x3FA00000, 0x08000000),  # LDXR, STXR and their acquire and release forms
    (0xBFA00000, 0x88200000),  # the pairs
)
_CLASSES: tuple[tuple[str, int, int], ...] = (
    ("LSE", 0x3B208C00, 0x38200000),  # LDADD, LDCLR, LDSET, …
    ("LSE", 0x3B20FC00, 0x38208000),  # SWP
    ("LSE", 0x3FA07C00, 0x08A07C00),  # CAS
    ("LSE", 0xBFA07C00, 0x08207C00),  # CASP
    ("RCPC", 0x3FFFFC00, 0x38BFC000),  # LDAPR
    ("RCPC2", 0x3F200C00, 0x19000000),  # LDAPUR, STLUR
    ("CRC32", 0x7FE0E000, 0x1AC04000),
    ("RDM", 0xBF20F400, 0x2E008400),  # SQRDMLAH, SQRDMLSH
    ("RDM", 0xBF00D400, 0x2F00D000),  # by element
    ("RDM", 0xFF20F400, 0x7E008400),  # scalar
    ("RDM", 0xFF00D400, 0x7F00D000),  # scalar by element
    ("AES", 0xFFFFCC00, 0x4E284800),
    ("PMULL", 0xBFE0FC00, 0x0EE0E000),  # of 64 bit
    ("SHA", 0xFFE08C00, 0x5E000000),
    ("SHA", 0xFFFFCC00, 0x5E280800),
    ("fp16", 0x7F200000, 0x1E200000),  # scalar with ptype 3, see _is_half
    ("fp16", 0x7FE00000, 0x1EC00000),  # conversions with fixed point
    ("fp16", 0xFFC00000, 0x1FC00000),  # FMADD
    ("fp16", 0x9F60C400, 0x0E400400),  # three same
    ("fp16", 0xDF60C400, 0x5E400400),  # and scalar
    ("fp16", 0x9F7E0C00, 0x0E780800),  # two-register miscellaneous
    ("fp16", 0xDF7E0C00, 0x5E780800),  # and scalar
    ("fp16", 0xBF7FFC00, 0x0E30C800),  # FMAXNMV, FMINNMV
    ("fp16", 0xBF7FFC00, 0x0E30F800),  # FMAXV, FMINV
    ("fp16", 0xBFC0B400, 0x0F001000),  # FMLA, FMLS by element
    ("fp16", 0x9FC0F400, 0x0F009000),  # FMUL, FMULX by element
    ("fp16", 0xFFC0B400, 0x5F001000),  # scalar by element
    ("fp16", 0xDFC0F400, 0x5F009000),
    ("fp16", 0xBFF8FC00, 0x0F00FC00),  # FMOV, immediate
    ("fp16", 0xFF7FFC00, 0x5E30C800),  # pairwise: FMAXNMP, FMINNMP
    ("fp16", 0xFF7FFC00, 0x5E30D800),  # FADDP
    ("fp16", 0xFF7FFC00, 0x5E30F800),  # FMAXP, FMINP
    ("fp16", 0x9FF0FC00, 0x0F10E400),  # vectors from and to fixed point
    ("fp16", 0x9FF0FC00, 0x0F10FC00),
    ("fp16", 0xDFF0FC00, 0x5F10E400),  # and scalar
    ("fp16", 0xDFF0FC00, 0x5F10FC00),
    ("fp16fml", 0xBF60FC00, 0x0E20EC00),  # FMLAL, FMLSL
    ("fp16fml", 0xBF60FC00, 0x2E20CC00),  # FMLAL2, FMLSL2
    ("fp16fml", 0xBFC0B400, 0x0F800000),  # by element
    ("fp16fml", 0xBFC0B400, 0x2F808000),
    ("dotprod", 0x9FE0FC00, 0x0E809400),  # SDOT, UDOT
    ("dotprod", 0x9FC0F400, 0x0F80E000),  # by element
    ("i8mm", 0xDFE0F400, 0x4E80A400),  # SMMLA, UMMLA, USMMLA
    ("i8mm", 0xBFE0FC00, 0x0E809C00),  # USDOT
    ("i8mm", 0xBF40F400, 0x0F00F000),  # USDOT, SUDOT by element
    ("bf16", 0xBFE0FC00, 0x2E40FC00),  # BFDOT
    ("bf16", 0xBFC0F400, 0x0F40F000),  # by element
    ("bf16", 0xFFE0FC00, 0x6E40EC00),  # BFMMLA
    ("bf16", 0xBFE0FC00, 0x2EC0FC00),  # BFMLALB, BFMLALT
    ("bf16", 0xBFC0F400, 0x0FC0F000),  # by element
    ("bf16", 0xBFFFFC00, 0x0EA16800),  # BFCVTN
    ("bf16", 0xFFFFFC00, 0x1E634000),  # BFCVT
    ("FCMA", 0xBF20E400, 0x2E00C400),  # FCMLA
    ("FCMA", 0xBF20EC00, 0x2E00E400),  # FCADD
    ("FCMA", 0xBF009400, 0x2F001000),  # FCMLA by element
    ("JSCVT", 0xFFFFFC00, 0x1E7E0000),
    ("PAuth", 0xFFFFFBFF, 0xD65F0BFF),  # RETAA, RETAB; the forms that older CPUs take for NOP do not count
    ("SVE", 0x1E000000, 0x04000000),
    ("SME", 0x9E000000, 0x80000000),
)
_HALF_FCVT = (0xFFFF7C00, 0x1EE24000)  # between half and other precisions: in every arm64 CPU
_TOP = 21  # classes are found by the bits from here up: at most a few per value


def scan(code: Code) -> Sites:
    """The places of all instructions that are not of the baseline, and of exclusive loads and stores."""
    words = [(address, _words(data)) for address, data, _ in code.chunks()]
    # Data between functions does not count: nothing tells it from an instruction.
    known = classify(set().union(*(set(part) for _, part in words)) if words else ())
    places: dict[frozenset[str], array[int]] = {}
    for address, part in words:
        for index, word in enumerate(part):
            if word in known:
                places.setdefault(known[word], array("Q")).append(address + 4 * index)
    old = places.pop(frozenset(), array("Q"))
    return Sites(extensions=tuple(places.items()), legacy=old, modern=frozenset({"LSE"}))


def classify(words: Iterable[int]) -> dict[int, frozenset[str]]:
    """The extension of each word that needs one; the empty set for exclusive loads and stores."""
    tables: dict[int, list[tuple[int, int, frozenset[str]]]] = {}
    found: dict[int, frozenset[str]] = {}
    for word in words:
        top = word >> _TOP
        rows = tables.get(top)
        if rows is None:
            rows = tables[top] = [row for row in _rows() if _may_match(row, top)]
        for mask, value, names in rows:
            if word & mask == value and (names != {"fp16"} or _is_half(word, value)):
                found[word] = names
                break
    return found


def _rows() -> Iterable[tuple[int, int, frozenset[str]]]:
    for mask, value in _EXCLUSIVE:
        yield mask, value, frozenset()
    for name, mask, value in _CLASSES:
        yield mask, value, frozenset({name})


def _may_match(row: tuple[int, int, frozenset[str]], top: int) -> bool:
    mask, value, _ = row
    return (top & mask >> _TOP) == value >> _TOP


def _is_half(word: int, value: int) -> bool:
    """Scalar floating point is one class for all precisions; type 3 is half."""
    if value != 0x1E200000:
        return True
    return word >> 22 & 3 == 3 and word & _HALF_FCVT[0] != _HALF_FCVT[1]


def _words(data: memoryview) -> array[int]:
    words = array("I")
    words.frombytes(data[: len(data) // 4 * 4])
    return words
