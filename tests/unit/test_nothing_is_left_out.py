"""No test is skipped in silence, and no file is left out by a program that has a list of its own."""

from __future__ import annotations

import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tfbuild.cli.machine import checks

pytest_plugins = ("pytester",)

PROJECT = Path(__file__).resolve().parents[2]

TESTS = """
import pytest

def test_runs():
    pass

def test_imports():
    pytest.importorskip("there_is_no_such_module")

@pytest.mark.skip(reason="marked")
def test_marked():
    pass

@pytest.fixture
def given():
    pytest.skip("fixture")

def test_given(given):
    pass

@pytest.mark.xfail(strict=True)
def test_expected():
    raise AssertionError
"""
MODULE = "import pytest; pytest.importorskip('there_is_no_such_module')"


def _run(pytester: pytest.Pytester) -> pytest.RunResult:
    pytester.makepyfile(test_some=TESTS, test_other=MODULE)
    return pytester.runpytest_inprocess(
        "-p", "tests.support.no_skips", "-p", "no:cacheprovider", "--continue-on-collection-errors"
    )


def test_a_skipped_test_is_an_error_in_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TFBUILD_REQUIRE_ENGINE", "1")
    result = _run(pytester)
    # A test's own skip fails it; before it has started, and of a whole module, it is an error.
    result.assert_outcomes(passed=1, failed=1, errors=3, xfailed=1)
    result.stdout.fnmatch_lines(["*test_imports may not be skipped*there_is_no_such_module*"])
    result.stdout.fnmatch_lines(["*test_marked may not be skipped*marked*"])
    assert result.ret != pytest.ExitCode.OK


def test_elsewhere_it_is_skipped(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TFBUILD_REQUIRE_ENGINE", raising=False)
    result = _run(pytester)
    result.assert_outcomes(passed=1, skipped=4, xfailed=1)
    assert result.ret == pytest.ExitCode.OK


def test_no_folder_of_tests_is_passed_over(pytestconfig: pytest.Config) -> None:
    """pytest's own list has build and dist."""
    tests = PROJECT / "tests"
    names = {part for path in tests.rglob("test_*.py") for part in path.relative_to(tests).parts[:-1]}
    passed_over = pytestconfig.getini("norecursedirs")
    assert "build" in names
    assert not [name for name in names if any(fnmatch(name, pattern) for pattern in passed_over)]


@pytest.mark.real_processes
def test_ruff_reads_every_python_file() -> None:
    """ruff's own list has build and dist, too."""
    shown = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--show-files", str(PROJECT)],
        check=True,
        capture_output=True,
        text=True,
        cwd=PROJECT,
    )
    folders = ("benchmarks", "dockerfiles", "examples", "tests", "tfbuild")
    ours = {str(path) for folder in folders for path in (PROJECT / folder).rglob("*.py")}
    assert ours - set(shown.stdout.splitlines()) == set()


def test_every_script_and_dockerfile_is_checked() -> None:
    named = {word for check in checks(PROJECT, fast=True) for word in check.argv}
    for folder in PROJECT.iterdir():
        # Of git's and of virtual environments, and what commands of ours leave.
        if (
            folder.name.startswith(".")
            or folder.name in {"dist", "build"}
            or (folder / "pyvenv.cfg").exists()
        ):
            continue
        for path in folder.rglob("*"):
            if path.suffix == ".sh" or path.name.endswith("Dockerfile"):
                assert str(path) in named
