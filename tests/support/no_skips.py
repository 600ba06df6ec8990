"""A pytest plugin: where TFBUILD_REQUIRE_ENGINE is set, as in CI, a test that would be skipped is an error.

Whatever skips it: a mark, a fixture, ``pytest.importorskip`` in a test or at the top of a module.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


def _refuse(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make ``report`` a failure if it tells of a skip; an expected failure is told as one, too."""
    if not report.skipped or hasattr(report, "wasxfail") or not os.environ.get("TFBUILD_REQUIRE_ENGINE"):
        return
    why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid} may not be skipped where TFBUILD_REQUIRE_ENGINE is set: {why}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse(report)
    return report
