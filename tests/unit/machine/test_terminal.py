"""Streams as callers leave them: closed, full, without a reader, of another encoding. Real processes."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.plans import PROJECT
from tfbuild.machine.terminal import write_lines

pytestmark = pytest.mark.real_processes

UNKNOWN = 'build-tflite --config "nope é"'
PLAN = "build-tflite --output /out/ü日 --dry-run"


def shell(folder: Path, line: str, **env: str) -> subprocess.CompletedProcess[str]:
    """What bash says of ``line``, in which ``tfb`` is invoke in this project."""
    program = f'tfb() {{ "{sys.executable}" -m invoke --search-root="{PROJECT}" "$@"; }}\n'
    settings = {**os.environ, "PYTHONPATH": str(PROJECT), "TFBUILD_CACHE_DIR": str(folder / "cache"), **env}
    for name in ("GITHUB_ACTIONS", "FORCE_COLOR", "TFBUILD_DEBUG"):
        settings.pop(name, None)
    return subprocess.run(
        ["bash", "-c", program + line], cwd=folder, env=settings, text=True, capture_output=True, check=False
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"tfb {PLAN} >&-", 0),
        ("tfb list-configs --json >&-", 0),
        ("tfb --list >&-", 0),
        (f"tfb {UNKNOWN} 2>&-", 3),
        (f"tfb {UNKNOWN} >&- 2>&-", 3),
        ("tfb --bogus <&- >&- 2>&-", 2),
        (f"tfb {UNKNOWN} 2>/dev/full", 3),
    ],
)
def test_a_closed_or_full_stream_changes_no_exit_code(tmp_path: Path, line: str, code: int) -> None:
    ended = shell(tmp_path, line)
    assert (ended.returncode, ended.stdout) == (code, "")
    assert "Traceback" not in ended.stderr


def test_a_closed_stream_gets_nothing_written_into_a_file_of_ours(tmp_path: Path) -> None:
    """The number of a closed stream would be that of the next file."""
    code = (
        "import sys, os; from tfbuild.machine.terminal import prepare_streams; prepare_streams();"
        "f = open('precious', 'w'); os.write(1, b'x'); os.write(2, b'y'); print('z'); f.close()"
    )
    ended = shell(tmp_path, f'"{sys.executable}" -c "{code}" >&- 2>&-')
    assert ended.returncode == 0
    assert (tmp_path / "precious").read_text() == ""


@pytest.mark.parametrize(
    ("line", "code"),
    [
        # The reader leaves before the first line comes.
        (f"tfb {PLAN} | true", 0),
        ("tfb --list | true", 0),
        (f"tfb {UNKNOWN} 2>&1 >/dev/null | true", 3),
        ("tfb verify broken.so | true", 7),
    ],
)
def test_a_reader_that_leaves_changes_no_exit_code(tmp_path: Path, line: str, code: int) -> None:
    (tmp_path / "broken.so").write_bytes(b"\x7fELF")
    ended = shell(tmp_path, f"{line}; echo ${{PIPESTATUS[0]}}")
    assert ended.stdout == f"{code}\n"
    assert "Traceback" not in ended.stderr
    assert "Broken pipe" not in ended.stderr


def test_a_result_that_a_full_disk_cannot_take_is_a_failure(tmp_path: Path) -> None:
    for line in ("tfb list-configs >/dev/full", "tfb --list >/dev/full"):
        ended = shell(tmp_path, line)
        assert ended.returncode == 4
        assert ended.stderr.startswith("error: No space left on device")


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", r"/out/\xfc\u65e5/"), ("latin1", r"/out/ü\u65e5/")]
)
def test_a_plan_is_printed_in_any_encoding(tmp_path: Path, encoding: str, shown: str) -> None:
    ended = shell(tmp_path, f"tfb {PLAN} | iconv -f {encoding} -t utf-8", PYTHONIOENCODING=encoding)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert shown in ended.stdout


def test_errors_are_printed_in_ascii(tmp_path: Path) -> None:
    ended = shell(tmp_path, f"tfb {UNKNOWN}", PYTHONIOENCODING="ascii:strict")
    assert ended.returncode == 3
    assert r"nope \xe9" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_bug_is_told_with_its_text_escaped(tmp_path: Path) -> None:
    code = (
        "from tfbuild.machine.terminal import prepare_streams; prepare_streams(); "
        "raise ValueError('a\\x1b[2Jb')"
    )
    ended = shell(tmp_path, f'"{sys.executable}" -c "{code}"')
    assert ended.returncode == 1
    assert r"ValueError: a\x1b[2Jb" in ended.stderr
    assert "\x1b" not in ended.stderr


def test_a_stream_that_was_closed_by_the_program_itself_is_left_alone() -> None:
    stream = io.StringIO()
    stream.close()
    write_lines(["a"], stream)
