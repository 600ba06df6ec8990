"""The table of CPUs: what it said when it was several tables in code, and what is told of a mistake in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfbuild.base.errors import ConfigError
from tfbuild.base.project import PROJECT
from tfbuild.config.cpus import CPUS, load_cpus

TABLE = load_cpus(PROJECT)
V2 = {"SSE3", "SSSE3", "SSE4.1", "SSE4.2", "POPCNT", "CMPXCHG16B"}
V3 = V2 | {"AVX", "AVX2", "BMI1", "BMI2", "F16C", "FMA", "LZCNT", "MOVBE"}
V4 = V3 | {"AVX512F", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512VL"}
V81 = {"LSE", "CRC32", "RDM"}
V84 = V81 | {"RCPC", "FCMA", "JSCVT", "PAuth", "dotprod", "RCPC2"}


@pytest.mark.parametrize(
    ("march", "extensions"),
    [
        ("x86-64", set()),
        ("x86-64-v2", V2),
        ("x86-64-v3", V3),
        ("x86-64-v4", V4),
        ("core2", {"SSE3", "SSSE3", "CMPXCHG16B"}),
        ("ivybridge", V2 | {"AES", "PCLMULQDQ", "AVX", "F16C", "RDRAND"}),
        ("core-avx2", V3 | {"AES", "PCLMULQDQ", "RDRAND"}),
        ("skylake-avx512", V4 | {"AES", "PCLMULQDQ", "RDRAND", "ADX", "RDSEED"}),
    ],
)
def test_a_name_of_x86_64_allows_what_its_rows_say(march: str, extensions: set[str]) -> None:
    assert TABLE.x86_64[march] == extensions


@pytest.mark.parametrize(
    ("march", "extensions"),
    [
        ("armv8-a", set()),
        ("armv8.2-a", V81),
        ("armv8.5-a", V84),
        ("armv8.6-a", V84 | {"i8mm", "bf16"}),
        ("armv9-a", V84 | {"SVE", "fp16", "fp16fml"}),
    ],
)
def test_a_name_of_arm64_allows_what_its_rows_say(march: str, extensions: set[str]) -> None:
    assert TABLE.arm64[march] == extensions


FLAGS_V2 = "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
FLAGS_V3 = f"{FLAGS_V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
FLAGS_V4 = f"{FLAGS_V3} avx512f avx512bw avx512cd avx512dq avx512vl"


@pytest.mark.parametrize(
    ("flags", "level"),
    [
        ("sse2", 1),
        (FLAGS_V2, 2),
        (FLAGS_V3, 3),
        (FLAGS_V4, 4),
        (FLAGS_V3.replace("movbe ", ""), 2),
        (f"{FLAGS_V2} avx512f", 2),
    ],
)
def test_cpu_level_needs_every_feature_of_it_and_of_those_below(flags: str, level: int) -> None:
    assert TABLE.x86_64_level(frozenset(flags.split())) == level


def test_the_same_level_is_said_to_the_kernel_and_to_an_old_compiler() -> None:
    assert " ".join(sorted(TABLE.x86_64_features(3))) == " ".join(sorted(FLAGS_V3.split()))
    assert " ".join(TABLE.spelled_out("x86-64-v3") or ()) == (
        "-march=x86-64 -mcx16 -mpopcnt -msahf -msse3 -mssse3 -msse4.1 -msse4.2 "
        "-mavx -mavx2 -mbmi -mbmi2 -mf16c -mfma -mlzcnt -mmovbe -mxsave"
    )
    assert TABLE.spelled_out("haswell") is TABLE.spelled_out("x86-64") is None


def broken(tmp_path: Path, old: str, new: str) -> list[str]:
    text = (PROJECT / CPUS).read_text(encoding="utf-8")
    assert text.count(old) == 1
    file = tmp_path / CPUS
    file.parent.mkdir(parents=True)
    file.write_text(text.replace(old, new), encoding="utf-8")
    line = 1 + text[: text.index(old)].count("\n")
    with pytest.raises(ConfigError) as caught:
        load_cpus(tmp_path)
    prefix = f"{CPUS}:{line}:"
    assert all(str(each).startswith(prefix) for each in caught.value.problems)
    return [each.message for each in caught.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("core-avx2: { like: [haswell] }", "core-avx2: { like: [haswel] }", "did you mean 'haswell'?"),
        ("nehalem: { like: [x86-64-v2] }", "nehalem: { like: [corei7] }", "no level or CPU 'corei7' above"),
        ("armv8.2-a: { like: [armv8.1-a] }", "armv8.2-a: { lik: [armv8.1-a] }", "did you mean 'like'?"),
        ("skylake: { like: [broadwell] }", "skylake: { like: broadwell }", "expected a list"),
        ("znver1: { like: [broadwell], adds: [SHA, SSE4A] }", "znver1: { adds: SHA }", "expected a list"),
        ("  LZCNT: abm", "  LZCNT: ABM", "does not match"),
    ],
)
def test_a_mistake_in_the_table_is_told_with_its_place(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    (found,) = broken(tmp_path, old, new)
    assert message in found
