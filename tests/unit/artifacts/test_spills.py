"""Code that was compiled without optimisation: told from how its functions begin."""

from __future__ import annotations

import pytest

from tests.support.plans import make_plan
from tfbuild.artifacts.elf.code import Code, CodeRange, Function
from tfbuild.artifacts.isa.facts import IsaFacts
from tfbuild.artifacts.isa.spills import spilling
from tfbuild.base.arch import Arch
from tfbuild.verify.checks.isa import check_isa
from tfbuild.verify.policy import Context, Policy, Role

# What GCC 12 and 14 write; Arm's words are the bytes in memory order.
SPILLED = {
    "EM_X86_64": [
        "55 48 89 e5 48 89 7d f8",  # push %rbp; mov %rsp,%rbp; mov %rdi,-8(%rbp)
        "f3 0f 1e fa 55 48 89 e5 48 83 ec 20 89 7d ec",  # endbr64; ...; sub $32,%rsp; mov %edi,-20(%rbp)
        "55 48 89 e5 53 48 81 ec 98 00 00 00 48 89 bd 68 ff ff ff",  # mov %rdi,-152(%rbp)
    ],
    "EM_AARCH64": [
        "fd 7b be a9 fd 03 00 91 e0 0f 00 f9",  # stp x29,x30,[sp,-32]!; mov x29,sp; str x0,[sp,24]
        "ff 43 00 d1 e0 0f 00 b9",  # sub sp,sp,#16; str w0,[sp,12]
    ],
}
KEPT = {
    "EM_X86_64": [
        "55 48 89 e5 41 54 49 89 fc 53",  # a frame pointer; mov %rdi,%r12
        "48 89 7c 24 08 c3",  # mov %rdi,8(%rsp): no frame
        "c5 fa 10 07 c5 fa 59 06 c3",  # vmovss (%rdi),%xmm0
    ],
    "EM_AARCH64": [
        "fd 7b bf a9 fd 03 00 91 f3 03 00 aa",  # mov x19,x0
        "20 00 00 f9 c0 03 5f d6",  # str x0,[x1]
    ],
}
NO_CONTEXT = Context()
POLICY = Policy(description="test", roles={"library": Role(files=("*.so",))})


def code(machine: str, *functions: str) -> Code:
    """Functions one behind the other, 64 bytes each."""
    bodies = [bytes.fromhex(each.replace(" ", "")).ljust(64, b"\x00") for each in functions]
    ranges = (CodeRange(0x1000, memoryview(b"".join(bodies))),)
    starts = range(0x1000, 0x1000 + 64 * len(bodies), 64)
    return Code(machine, True, ranges, tuple(Function(start, start + 64) for start in starts))


@pytest.mark.parametrize("machine", SPILLED)
def test_the_first_argument_on_the_stack_tells(machine: str) -> None:
    assert spilling(code(machine, *SPILLED[machine])) == len(SPILLED[machine])
    assert spilling(code(machine, *KEPT[machine])) == 0


def test_a_function_is_not_judged_by_the_one_behind_it() -> None:
    made = code("EM_X86_64", "c3", SPILLED["EM_X86_64"][0])
    short = Code(made.machine, True, made.ranges, (Function(0x1000, 0x1001), Function(0x1040, 0x1080)))
    assert spilling(short) == 1
    assert spilling(Code("EM_RISCV", True, made.ranges, made.functions)) == 0


def found(
    functions: int, spilled: int, role: str | None = "library", context: Context = NO_CONTEXT
) -> list[str]:
    isa = IsaFacts("EM_X86_64", "x86-64", 100, functions, 0, 0, 0, (), spilled)
    return [each.id for each in check_isa("lib/a.so", isa, POLICY, role, context)]


def test_a_library_of_which_most_is_unoptimised_is_a_finding() -> None:
    assert found(100, 97) == ["elf-unoptimised"]
    assert found(100, 13) == []  # linked with a part that is
    assert found(15, 15) == []  # too little to judge
    assert found(100, 97, None) == []  # nothing that was built here
    assert found(100, 97, context=Context(optimised=False)) == []  # as it was asked for


@pytest.mark.parametrize(
    ("level", "optimises"), [("0", False), ("g", True), ("1", True), ("3", True), ("s", True)]
)
def test_a_plan_knows_whether_it_asks_for_optimised_code(level: str, optimises: bool) -> None:
    assert (
        make_plan("2.14.1-debian", "opt", Arch.AMD64, f"compile.optimisation={level}").optimises == optimises
    )
