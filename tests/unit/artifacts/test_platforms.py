"""The table of Linux distributions is the one place that knows a Debian suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.products import list_releases
from tfbuild.artifacts.platforms import PLATFORMS, load_platforms
from tfbuild.base.errors import ConfigError, NothingMatchesError
from tfbuild.config.compilers.cpus import known_compilers
from tfbuild.releases.keys import suite_of
from tfbuild.releases.wheels.keys import WheelRelease

PROJECT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("suite", "glibc", "emulator", "qemu"),
    [
        ("bullseye", "2.31", "qemu-user-static", "5.2"),
        ("bookworm", "2.36", "qemu-user-static", "7.2"),
        ("trixie", "2.41", "qemu-user", "10.0"),
    ],
)
def test_a_suite_has_its_glibc_and_its_emulators(suite: str, glibc: str, emulator: str, qemu: str) -> None:
    row = load_platforms(PROJECT).require_suite(suite)
    assert (row.GLIBC, row.emulator, row.qemu) == (glibc, emulator, qemu)
    assert f"({suite})" in row.name


def test_every_suite_that_is_named_anywhere_has_a_row() -> None:
    releases = list_releases(PROJECT)
    named = {suite_of(each) for each in releases}
    named |= {
        each.suite
        for release in releases
        if isinstance(release, WheelRelease)
        for each in release.wheels.pythons
    }
    named |= {each.suite for each in known_compilers() if each.suite}
    assert named <= set(load_platforms(PROJECT).suites)


def test_a_suite_without_a_row_is_refused_with_the_nearest() -> None:
    with pytest.raises(NothingMatchesError, match="did you mean 'trixie'"):
        load_platforms(PROJECT).require_suite("trixi")


def test_a_mistake_in_the_table_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / PLATFORMS
    file.parent.mkdir(parents=True)
    text = (PROJECT / PLATFORMS).read_text(encoding="utf-8")
    file.write_text(text.replace("emulator: qemu-user, ", "emulatr: qemu-user, "), encoding="utf-8")
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "emulator: qemu-user, " in each)
    with pytest.raises(ConfigError) as caught:
        load_platforms(tmp_path)
    (problem,) = caught.value.problems
    assert (problem.path, problem.line) == (str(PLATFORMS), line)
    assert problem.message == "unknown key 'emulatr'; did you mean 'emulator'?"
