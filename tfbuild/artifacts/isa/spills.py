"""Whether functions begin as a compiler writes them that was told not to optimise. Pure.

GCC and Clang at -O0 store each argument to the stack before anything else, and load it again for each use;
with optimisation the first argument stays in its register. So a store of the first argument among the first
instructions tells, with and without frame pointers.
"""

from __future__ import annotations

import re

from tfbuild.artifacts.elf.code import Code

# Where the store is at the latest, behind the instructions that make the frame: bytes.
_BEGINNING = {"EM_X86_64": 32, "EM_AARCH64": 32}
# push %rbp; mov %rsp,%rbp ... mov %rdi or %edi,-N(%rbp), N in one or four bytes
_X86 = re.compile(rb"\x55\x48\x89\xe5.{0,24}?(?:\x48\x89[\x7d\xbd]|\x89[\x7d\xbd])", re.DOTALL)
# str x0 or w0,[sp,#N], unsigned offset: Arm Architecture Reference Manual, C6.2, STR (immediate)
_STR_MASK, _STR_X0, _STR_W0 = 0xFFC003FF, 0xF90003E0, 0xB90003E0


def spilling(code: Code) -> int:
    """How many functions store their first argument to the stack at once; 0 for machines not known here."""
    length = _BEGINNING.get(code.machine)
    if length is None:
        return 0
    stores = _x86_stores if code.machine == "EM_X86_64" else _arm64_stores
    count = 0
    ranges = iter(code.ranges)
    area = next(ranges, None)
    for function in code.functions:
        while area is not None and function.start >= area.end:
            area = next(ranges, None)
        if area is None:
            break
        start = function.start - area.address
        if start >= 0:
            count += stores(bytes(area.data[start : start + min(length, function.end - function.start)]))
    return count


def _x86_stores(beginning: bytes) -> bool:
    return _X86.search(beginning) is not None


def _arm64_stores(beginning: bytes) -> bool:
    words = (int.from_bytes(beginning[at : at + 4], "little") for at in range(0, len(beginning), 4))
    return any(word & _STR_MASK in (_STR_X0, _STR_W0) for word in words)
