"""Flags: each value of a configuration reaches the right tool, with the line that caused it."""

from __future__ import annotations

import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plans import DEBIAN_RELEASE, PROJECT, make_plan
from tests.support.products import Product, load_release
from tfbuild.base.arch import Arch
from tfbuild.base.values import Origin
from tfbuild.plan.flags import Flag, Target, compile_flags
from tfbuild.products.table import load_config
from tfbuild.products.tflite.cmake.flags import cmake_cache, cmake_presets, tflite_cmake_flags
from tfbuild.releases.keys import Release


@pytest.fixture
def release() -> Release:
    found: Release = load_release(PROJECT, Product.TFLITE, DEBIAN_RELEASE)
    return found


def flags_of(*sets: str, config: str = "opt", arch: Arch = Arch.AMD64) -> dict[str, Flag]:
    return {flag.text: flag for flag in make_plan(DEBIAN_RELEASE, config, arch, *sets).flags}


@pytest.mark.parametrize(
    ("setting", "text", "target"),
    [
        ("compile.march=haswell", "-march=haswell", Target.COMPILE),
        ("compile.mtune=znver4", "-mtune=znver4", Target.COMPILE),
        ("compile.debug_info=separate", "-g", Target.COMPILE),
        ("compile.optimisation=z", "-Oz", Target.OPTIMISE),
        ("compile.defines.A=1", "-DA=1", Target.COMPILE),
        ("compile.cflags=[-fno-common]", "-fno-common", Target.C),
        ("compile.cxxflags=[-fno-rtti]", "-fno-rtti", Target.CXX),
        ("compile.ldflags=['-Wl,--as-needed']", "-Wl,--as-needed", Target.LINK),
        ("compile.lto=true", "CMAKE_INTERPROCEDURAL_OPTIMIZATION=ON", Target.CMAKE),
        ("tflite.xnnpack=false", "TFLITE_ENABLE_XNNPACK=OFF", Target.CMAKE),
        ("tflite.gpu_delegate=true", "TFLITE_ENABLE_GPU=ON", Target.CMAKE),
        ("tflite.ruy=false", "TFLITE_ENABLE_RUY=OFF", Target.CMAKE),
        ("tflite.cmake_definitions.SOME_THING=x", "SOME_THING=x", Target.CMAKE),
    ],
)
def test_a_setting_becomes_a_flag_that_names_it(setting: str, text: str, target: Target) -> None:
    assert text not in flags_of()
    flag = flags_of(setting)[text]
    assert (flag.target, flag.origin) == (target, f"--set {setting}")


def test_a_flag_names_the_line_of_the_file_that_caused_it() -> None:
    flags = flags_of(config="cortex-a72", arch=Arch.ARM64)
    for text in ("-march=armv8-a+crc", "-mtune=cortex-a72"):
        path, line = flags[text].origin.split(":")
        assert text.partition("=")[2] in (PROJECT / path).read_text().splitlines()[int(line) - 1]


def test_what_a_release_needs_names_its_line_and_reason(release: Release) -> None:
    flags = flags_of()
    for macro in release.compile_defines:
        flag = flags[f"-D{macro.name}"]
        path, line = flag.origin.split(":")
        assert macro.name in (PROJECT / path).read_text().splitlines()[int(line) - 1]
        assert flag.reason == macro.reason


def test_only_an_optimised_build_drops_assertions() -> None:
    assert "-DNDEBUG" in flags_of("compile.optimisation=s")
    assert "-DNDEBUG" not in flags_of("compile.optimisation=0")
    assert "-DNDEBUG" not in flags_of("compile.optimisation=g")


def test_no_path_of_the_builder_gets_into_the_result() -> None:
    assert "-ffile-prefix-map=/tree/source=/usr/src/tensorflow" in flags_of()


def test_ccache_and_lto_leave_no_trace_when_off() -> None:
    texts = " ".join(flags_of("compile.ccache=false"))
    assert "ccache" not in texts
    assert "INTERPROCEDURAL" not in texts


def test_c_and_cxx_flags_do_not_mix() -> None:
    cache = dict(
        make_plan(
            DEBIAN_RELEASE, "opt", Arch.AMD64, "compile.cflags=[-fc]", "compile.cxxflags=[-fx]"
        ).part.cmake_cache
    )
    assert "-fc" in cache["CMAKE_C_FLAGS"].split()
    assert "-fx" not in cache["CMAKE_C_FLAGS"].split()
    assert "-fx" in cache["CMAKE_CXX_FLAGS"].split()
    assert "-fc" not in cache["CMAKE_CXX_FLAGS"].split()


def test_linker_flags_reach_libraries_and_programs() -> None:
    plan = make_plan(DEBIAN_RELEASE, "opt", Arch.AMD64, "compile.ldflags=['-Wl,-z,now']")
    cache = dict(plan.part.cmake_cache)
    assert cache["CMAKE_SHARED_LINKER_FLAGS"] == cache["CMAKE_EXE_LINKER_FLAGS"] == "-Wl,-z,now"


def test_a_value_with_an_equals_sign_stays_whole(release: Release) -> None:
    config = load_config(PROJECT, "opt", Arch.AMD64, ["tflite.cmake_definitions.FOO=a=b"])
    assert cmake_cache(tflite_cmake_flags(config, release, {}))["FOO"] == "a=b"


def test_an_entry_for_one_architecture_stays_away_from_the_others() -> None:
    def vectors(arch: Arch) -> str | None:
        return dict(make_plan("2.16.1", "opt", arch).part.cmake_cache).get("XNNPACK_ENABLE_RISCV_VECTOR")

    assert vectors(Arch.RISCV64) == "OFF"
    assert vectors(Arch.ARM64) is None


def test_a_macro_of_the_release_without_a_known_line_is_not_lost(release: Release) -> None:
    config = load_config(PROJECT, "opt", Arch.AMD64)
    named = {f"compile_defines.{release.compile_defines[0].name}": Origin("file.yaml", 7)}
    flags = {flag.text: flag.origin for flag in compile_flags(config, release, named)}
    first, second = (f"-D{macro.name}" for macro in release.compile_defines)
    assert (flags[first], flags[second]) == ("file.yaml:7", "built-in")


@given(st.lists(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1), max_size=4))
def test_any_flag_survives_the_way_through_a_shell_line(texts: list[str]) -> None:
    # CMake splits them as a shell does: https://cmake.org/cmake/help/latest/command/separate_arguments.html
    flags = [Flag(Target.COMPILE, text, "x") for text in texts]
    cache = cmake_cache(flags)
    assert shlex.split(cache["CMAKE_C_FLAGS"]) == shlex.split(cache["CMAKE_CXX_FLAGS"]) == texts


def test_the_presets_configure_with_the_toolchain_of_the_target() -> None:
    plan = make_plan(DEBIAN_RELEASE, "opt", Arch.ARM64)
    presets = json.loads(json.dumps(cmake_presets(dict(plan.part.cmake_cache), plan.arch)))
    (preset,) = presets["configurePresets"]
    assert (presets["version"], preset["name"], preset["generator"]) == (6, "tfbuild", "Ninja")
    assert preset["cacheVariables"] == dict(plan.part.cmake_cache)
    name = preset["toolchainFile"].removeprefix("/toolchains/")
    assert "aarch64" in (PROJECT / "toolchains" / "cmake" / name).read_text()


def test_of_two_files_the_nearer_one_is_named() -> None:
    """``size`` takes its march from ``portable``, not from ``opt``, which both extend."""
    assert flags_of(config="size")["-march=x86-64-v2"].origin.startswith("build_configs/portable.yaml:")
    assert flags_of(config="size")["-Os"].origin.startswith("build_configs/size.yaml:")
    assert "-O3" not in flags_of(config="size")


def test_what_upstreams_dependencies_need_names_its_line_and_reason() -> None:
    for text, flag in {flag.text: flag for flag in make_plan("2.20.0").flags}.items():
        if text in {"CMAKE_POLICY_VERSION_MINIMUM=3.5", "-Wno-incompatible-pointer-types"}:
            path, line = flag.origin.split(":")
            lines = (PROJECT / path).read_text().splitlines()[int(line) - 1 :]
            assert text.partition("=")[0] in " ".join(lines[:2])
            assert flag.reason
    flags = {flag.text: flag for flag in make_plan("2.20.0").flags}
    assert flags["-Wno-incompatible-pointer-types"].target is Target.C
    assert flags["TFLITE_HOST_TOOLS_DIR=/tree/host-tools/bin"].target is Target.CMAKE
    assert flags["TFBUILD_LINK_LIBRARIES=absl::log"].reason


def test_every_locked_source_is_handed_over_and_nothing_else_is_asked_for() -> None:
    plan = make_plan("2.14.1")
    handed = {flag.text for flag in plan.flags if flag.origin.endswith("2.14.1.lock.json")}
    assert "FETCHCONTENT_SOURCE_DIR_ABSEIL-CPP=/tree/dependencies/abseil-cpp" in handed
    assert "FXDIV_SOURCE_DIR=/tree/dependencies/fxdiv" in handed
    assert len(handed) == len(plan.part.dependencies)
    assert "FETCHCONTENT_FULLY_DISCONNECTED=ON" in {flag.text for flag in plan.flags}
    assert not any("FETCHCONTENT" in flag.text for flag in make_plan().flags)
