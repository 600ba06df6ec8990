"""``debian.suite``: an older Debian to build on, and who cannot be built there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.plans import PROJECT, make_plan
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError
from tfbuild.config.compiler_cpus import default_compiler_cpus
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.table import plan_of

UPSTREAM = "2.16.1"


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
        (UPSTREAM, ("debian.suite=bullseye",), "CMake is 3.18 there", "the release is built on trixie"),
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


def test_an_official_wheel_has_the_suite_of_its_python() -> None:
    with pytest.raises(ConfigError, match="1 problem"):
        plan("", "debian.suite=bookworm", origin="wheel")


def test_a_build_that_names_no_suite_has_the_name_that_it_had() -> None:
    assert make_plan(UPSTREAM).output == "dist/tflite/2.16.1/opt/amd64"
