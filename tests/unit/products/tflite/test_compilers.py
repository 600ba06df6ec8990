"""``compile.compiler`` and ``tflite.xnnpack_compiler``: what clang compiles, and where it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.table import plan_of

CLANG = "tflite.xnnpack_compiler=clang"
GCC = "tflite.xnnpack_compiler=gcc"


def plan(*sets: str, release: str = "2.16.1", arch: str = "amd64") -> Plan[Any]:
    words = Words(release=release, arch=arch, sets=sets)
    return plan_of(PROJECT, "tflite", words, env={}, build_arch=Arch.AMD64)


def keys(made: Plan[Any]) -> dict[str, str]:
    return {step.id: step.key for step in made.steps}


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
@pytest.mark.parametrize("release", ["2.14.1", "2.16.1", "2.2.0-litert"])
def test_the_builder_gets_clang_and_cmake_its_name(release: str, arch: str) -> None:
    made, gcc = plan(CLANG, release=release, arch=arch), plan(GCC, release=release, arch=arch)
    (flag,) = (each for each in made.flags if each.text.startswith("TFBUILD_XNNPACK_COMPILER="))
    assert flag.text.endswith("=clang-19")
    assert flag.origin == f"--set {CLANG}"
    assert set(made.part.build_packages) - set(gcc.part.build_packages) == {"clang-19"}
    # Another compiler is another builder, and another result; sources are the same.
    assert keys(made)["fetch"] == keys(gcc)["fetch"]
    assert keys(made)["builder"] != keys(gcc)["builder"]
    assert keys(made)["compile"] != keys(gcc)["compile"]
    assert made.build_id != plan(release=release, arch=arch).build_id


def test_with_gcc_there_is_no_clang() -> None:
    made = plan(GCC)
    assert "TFBUILD_XNNPACK_COMPILER" not in dict(made.part.cmake_cache)
    assert made.part.build_packages == ()


def test_without_xnnpack_nobody_speaks_of_its_compiler() -> None:
    made = plan("tflite.xnnpack=false", release="2.2.0-litert")
    assert not any("clang" in note for note in made.notes)


def test_a_release_has_the_compiler_that_was_measured_as_the_faster_one() -> None:
    (flag,) = (each for each in plan(release="2.2.0-litert").flags if "XNNPACK_COMPILER" in each.text)
    assert flag.text.endswith("=clang-19")
    assert flag.origin.startswith("build_configs/releases/tflite/2.2.0-litert.yaml:")
    for made in (plan(release="2.2.0-litert", arch="arm64"), plan(GCC, release="2.2.0-litert"), plan()):
        assert "clang-19" not in made.part.build_packages
        assert not any("clang" in note for note in made.notes)


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("debian.suite=bookworm", "nobody has tried that of bookworm"),
    ],
)
def test_where_the_releases_own_clang_cannot_be_gcc_compiles_and_the_plan_says_why(
    setting: str, why: str
) -> None:
    made = plan(setting, release="2.2.0-litert")
    assert "clang-19" not in made.part.build_packages
    assert any("GCC compiles XNNPACK" in note and why in note for note in made.notes)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (
            {"release": "2.14.1-debian"},
            "2.14.1-debian has Debian's, compiled already; 2.16.1 and LiteRT compile their own",
        ),
        ({"arch": "armhf"}, "nobody has tried it for armhf"),
        ({"sets": ("debian.suite=bookworm",)}, "nobody has tried that of bookworm"),
        ({"sets": ("tflite.xnnpack=false",)}, "it is not built (tflite.xnnpack: false)"),
        ({"sets": ("compile.cflags=[-fipa-pta]",)}, "clang 19 knows no option -fipa-pta"),
        ({"sets": ("compile.march=lujiazui",)}, "clang 19 knows no -march=lujiazui for amd64"),
    ],
)
def test_where_it_cannot_be_it_is_refused_with_the_reason(words: dict[str, Any], why: str) -> None:
    sets = words.pop("sets", ())
    with pytest.raises(ConfigError) as caught:
        plan(CLANG, *sets, **words)
    assert f"--set {CLANG}: no clang for XNNPACK: {why}" in "\n".join(caught.value.details)


ALL = "compile.compiler=clang"


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
@pytest.mark.parametrize("release", ["2.14.1-debian", "2.16.1", "2.2.0-litert"])
def test_clang_compiles_all_of_it_xnnpack_too(release: str, arch: str) -> None:
    made = plan(ALL, release=release, arch=arch)
    named = [each for each in made.flags if "_COMPILER=" in each.text]
    assert [(each.text, each.origin) for each in named] == [("TFBUILD_COMPILER=clang-19", f"--set {ALL}")]
    assert "clang-19" in made.part.build_packages
    gcc = plan("compile.compiler=gcc", GCC, release=release, arch=arch)
    assert "clang-19" not in gcc.part.build_packages
    assert keys(made)["builder"] != keys(gcc)["builder"]
    assert keys(made)["compile"] != keys(gcc)["compile"]


def test_link_time_optimisation_leaves_out_what_clang_compiles() -> None:
    made = dict(plan("compile.lto=true", release="2.2.0-litert").part.cmake_cache)
    assert made["TFBUILD_XNNPACK_COMPILER"] == "clang-19"
    assert made["CMAKE_INTERPROCEDURAL_OPTIMIZATION"] == "ON"


@pytest.mark.parametrize("lto", [True, False])
def test_link_time_optimisation_by_clang_has_a_linker_that_knows_it(lto: bool) -> None:
    made = plan(ALL, f"compile.lto={str(lto).lower()}")
    assert ({"lld-19", "llvm-19"} <= set(made.part.build_packages)) == lto


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"arch": "armhf"}, "no clang for TFLite: nobody has tried it for armhf; it is for amd64, arm64"),
        ({"sets": ("debian.suite=bookworm",)}, "no clang for TFLite: nobody has tried that of bookworm"),
        ({"sets": (GCC,)}, "clang compiles the rest (compile.compiler), and so XNNPACK too"),
        ({"sets": ("compile.cxxflags=[-fipa-pta]",)}, "clang 19 knows no option -fipa-pta"),
        ({"sets": ("compile.march=lujiazui",)}, "clang 19 knows no -march=lujiazui for amd64"),
    ],
)
def test_where_clang_cannot_compile_all_of_it_is_refused_with_the_reason(
    words: dict[str, Any], why: str
) -> None:
    sets = words.pop("sets", ())
    with pytest.raises(ConfigError) as caught:
        plan(ALL, *sets, **words)
    assert why in "\n".join(caught.value.details)


def test_several_things_against_clang_are_said_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        plan(ALL, GCC, arch="armhf")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize("release", ["2.16.1", "2.16.1-wheel"])
def test_a_model_server_has_the_compiler_of_its_release_and_says_so(release: str) -> None:
    plain, asked = (
        plan_of(PROJECT, "serving", Words(release=release, sets=sets), env={}, build_arch=Arch.AMD64)
        for sets in ((), (ALL,))
    )
    assert any(note.startswith("compile.compiler changes nothing: the compiler is") for note in asked.notes)
    assert asked.build_id == plain.build_id


def test_the_fastest_config_compiles_with_what_was_measured_as_the_faster_one() -> None:
    words = Words(release="2.2.0-litert", config="fastest")
    made = plan_of(PROJECT, "tflite", words, env={}, build_arch=Arch.AMD64)
    (flag,) = (each for each in made.flags if each.text.startswith("TFBUILD_COMPILER="))
    assert flag.origin.startswith("build_configs/fastest.yaml:")
