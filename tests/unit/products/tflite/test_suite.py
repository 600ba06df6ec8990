"""``debian.suite``: an older Debian to build on, and who cannot be built there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.plans import PROJECT, make_plan
from tests.support.products import list_releases
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError
from tfbuild.config.compilers.cpus import default_compiler_cpus
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.table import plan_of
from tfbuild.products.tflite.materials import materials
from tfbuild.releases.keys import debian_of, suite_of
from tfbuild.trust.bill import Role

UPSTREAM = "2.16.1"
SOURCES = [each for each in list_releases(PROJECT) if each.product == "tflite" and each.is_compiled]


def plan(release: str, *sets: str, origin: str = "", arch: str = "arm64") -> Plan[Any]:
    words = Words(release=release, arch=arch, sets=sets, origin=origin)
    return plan_of(PROJECT, "tflite", words, env={}, build_arch=Arch.AMD64)


@pytest.mark.parametrize("release", ["2.14.1", UPSTREAM, "2.2.0-litert"])
def test_upstreams_releases_are_built_on_bookworm(release: str) -> None:
    made, usual = plan(release, "debian.suite=bookworm"), plan(release)
    assert (made.root.suite, usual.root.suite) == ("bookworm", "trixie")
    assert made.output.endswith("opt-bookworm/arm64")
    keys = {step.id: step.key for step in made.steps}
    assert keys["fetch"] == usual.steps[0].key
    assert all(keys[step.id] != step.key for step in usual.steps[1:])
    assert any("bookworm" in note for note in made.notes)
    assert {case.cpu for case in made.part.smoke} == {"cortex-a72"}  # QEMU 7.2 has it


def test_bullseye_gets_a_newer_cmake_for_the_machine_that_builds() -> None:
    made, usual = plan(UPSTREAM, "debian.suite=bullseye"), plan(UPSTREAM)
    assert made.root.suite == "bullseye"
    (cmake,) = set(made.pins) - set(usual.pins)
    assert cmake.name == "cmake"
    assert "x86_64" in cmake.filename  # the target is arm64
    assert made.part.programs == ("cmake",)
    (material,) = (each for each in materials(made.part).known if each.pin == "cmake")
    assert material.roles == (Role.TOOL,)  # and in no image
    assert usual.part.programs == plan(UPSTREAM, "debian.suite=bookworm").part.programs == ()


def test_on_bullseye_all_is_compiled_for_an_older_glibc() -> None:
    def included(*sets: str) -> list[str]:
        return [flag.text for flag in plan(UPSTREAM, *sets).flags if flag.text.startswith("-include")]

    (header,) = included("debian.suite=bullseye")
    assert (PROJECT / "toolchains" / "cmake" / header.removeprefix("-include/toolchains/")).is_file()
    assert included() == included("debian.suite=bookworm") == []
    entries = dict(plan(UPSTREAM, "debian.suite=bullseye").part.cmake_cache)
    assert entries["TFBUILD_STATIC_CXX"] == "ON"
    assert "TFBUILD_STATIC_CXX" not in dict(plan(UPSTREAM).part.cmake_cache)


@pytest.mark.parametrize("suite", ["bookworm", "bullseye"])
def test_the_models_of_the_smoke_test_are_made_by_a_flatc_that_reads_their_schema(suite: str) -> None:
    assert plan(UPSTREAM, f"debian.suite={suite}").part.host_tools == ("flatc",)
    assert plan(UPSTREAM).part.host_tools == ()


def test_a_debian_that_lacks_the_architecture_is_refused_before_anything_is_done() -> None:
    assert plan(UPSTREAM, arch="riscv64").root.suite == "trixie"
    with pytest.raises(NothingMatchesError) as caught:
        plan(UPSTREAM, "debian.suite=bookworm", arch="riscv64")
    assert caught.value.details[0] == "that Debian has no riscv64; it has amd64, arm64, armhf"


def test_a_cpu_that_the_older_emulator_lacks_is_not_asked_of_it() -> None:
    assert {case.cpu for case in plan(UPSTREAM, "compile.march=armv8.6-a").part.smoke} == {"neoverse-n2"}
    older = plan(UPSTREAM, "debian.suite=bookworm", "compile.march=armv8.6-a")
    assert {case.cpu for case in older.part.smoke} == {""}


def test_the_cpus_are_those_of_that_suites_compiler() -> None:
    found = default_compiler_cpus("bookworm")
    assert found is not None
    assert found.title == "GCC 12"
    plan(UPSTREAM, "compile.march=znver4", arch="amd64")
    with pytest.raises(ConfigError) as caught:
        plan(UPSTREAM, "debian.suite=bookworm", "compile.march=znver4", arch="amd64")
    assert "GCC 12 knows no -march=znver4" in caught.value.details[0]


def test_the_suite_of_the_release_changes_nothing_but_the_name() -> None:
    named, usual = plan("2.14.1-debian", "debian.suite=trixie"), plan("2.14.1-debian")
    assert named.steps[3].key == usual.steps[3].key


@pytest.mark.parametrize(
    ("release", "sets", "why", "hint"),
    [
        ("2.14.1-debian", ("debian.suite=bookworm",), "its dependencies are packages of trixie", "2.16.1"),
        (
            UPSTREAM,
            ("debian.suite=buster",),
            "nobody has looked at the compiler of buster",
            "leave debian.suite",
        ),
        (UPSTREAM, ("debian.suite=bokworm",), "did you mean 'bookworm'?", "leave debian.suite out"),
        (
            "2.2.0-litert",
            ("debian.suite=bookworm", "runtime.flavour=python"),
            "pinned for trixie",
            "leave debian.suite out",
        ),
    ],
)
def test_what_cannot_be_built_there_is_refused_with_its_reason(
    release: str, sets: tuple[str, ...], why: str, hint: str
) -> None:
    with pytest.raises(NothingMatchesError, match="cannot be built on Debian's") as caught:
        plan(release, *sets)
    assert why in caught.value.details[0]
    assert caught.value.details[1] == f"asked for at --set {sets[0]}"
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("suite", load_platforms(PROJECT).suites)
@pytest.mark.parametrize("arch", Arch)
@pytest.mark.parametrize("release", [each.release for each in SOURCES])
def test_every_release_is_planned_for_an_architecture_and_a_suite_or_says_why_not(
    release: str, arch: Arch, suite: str
) -> None:
    found = next(each for each in SOURCES if each.release == release)
    able = arch in found.arches and (
        suite == suite_of(found)
        or (
            found.provider == "upstream"
            and debian_of(found) is not None
            and suite in {"bookworm", "bullseye"}
            and arch in load_platforms(PROJECT).suites[suite].arches
        )
    )
    if able:
        assert plan(release, f"debian.suite={suite}", arch=arch).root.suite == suite
        return
    with pytest.raises(NothingMatchesError) as caught:
        plan(release, f"debian.suite={suite}", arch=arch)
    assert f"tflite {release} cannot be built" in caught.value.message
    assert caught.value.details
    assert caught.value.hint


def test_an_official_wheel_has_the_suite_of_its_python() -> None:
    with pytest.raises(ConfigError, match="1 problem"):
        plan("", "debian.suite=bookworm", origin="wheel")


def test_a_build_that_names_no_suite_has_the_name_that_it_had() -> None:
    assert make_plan(UPSTREAM).output == "dist/tflite/2.16.1/opt/amd64"
