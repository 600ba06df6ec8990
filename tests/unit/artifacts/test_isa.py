"""Instruction sets: measured rightly, told apart into always and chosen at run time, compared with -march."""

from __future__ import annotations

import re
import struct
from itertools import pairwise
from pathlib import Path

import pytest
from capstone import CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, Cs
from hypothesis import given, settings
from hypothesis import strategies as st

from tfbuild.artifacts.elf.code import read_code
from tfbuild.artifacts.examine import Beside, examine, examine_file
from tfbuild.artifacts.isa.arm64 import classify
from tfbuild.artifacts.isa.facts import Basis, IsaFacts, Tally, Verdict, judge
from tfbuild.artifacts.isa.march import (
    allowed,
    arm64_level,
    cpus,
    emulated_cpu,
    witnesses,
    x86_level,
)
from tfbuild.artifacts.isa.measure import measure
from tfbuild.artifacts.isa.names import family
from tfbuild.base.arch import Arch
from tfbuild.base.project import PROJECT
from tfbuild.base.values import Finding
from tfbuild.config.cpus import load_cpus
from tfbuild.verify.checks.elf import check_elf
from tfbuild.verify.policy import Context, Policy

CPUS = load_cpus(PROJECT)
DATA = PROJECT / "tests" / "data" / "elf"
ARCHES = ("x86_64", "aarch64")
# For each machine: the extension of the kernels, and a -march without and with what ordinary code shows.
KERNEL = {"x86_64": "AVX2", "aarch64": "dotprod"}
OLD = {"x86_64": "x86-64-v2", "aarch64": "armv8-a"}
NEW = {"x86_64": "x86-64-v3", "aarch64": "armv8.1-a"}
ROLES = Policy.model_validate({"description": "test", "roles": {"c": {"files": ["isa-*.so"]}}})


def isa(arch: str, name: str) -> IsaFacts:
    path = DATA / arch / f"isa-{name}.so"
    found = measure(read_code(path.read_bytes(), path.name))
    assert found is not None
    return found


def verdict(facts: IsaFacts, name: str) -> tuple[Verdict, Basis] | None:
    extension = facts.extension(name)
    return (extension.verdict, extension.basis) if extension else None


@pytest.mark.parametrize("arch", ARCHES)
def test_a_build_for_any_cpu_needs_nothing(arch: str) -> None:
    facts = isa(arch, "old")
    assert facts.extensions == ()
    assert facts.level == {"x86_64": "x86-64", "aarch64": "armv8-a"}[arch]
    assert facts.named == facts.functions > 50
    assert (facts.modern, facts.legacy > 50) == (0, True)


@pytest.mark.parametrize("arch", ARCHES)
def test_a_build_for_newer_cpus_needs_them(arch: str) -> None:
    facts = isa(arch, "new")
    assert facts.level == NEW[arch]
    assert facts.legacy == 0
    for name in {"x86_64": ("AVX2", "FMA"), "aarch64": ("LSE",)}[arch]:
        assert verdict(facts, name) == (Verdict.ALWAYS, Basis.NAMES)


@pytest.mark.parametrize("arch", ARCHES)
def test_a_kernel_that_is_chosen_at_run_time_is_needed_by_nobody(arch: str) -> None:
    facts = isa(arch, "dispatch")
    assert verdict(facts, KERNEL[arch]) == (Verdict.CHOSEN, Basis.NAMES)
    extension = facts.extension(KERNEL[arch])
    assert extension is not None
    assert extension.families == ("XNNPACK",)
    assert facts.level == isa(arch, "old").level


@pytest.mark.parametrize("arch", ARCHES)
def test_the_same_instructions_in_an_ordinary_function_are_needed(arch: str) -> None:
    facts = isa(arch, "stray")
    assert verdict(facts, KERNEL[arch]) == (Verdict.ALWAYS, Basis.NAMES)
    extension = facts.extension(KERNEL[arch])
    assert extension is not None
    assert extension.examples == ("helper",)


@pytest.mark.parametrize("arch", ARCHES)
def test_without_names_the_whole_file_tells(arch: str) -> None:
    old, new = isa(arch, "nameless-old"), isa(arch, "nameless-new")
    assert old.named == new.named == 0
    assert old.functions > 50
    assert verdict(old, KERNEL[arch]) == (Verdict.CHOSEN, Basis.INFERRED)
    assert old.level == isa(arch, "old").level
    for name in {"x86_64": ("AVX", "FMA"), "aarch64": ("LSE",)}[arch]:
        assert verdict(new, name) == (Verdict.ALWAYS, Basis.INFERRED)


@pytest.mark.parametrize("arch", ARCHES)
def test_the_file_before_it_was_stripped_gives_the_names(arch: str, tmp_path: Path) -> None:
    """As a build has them: the stripped library, and the same one with its symbol table in another folder."""
    beside = Beside.of(tmp_path, DATA / arch / "symbols")
    facts = examine_file(DATA / arch / "isa-nameless-old.so", beside).isa
    assert facts is not None
    assert facts.named == facts.functions > 50
    assert verdict(facts, KERNEL[arch]) == (Verdict.CHOSEN, Basis.NAMES)


def test_a_library_without_section_headers_is_measured_too() -> None:
    data = bytearray((DATA / "x86_64" / "isa-nameless-new.so").read_bytes())
    data[0x28:0x30] = bytes(8)
    data[0x3C:0x40] = bytes(4)
    facts = measure(read_code(bytes(data), "bare"))
    assert facts is not None
    assert facts.level == "x86-64-v3"


# -- the verdict -----------------------------------------------------------------------------------


def one(tally: Tally, modern: int, legacy: int, name: str = "AVX2") -> tuple[Verdict, Basis]:
    """The verdict for one extension of x86-64."""
    needs = frozenset({"AVX", "AVX2"})
    (found,) = judge(
        {name: tally},
        modern,
        legacy,
        needs_modern=needs,
        implied=needs | {"SSE4.1"},
        enough=50,
        witness="AVX",
        handwritten=frozenset({"AES"}),
    )
    return found.verdict, found.basis


@pytest.mark.parametrize(
    ("unnamed", "modern", "legacy", "expected"),
    [
        (632, 2000, 55, Verdict.ALWAYS),  # a build for x86-64-v3, with parts of a distribution in it
        (8, 2000, 55, Verdict.CHOSEN),  # the same build: a handful of functions for more than v3
        (14, 2000, 55, Verdict.UNCLEAR),
        (174, 500, 3400, Verdict.CHOSEN),  # a build for all CPUs with many kernels
        (10, 20, 20, Verdict.UNCLEAR),  # too small to tell
    ],
)
def test_functions_without_names(unnamed: int, modern: int, legacy: int, expected: Verdict) -> None:
    assert one(Tally(instructions=9, unnamed=unnamed), modern, legacy) == (expected, Basis.INFERRED)


def test_legacy_code_says_nothing_about_extensions_that_it_may_have_itself() -> None:
    assert one(Tally(instructions=9, unnamed=600), 500, 3400, "SSE4.1")[0] is Verdict.UNCLEAR
    assert one(Tally(instructions=9, unnamed=2), 500, 3400, "AES")[0] is Verdict.CHOSEN


def test_one_ordinary_function_outweighs_all_that_is_chosen() -> None:
    tally = Tally(instructions=9, ordinary=("helper",), chosen=("xnn_a_ukernel__avx2",), unnamed=5)
    assert one(tally, 1, 4000) == (Verdict.ALWAYS, Basis.NAMES)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("xnn_qs8_gemm_minmax_ukernel_2x8c8__avx2", "XNNPACK"),
        ("_ZN3ruy15KernelFloatAvx2ERKNS_17KernelParamsFloatILi8ELi8EEE", "ruy"),
        ("_ZN3ynn22sum_int8_int32_neondotEmmmmmmmPKvmPv", "YNNPACK"),
        ("_ZN3ynn12_GLOBAL__N_17sme_dotIDhfEEvmmmmmmmmPKvmmmS3_mS3_mPv", "YNNPACK"),
        (
            "_ZN11arm_compute10LUTManager13get_lut_tableISt5arrayIDhLm65536EEEESt10shared_ptrIT_ENS_7LUTInfoE",
            "Compute Library",
        ),
        ("_ZN8arm_gemm12_GLOBAL__N_132sve_transpose_interleave_3VL_1x4EPhPKhmmm", "Compute Library"),
        ("_ZZN3ruy17Kernel8bitAvxImplILNS_4PathE16EEEvRKNS_16KernelParams8bitILi8ELi8EEEENKUlvE_clEv", "ruy"),
        ("kai_run_matmul_clamp_f32_qai8dxp1x8_qsi4cxp8x8_1x8x32_neon_dotprod", "KleidiAI"),
        ("__memmove_avx_unaligned_erms", "glibc"),
        ("__aarch64_ldadd4_acq_rel", "libgcc"),
        ("aesni_gcm_encrypt", "BoringSSL"),
        ("HUF_decompress1X1_usingDTable_internal_bmi2", "by suffix"),
        ("_ZN4absl12lts_2023080212crc_internal6CRC32C7InitAllEv", "absl crc"),
        ("_ZN6tflite12tensor_utils18NeonApplyLayerNormEPKsS2_PKiiiiiiPs", None),
        ("_ZN6tflite11Interpreter6InvokeEv", None),
        ("TfLiteInterpreterInvoke", None),
        ("xnn_create_runtime_v4", None),
        ("memcpy", None),
        ("main", None),
    ],
)
def test_names_tell_who_chooses(name: str, expected: str | None) -> None:
    assert family(name) == expected


# -- arm64, against another decoder ----------------------------------------------------------------

# What an extension's instructions are called, and what their operands look like where the name is not enough.
MNEMONICS = (
    ("LSE", r"(ld|st)(add|clr|eor|set|smax|smin|umax|umin)a?l?[bh]?|swpa?l?[bh]?|casp?a?l?[bh]?", ""),
    ("RCPC", r"ldapr[bh]?", ""),
    ("RCPC2", r"ldapurs?[bhw]?|stlur[bh]?", ""),
    ("CRC32", r"crc32c?[bhwx]", ""),
    ("RDM", r"sqrdml[as]h", ""),
    ("dotprod", r"[su]dot", ""),
    ("i8mm", r"(s|u|us)mmla|usdot|sudot", ""),
    ("bf16", r"bf(dot|mmla|mlal[bt]|cvtn?2?)", ""),
    ("FCMA", r"fcmla|fcadd", ""),
    ("fp16fml", r"fml[as]l2?", ""),
    ("JSCVT", "fjcvtzs", ""),
    ("SHA", r"sha(1|256)\w+", ""),
    ("AES", r"aes\w+", ""),
    ("PMULL", r"pmull2?", r"\.1q"),
    ("PAuth", "reta[ab]", ""),
    ("fp16", r"(?!fcvt(n2?|l2?|xn2?)?$|fml[as]l|fjcvt|fcmla|fcadd)(f\w+|scvtf|ucvtf)", r"\bh\d+|\.[48]h"),
)
SVE_COUNTS = r"([su]q)?(inc|dec)[bhwdp]|cnt[bhwd]|addvl|addpl|rdvl"


def capstone_says(word: int) -> set[str] | None:
    """Extensions of one word; None where capstone does not know the instruction."""
    decoder = Cs(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN)
    found = next(decoder.disasm_lite(struct.pack("<I", word), 0), None)
    if found is None:
        return None
    _, _, mnemonic, operands = found
    if re.search(r"\b(za|zt0)", operands):
        return {"SME"}
    if re.search(r"\b[zp]\d+\b", operands) or re.fullmatch(SVE_COUNTS, mnemonic):
        return {"SVE"}
    return {n for n, name, text in MNEMONICS if re.fullmatch(name, mnemonic) and re.search(text, operands)}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        (0xB8200000, "LSE"),  # ldadd w0, w0, [x0]
        (0xB8208020, "LSE"),  # swp w0, w0, [x1]
        (0x88A07C41, "LSE"),  # cas w0, w1, [x2]
        (0xB8BFC020, "RCPC"),  # ldapr w0, [x1]
        (0x1AC14000, "CRC32"),  # crc32b w0, w0, w1
        (0x4E829420, "dotprod"),  # sdot v0.4s, v1.16b, v2.16b
        (0x6F82E020, "dotprod"),  # udot v0.4s, v1.16b, v2.4b[0]
        (0x4E82A420, "i8mm"),  # smmla v0.4s, v1.16b, v2.16b
        (0x6E42EC20, "bf16"),  # bfmmla v0.4s, v1.8h, v2.8h
        (0x1EE22820, "fp16"),  # fadd h0, h1, h2
        (0x4E421420, "fp16"),  # fadd v0.8h, v1.8h, v2.8h
        (0x04A00000, "SVE"),
        (0x1E222820, None),  # fadd s0, s1, s2
        (0x1EE24020, None),  # fcvt s0, h1: every arm64 CPU
        (0x4EA28420, None),  # add v0.4s, v1.4s, v2.4s
        (0xF9400000, None),  # ldr x0, [x0]
        (0xD503233F, None),  # paciasp: a NOP where it is unknown
    ],
)
def test_words_of_known_instructions(word: int, expected: str | None) -> None:
    assert classify([word]).get(word) == (frozenset({expected}) if expected else None)


def test_exclusive_loads_are_the_older_encoding() -> None:
    ldaxr, stlxr = 0x885FFC20, 0x8800FC20
    assert classify([ldaxr, stlxr]) == {ldaxr: frozenset(), stlxr: frozenset()}


VECTOR = (0x08000000, 0x0E000000, 0x18000000, 0x1E000000)  # where most of the extensions are


def vector_word(word: int, group: int) -> int:
    return word & 0xE1FFFFFF | group


@settings(max_examples=3000, deadline=None)
@given(
    st.integers(0, 0xFFFFFFFF) | st.builds(vector_word, st.integers(0, 0xFFFFFFFF), st.sampled_from(VECTOR))
)
def test_random_words_are_classified_as_capstone_does(word: int) -> None:
    expected = capstone_says(word)
    if expected is not None:  # else a reserved encoding, which no compiler writes
        assert set(classify([word]).get(word, ())) == expected


# -- -march ----------------------------------------------------------------------------------------


def found_for(arch: str, name: str, march: str | None, policy: Policy = ROLES) -> tuple[Finding, ...]:
    facts = examine_file(DATA / arch / f"isa-{name}.so")
    every = policy.weigh(check_elf(facts, policy, "c" if policy.roles else None, Context(march=march)))
    return tuple(f for f in every if f.id.startswith("isa-"))


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize(
    ("name", "march", "expected"),
    [
        ("old", OLD, None),
        ("new", NEW, None),
        ("dispatch", OLD, None),
        ("nameless-old", OLD, None),
        ("stray", OLD, ("isa-exceeded", "error")),
        ("new", OLD, ("isa-exceeded", "error")),
        ("nameless-new", OLD, ("isa-exceeded", "error")),
        ("old", NEW, ("isa-not-arrived", "warning")),
        ("dispatch", NEW, ("isa-not-arrived", "warning")),
    ],
)
def test_march_is_checked_both_ways(
    arch: str, name: str, march: dict[str, str], expected: tuple[str, str] | None
) -> None:
    if (arch, name) == ("x86_64", "old") and march is OLD:
        march = {"x86_64": "x86-64"}  # 56 multiplications show nothing of SSE4
    if arch == "x86_64" and name in {"dispatch", "nameless-old"} and march is OLD:
        march = {"x86_64": "x86-64"}
    found = [(f.id, f.severity) for f in found_for(arch, name, march[arch])]
    assert ([expected] if expected else []) == [each for each in found if each[0] != "isa-unclear"]


def test_the_finding_names_the_function() -> None:
    (finding,) = found_for("x86_64", "stray", "x86-64-v2")[:1]
    assert "executes AVX, AVX2 without asking the CPU" in finding.message
    assert any("helper" in line for line in finding.evidence)
    assert "-march=x86-64-v2" in str(finding.fix)


def test_a_policy_has_a_ceiling_of_its_own() -> None:
    policy = Policy.model_validate({"description": "test", "elf": {"max_march": {"amd64": "x86-64-v2"}}})
    assert [f.id for f in found_for("x86_64", "new", None, policy)] == ["isa-exceeded"]
    assert found_for("aarch64", "new", None, policy) == ()
    with pytest.raises(ValueError, match=r"not known here; did you mean 'x86-64-v2'|not known here"):
        Policy.model_validate({"description": "test", "elf": {"max_march": {"amd64": "x86-64-v22"}}})


def test_what_native_means_is_not_known_here() -> None:
    assert allowed("native") is None
    assert witnesses("native") == frozenset()


@pytest.mark.parametrize(
    ("march", "qemu", "cpu"),
    [
        ("armv8-a", "5.2", "cortex-a72"),
        ("armv8-a+crc", "10.0", "cortex-a72"),
        ("armv8.2-a+fp16+dotprod+rcpc", "10.0", "neoverse-n1"),
        ("armv8.2-a+fp16+dotprod+rcpc", "5.2", ""),  # that QEMU does not have it
        ("armv8.6-a", "10.0", "neoverse-n2"),
        ("armv8.6-a", "7.2", ""),
        ("armv7-a+neon", "10.0", "cortex-a8"),
        ("armv7-a+neon-vfpv4", "7.2", "cortex-a7"),
        ("rv64gc", "7.2", "sifive-u54"),
        ("rv64gcv", "7.2", ""),
        ("rv64gcv", "10.0", "rv64,v=true"),
        ("armv7-a", "10.0", ""),
        ("x86-64-v3", "10.0", ""),
        ("native", "10.0", ""),
        (None, "10.0", ""),
        ("armv8-a", None, ""),
    ],
)
def test_the_emulated_cpu_has_what_was_promised_and_hardly_more(
    march: str | None, qemu: str | None, cpu: str
) -> None:
    assert emulated_cpu(march, qemu) == cpu


def test_a_stronger_emulated_cpu_comes_later() -> None:
    assert all(weaker <= stronger for weaker, stronger in pairwise(CPUS.emulated.values()))
    assert found_for("x86_64", "new", "native") == ()


def test_the_levels_contain_each_other() -> None:
    for lower, higher in (("x86-64", "x86-64-v2"), ("x86-64-v2", "x86-64-v3"), ("x86-64-v3", "x86-64-v4")):
        assert CPUS.x86_64[lower] < CPUS.x86_64[higher]
    assert CPUS.x86_64["haswell"] >= CPUS.x86_64["x86-64-v3"]
    assert CPUS.x86_64["znver4"] >= CPUS.x86_64["x86-64-v4"] <= CPUS.x86_64["skylake-avx512"]
    neoverse_n1 = allowed("armv8.2-a+fp16+dotprod+rcpc")
    assert neoverse_n1 == frozenset({"LSE", "CRC32", "RDM", "fp16", "dotprod", "RCPC"})
    assert allowed("armv8-a+nonsense") is None


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (DATA.parents[2] / "build_configs").glob("*.yaml"))
)
def test_every_march_of_the_shipped_configs_is_known(name: str) -> None:
    text = (DATA.parents[2] / "build_configs" / f"{name}.yaml").read_text()
    marches = [
        line.split("march:")[1].strip() for line in text.splitlines() if line.strip().startswith("march:")
    ]
    assert all(
        march == "native" or allowed(march) is not None or emulated_cpu(march, "10.0") for march in marches
    )


def test_levels_in_words() -> None:
    assert x86_level(frozenset()) == "x86-64"
    assert x86_level(frozenset({"POPCNT"})) == "x86-64-v2"
    assert x86_level(frozenset({"AVX", "POPCNT"})) == "x86-64-v2+avx"
    assert x86_level(frozenset({"AVX2", "ADX"})) == "x86-64-v3+adx"
    assert arm64_level(frozenset({"LSE", "dotprod"})) == "armv8.1-a+dotprod"
    assert "Haswell" in cpus("EM_X86_64", frozenset({"AVX2"}))
    assert "Sandy Bridge" in cpus("EM_X86_64", frozenset({"AVX"}))
    assert cpus("EM_X86_64", frozenset()) == "any 64-bit x86 CPU"
    assert "Raspberry Pi 3" in cpus("EM_AARCH64", frozenset())
    assert "Raspberry Pi 5" in cpus("EM_AARCH64", frozenset({"LSE"}))
    levels = (*CPUS.x86_64_levels, *CPUS.arm64_levels)
    assert len({level.name for level in levels}) == len(levels)


def test_a_machine_that_is_not_decoded_has_no_instruction_set_facts() -> None:
    data = bytearray((DATA / "x86_64" / "isa-old.so").read_bytes())
    data[0x12:0x14] = (243).to_bytes(2, "little")  # e_machine: EM_RISCV
    facts = examine(bytes(data), "riscv.so")
    assert facts.isa is None
    assert Arch.RISCV64.platform.elf_machine == facts.machine
