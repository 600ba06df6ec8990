"""The phases of the compile scripts: what a failed one leaves behind, and what is shown of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.plans import PROJECT

pytestmark = pytest.mark.real_processes
SCRIPT = PROJECT / "tests" / "data" / "phases" / "compile.sh"


def run(folder: Path, *phases: str) -> tuple[int, list[str]]:
    ran = subprocess.run(
        ["bash", str(SCRIPT), "all", *phases],
        env={"FOLDER": str(folder), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    return ran.returncode, ran.stdout.splitlines()


def test_each_phase_has_a_log_and_only_progress_is_shown(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "failed").write_text("of an earlier run")
    assert run(tmp_path, "good", "good") == (
        0,
        ["tfbuild: good", "progress", "tfbuild: good", "progress"],
    )
    assert (tmp_path / "log" / "good.log").read_text() == "in the log\n"
    assert (tmp_path / "log" / "exit-code").read_text() == "0\n"
    assert not (tmp_path / "log" / "failed").exists()
    assert (tmp_path / "ended").exists()


def test_a_failed_phase_ends_the_script_at_its_first_error_and_is_named(tmp_path: Path) -> None:
    code, shown = run(tmp_path, "bad", "good")
    assert code == 1
    assert shown[:4] == [
        "tfbuild: bad",
        "tfbuild: bad failed with exit code 1",
        "told: bad ended with 1",
        "(7) ERROR: this is why",
    ]
    # Then the end of the log, whatever it is.
    assert shown[4:] == [*(f"flood {number}" for number in range(83, 101)), shown[3], "warning: not this"]
    log = tmp_path / "log"
    assert (log / "failed").read_text() == "bad\n"
    assert (log / "exit-code").read_text() == "1\n"
    assert "never reached" not in (log / "bad.log").read_text()
    assert not (log / "good.log").exists()
    assert (tmp_path / "ended").exists()
