"""A CMake entry that would be overridden, or that nothing reads, is refused; the others pass."""

from __future__ import annotations

import re

import pytest

from tests.support.plans import PROJECT, all_plans, make_plan
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.products.tflite.cmake.entries import entry_problem

ENTRY = "tflite.cmake_definitions"
_SET = re.compile(r"^\s*(?:set\(|list\(PREPEND )([A-Z][A-Za-z0-9_]*)", re.MULTILINE)


def names_that_are_set() -> set[str]:
    """What the toolchain files and the superproject set, in capitals as CMake's own variables are."""
    files = [
        *(PROJECT / "toolchains" / "cmake").glob("*.cmake"),
        PROJECT / "dockerfiles" / "tflite" / "superproject" / "CMakeLists.txt",
    ]
    found = {name for file in files for name in _SET.findall(file.read_text())}
    assert {"CMAKE_CXX_COMPILER", "SYSTEM_PTHREADPOOL", "TFBUILD_PROVIDER", "CMAKE_PREFIX_PATH"} <= found
    return found


@pytest.mark.parametrize("name", sorted(names_that_are_set()))
def test_what_the_project_sets_over_any_entry_is_refused(name: str) -> None:
    assert entry_problem(name)


def test_whatever_a_plan_sets_is_refused_with_its_reason() -> None:
    """Of each plan of this project; a release's own entry is found in the plan, where its reason is."""
    refused = 0
    for plan in all_plans():
        release_own = [name for name, _ in plan.part.cmake_cache if entry_problem(name) is None]
        for name in release_own if plan.config == "opt" else ():
            with pytest.raises(ConfigError) as caught:
                make_plan(plan.release, plan.config, plan.arch, f"{ENTRY}.{name}=x")
            assert f"'{name}' is set by build_configs/releases/" in str(caught.value.problems[0])
            refused += 1
    assert refused


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("CMAKE_CXX_COMPILER", "toolchain file"),
        ("CMAKE_C_COMPILER", "toolchain file"),
        ("CMAKE_TOOLCHAIN_FILE", "use --arch"),
        ("BUILD_SHARED_LIBS", "makes the shared libraries"),
        ("CMAKE_CXX_STANDARD", "source.patches"),
        ("CMAKE_BUILD_TYPE", "use compile.optimisation"),
        ("TFLITE_ENABLE_GPU", "use tflite.gpu_delegate"),
        ("TFLITE_ENABLE_NNAPI", "for Android only"),
        ("FETCHCONTENT_SOURCE_DIR_EIGEN", "the release's lock"),
        ("FETCHCONTENT_FULLY_DISCONNECTED", "the release's lock"),
        ("XNNPACK_SOURCE_DIR", "the release's lock"),
        ("CMAKE_INSTALL_PREFIX", "--output"),
        ("CMAKE_CXX_FLAGS_DEBUG", "compile.cxxflags"),
    ],
)
def test_the_message_says_what_to_use_instead(name: str, instead: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_plan("2.14.1-debian", "opt", Arch.AMD64, f"{ENTRY}.{name}=x")
    (problem,) = caught.value.problems
    assert problem.path == f"--set {ENTRY}.{name}=x"
    assert instead in problem.message


@pytest.mark.parametrize(
    "name",
    ["TFLITE_ENABLE_RESOURCE", "XNNPACK_ENABLE_ASSEMBLY", "CMAKE_VERBOSE_MAKEFILE", "CMAKE_CXX_EXTENSIONS"],
)
def test_other_entries_pass(name: str) -> None:
    plan = make_plan("2.14.1-debian", "opt", Arch.AMD64, f"{ENTRY}.{name}=ON")
    assert (name, "ON") in plan.part.cmake_cache
    assert plan.part.entries == (name,)


def test_a_language_standard_that_upstreams_own_would_follow_is_refused() -> None:
    with pytest.raises(ConfigError, match="1 problem") as caught:
        make_plan("2.14.1-debian", "opt", Arch.AMD64, "compile.cxxflags=-std=c++20")
    assert "whose own -std= comes after it" in str(caught.value.problems[0])
