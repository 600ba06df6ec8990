"""What is chosen at run time: told by names, by who calls it, and never claimed where nothing tells."""

from __future__ import annotations

import struct

import pytest

from tfbuild.artifacts.elf.code import Code, CodeRange, Function
from tfbuild.artifacts.isa.calls import NOBODY, followers
from tfbuild.artifacts.isa.facts import Basis, IsaFacts, Tally, Verdict, judge
from tfbuild.artifacts.isa.march import allowed, contradiction, cpus, x86_level, x86_names
from tfbuild.artifacts.isa.measure import measure
from tfbuild.artifacts.isa.names import family

BASE = 0x1000
STEP = 64  # bytes from one function to the next
RETURN = b"\xc3"
LEGACY = bytes.fromhex("0f58c1")  # addps xmm0, xmm1
AVX2 = bytes.fromhex("c5f5fec2")  # vpaddd ymm0, ymm1, ymm2
FMA4 = bytes.fromhex("c4e3f969c220")  # vfmaddpd xmm0, xmm0, xmm2, xmm2
AVX512 = bytes.fromhex("62f1fe486fc1")  # vmovdqu64 zmm0, zmm1
CPUID = bytes.fromhex("0fa2")


class Program:
    """Small functions one behind the other; ``call`` and ``address`` name functions that come later, too."""

    def __init__(self, *names: str, exported: tuple[str, ...] = (), held: tuple[str, ...] = ()) -> None:
        self.names = list(names)
        self.bodies = dict.fromkeys(names, b"")
        self.exported, self.held = exported, held

    def start(self, name: str) -> int:
        return BASE + STEP * self.names.index(name)

    def add(self, name: str, code: bytes) -> Program:
        self.bodies[name] += code
        return self

    def call(self, caller: str, callee: str, opcode: bytes = b"\xe8") -> Program:
        place = self.start(caller) + len(self.bodies[caller]) + len(opcode) + 4
        return self.add(caller, opcode + struct.pack("<i", self.start(callee) - place))

    def address(self, caller: str, callee: str) -> Program:
        return self.call(caller, callee, b"\x48\x8d\x3d")  # lea rdi, [rip + x]

    def code(self) -> Code:
        bodies = [(self.bodies[name] + RETURN).ljust(STEP, b"\x90") for name in self.names]
        data = b"".join(struct.pack("<Q", self.start(name)) for name in self.held)
        return Code(
            "EM_X86_64",
            True,
            (CodeRange(BASE, memoryview(b"".join(bodies))),),
            tuple(Function(self.start(n), self.start(n) + STEP, n) for n in self.names),
            data=(memoryview(data),),
            exported=frozenset(self.start(name) for name in self.exported),
        )

    def followers(self, *wanted: str) -> dict[str, str]:
        code = self.code()
        places = frozenset(self.names.index(name) for name in wanted)
        found = followers(code, places, lambda index: family(code.functions[index].name))
        return {self.names[index]: who for index, who in found.items()}


def test_a_helper_of_a_kernel_runs_only_where_the_kernel_does() -> None:
    program = Program("dgemv_n_HASWELL", "dgemv_kernel_4x4").call("dgemv_n_HASWELL", "dgemv_kernel_4x4")
    assert program.followers("dgemv_kernel_4x4") == {"dgemv_kernel_4x4": "OpenBLAS"}


def test_a_helper_of_a_helper_and_one_whose_address_is_passed_on_do_too() -> None:
    program = Program("dasum_k_SKYLAKEX", "asum_thread_function", "plain", "asum_compute")
    program.address("dasum_k_SKYLAKEX", "asum_thread_function")
    program.call("asum_thread_function", "plain").call("plain", "asum_compute", b"\xe9")
    wanted = ("asum_thread_function", "asum_compute")
    assert program.followers(*wanted) == dict.fromkeys(wanted, "OpenBLAS")


def test_a_helper_that_ordinary_code_calls_as_well_just_runs() -> None:
    for opcode in (b"\xe8", b"\xe9", b"\x0f\x84", b"\x48\x8d\x05"):
        program = Program("dot_k_ZEN", "helper", "main", exported=("main",)).call("dot_k_ZEN", "helper")
        assert program.call("main", "helper", opcode).followers("helper") == {}


@pytest.mark.parametrize("how", [{"exported": ("helper",)}, {"held": ("helper",)}])
def test_a_helper_that_a_table_or_the_exports_name_may_be_called_by_anybody(
    how: dict[str, tuple[str, ...]],
) -> None:
    program = Program("dot_k_ZEN", "helper", **how).call("dot_k_ZEN", "helper")
    assert program.followers("helper") == {}


def test_functions_that_only_call_each_other_are_run_by_nobody() -> None:
    program = Program("a", "b", "main").call("a", "b").call("b", "a")
    assert program.followers("a", "b") == {"a": NOBODY, "b": NOBODY}


def legacy_program(*more: str, asks: bool) -> Program:
    """A library for all CPUs with functions of other names in it."""
    plain = tuple(f"plain{number}" for number in range(60))
    program = Program(*plain, *more, exported=(*plain, *more))
    for name in plain:
        program.add(name, LEGACY)
    return program.add("plain0", CPUID) if asks else program


def measured(program: Program) -> IsaFacts:
    found = measure(program.code())
    assert found is not None
    return found


def verdicts(facts: IsaFacts) -> dict[str, Verdict]:
    return {each.name: each.verdict for each in facts.extensions}


def test_an_openblas_of_many_cores_needs_none_of_them() -> None:
    program = legacy_program("dgemm_kernel_HASWELL", "dgemm_kernel_BULLDOZER", "sdot_k_SKYLAKEX", asks=True)
    program.add("dgemm_kernel_HASWELL", AVX2).add("dgemm_kernel_BULLDOZER", FMA4)
    facts = measured(program.add("sdot_k_SKYLAKEX", AVX512))
    assert set(verdicts(facts).values()) == {Verdict.CHOSEN}
    assert {"AVX2", "FMA4", "AVX512F"} <= verdicts(facts).keys()
    assert facts.level == "x86-64"


def test_a_strange_name_in_a_file_that_asks_the_cpu_settles_nothing() -> None:
    facts = measured(legacy_program("helper", asks=True).add("helper", AVX2))
    assert verdicts(facts)["AVX2"] is Verdict.UNCLEAR
    assert facts.level == "x86-64"


def test_who_never_asks_the_cpu_cannot_choose() -> None:
    facts = measured(legacy_program("helper", asks=False).add("helper", AVX2))
    assert verdicts(facts)["AVX2"] is Verdict.ALWAYS


def test_what_most_of_a_file_uses_is_needed_even_if_it_asks() -> None:
    names = tuple(f"f{number}" for number in range(60))
    program = Program(*names, exported=names).add("f0", CPUID)
    for name in names:
        program.add(name, AVX2)
    assert verdicts(measured(program))["AVX2"] is Verdict.ALWAYS


def test_what_no_cpu_has_together_is_not_needed_together() -> None:
    program = legacy_program("one", "two", asks=False).add("one", FMA4).add("two", AVX512)
    facts = measured(program)
    assert {verdicts(facts)["FMA4"], verdicts(facts)["AVX512F"]} == {Verdict.UNCLEAR}
    assert "fma4" not in facts.level
    assert contradiction("EM_X86_64", frozenset({"FMA4", "AVX512_VBMI2", "AVX"})) == {"FMA4", "AVX512_VBMI2"}
    words = cpus("EM_X86_64", frozenset({"AVX", "FMA4", "AVX512_VBMI2"}))
    assert words == "unclear: no CPU has all of AVX512_VBMI2, FMA4"


@pytest.mark.parametrize("march", sorted(x86_names()))
def test_no_cpu_that_is_known_contradicts_itself(march: str) -> None:
    assert contradiction("EM_X86_64", allowed(march) or frozenset()) == frozenset()


def test_assembly_outside_of_every_function_is_not_what_the_compiler_was_told() -> None:
    tally = Tally(instructions=900, outside=900)

    def verdict(modern: int, legacy: int) -> tuple[Verdict, Basis]:
        (found,) = judge(
            {"AVX2": tally},
            modern,
            legacy,
            needs_modern=frozenset({"AVX2"}),
            implied=frozenset({"AVX2"}),
            enough=50,
            witness="AVX",
        )
        return found.verdict, found.basis

    assert verdict(0, 33) == (Verdict.CHOSEN, Basis.INFERRED)
    assert verdict(0, 3)[0] is Verdict.UNCLEAR
    assert verdict(3, 30)[0] is Verdict.UNCLEAR


@pytest.mark.parametrize(
    ("needed", "level", "words"),
    [
        ({"SSE3"}, "x86-64+sse3", "Athlon 64"),  # numpy.show_config() of NumPy 1.26.4 and 2.3.4
        ({"SSE3", "SSSE3"}, "x86-64+sse3+ssse3", "Core 2"),
        ({"SSE3", "POPCNT"}, "x86-64-v2", "Nehalem"),
        ({"AVX", "SSE4.1"}, "x86-64-v2+avx", "Sandy Bridge"),
        ({"AVX", "F16C", "SSE4.1"}, "x86-64-v2+avx+f16c", "Ivy Bridge"),  # tensorflow-cpu 2.21
        ({"AVX", "AVX2", "F16C"}, "x86-64-v3", "Haswell"),
        (set(), "x86-64", "any 64-bit x86 CPU"),
    ],
)
def test_what_came_before_a_level_is_not_called_the_level(needed: set[str], level: str, words: str) -> None:
    assert x86_level(frozenset(needed)) == level
    assert words in cpus("EM_X86_64", frozenset(needed))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # numpy 1.26.4 and 2.3.4, manylinux wheels.
        ("dgemm_kernel_SKYLAKEX", "OpenBLAS"),
        ("ztrsm_iunncopy_BULLDOZER", "OpenBLAS"),
        ("cgemv_n_NEOVERSEN1", "OpenBLAS"),
        ("FLOAT_exp_AVX512_SKX", "NumPy"),
        ("DOUBLE_less_X86_V3", "NumPy"),
        ("simd__intrin_add_f32", "NumPy"),
        ("simd_binary_less_f64", "NumPy"),
        ("HALF_add_ASIMDHP", "NumPy"),
        ("__svml_atan2f16", "SVML"),
        ("_Z12qsort_16bit_I10zmm_vectorIsEsEvPT0_lll", "x86-simd-sort"),
        ("_Z10sort_n_vecI11avx2_vectorIdE10ComparatorIS1_Lb0EELi16EDv4_dEvPNT_6type_tEi", "x86-simd-sort"),
        ("_Z12avx512_qsortIdEvPT_l", "x86-simd-sort"),
        # opencv-python-headless 4.10.0.84: libcrypto, libvpx, libgfortran.
        ("__ocb_encrypt6", "OpenSSL"),
        ("OPENSSL_ia32_rdseed_bytes", "OpenSSL"),
        ("sha256_multi_block", "OpenSSL"),
        ("x25519_fe64_mul", "OpenSSL"),
        ("vpx_highbd_idct4x4_16_add_sse4_1", "by suffix"),
        ("matmul_r8_avx128_fma4", "by suffix"),
        ("jsimd_idct_islow_avx2", "by suffix"),
        ("ff_hscale8to15_X8_ssse3", "by suffix"),
        ("adler32_avx512_vnni", "by suffix"),
        # onnxruntime, core/mlas.
        ("MlasGemmFloatKernelAvx512F", "MLAS"),
        ("_Z22MlasGemmU8X8KernelAmxv", "MLAS"),
        ("MlasComputeExpF32Kernel", None),
        # A static program of Debian unstable for arm64: libgcc 16, glibc 2.42.
        ("__libgcc_arm_tpidr2_save", "libgcc"),
        ("uw_update_context_1", "libgcc"),
        ("_Unwind_GetGR", "libgcc"),
        ("__libc_arm_za_disable", "glibc"),
        ("__memcpy_a64fx", "glibc"),
        ("_Unwind_RaiseException", None),
        # No run-time choice, though they look a little like it.
        ("read_zen", None),
        ("sort_vector", None),
        ("TfLiteXNNPackDelegateCreate", None),
        ("_ZN6tflite3ops7builtin8Register_ADDEv", None),
        ("simd_init", None),
    ],
)
def test_names_of_libraries_that_choose(name: str, expected: str | None) -> None:
    assert family(name) == expected
