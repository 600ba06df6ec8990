"""What a person or a CI system sees; the clock is a fake one, the terminal a pseudo-terminal."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pseudo_terminal import Terminal
from tfbuild.base.errors import BuildError, ConfigError, ConfigProblem
from tfbuild.base.text import ArtifactRow, github_annotations, human_duration, human_size
from tfbuild.base.values import Reporter
from tfbuild.cli.console import HEARTBEAT_S, ConsoleReporter, render_error

pytestmark = pytest.mark.timeout(60)

ROW = ArtifactRow(Path("lib/libtensorflowlite.so"), 4_123_456, "ab" * 32, 75.2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    if not opened.stream.closed:
        opened.screen()


def wait_until(text: str, stream: io.StringIO) -> None:
    while text not in stream.getvalue():
        time.sleep(0.005)


class TestPlain:
    def test_a_build(self, clock: Clock) -> None:
        out = io.StringIO()
        with ConsoleReporter(out, clock=clock, env={}) as reporter:
            reporter.step_started(1, 3, "fetch")
            reporter.transfer("tensorflow.tar.xz", 1_000_000, 56_000_000)
            clock.now += 10
            reporter.transfer("tensorflow.tar.xz", 56_000_000, 56_000_000)
            reporter.step_finished("ok")
            reporter.step_started(2, 3, "builder")
            reporter.step_finished("skipped", "up to date")
            reporter.step_started(3, 3, "compile")
            reporter.warn("no ccache [yet]")
            reporter.note("x" * 200)
            clock.now += 130
            reporter.step_finished("failed", "exit code 1", Path("logs/03-compile.log"))
        assert out.getvalue().splitlines() == [
            "[1/3] fetch",
            # A resumed download: 55 of the 56 MB came in these 10 s.
            "  tensorflow.tar.xz  56.0 MB in 10s, 5.5 MB/s",
            "ok      [1/3] fetch  10s",
            "[2/3] builder",
            "skipped [2/3] builder  up to date",
            "[3/3] compile",
            "warning: no ccache [yet]",
            "x" * 200,
            "failed  [3/3] compile  2m10s  exit code 1  (log: logs/03-compile.log)",
        ]

    def test_heartbeat_text(self, clock: Clock) -> None:
        reporter = ConsoleReporter(io.StringIO(), clock=clock, env={})
        reporter.step_started(3, 6, "compile")
        reporter.progress(120, 600, "kernels/conv.cc")
        clock.now += 130
        assert reporter.heartbeat_text() == "… compile 3/6: 120/600 after 2m10s (kernels/conv.cc)"
        reporter.step_started(1, 6, "fetch")
        reporter.transfer("a", 5_000_000, 10_000_000)
        reporter.transfer("b", 1_000_000, 10_000_000)
        clock.now += 61
        assert reporter.heartbeat_text() == "… fetch 1/6: 2 downloads, 6.0 MB of 20.0 MB after 1m01s"
        reporter.transfer("c", 1, None)
        assert "3 downloads, 6.0 MB after" in reporter.heartbeat_text()

    def test_heartbeat_comes_by_itself_again_and_again(self) -> None:
        out = io.StringIO()
        with ConsoleReporter(out, env={}, heartbeat_s=0.01) as reporter:
            wait_until("… working", out)
            reporter.step_started(1, 1, "compile")
            for done in (1, 2, 3):
                reporter.progress(done, 600, "x.cc")
                wait_until(f"… compile 1/1: {done}/600", out)
            reporter.step_finished("ok")
        length = len(out.getvalue())
        time.sleep(0.05)
        assert len(out.getvalue()) == length, "it still beats after the end"

    def test_default_heartbeat_is_below_a_minute(self) -> None:
        assert HEARTBEAT_S < 60

    def test_interrupted_step_is_closed(self, clock: Clock) -> None:
        out = io.StringIO()
        with pytest.raises(KeyboardInterrupt), ConsoleReporter(out, clock=clock, env={}) as reporter:
            interrupt(reporter)
        assert out.getvalue().splitlines()[-1] == "failed  [1/2] compile  0.0s  interrupted"

    def test_ascii_locale(self, clock: Clock) -> None:
        raw = io.BytesIO()
        out = io.TextIOWrapper(raw, encoding="ascii")
        with ConsoleReporter(out, clock=clock, env={}) as reporter:
            reporter.note("… größe")
        assert raw.getvalue() == b"... gr\\xf6\\xdfe\n"


def interrupt(reporter: Reporter) -> None:
    reporter.step_started(1, 2, "compile")
    raise KeyboardInterrupt


class TestColours:
    @pytest.mark.parametrize(
        ("env", "coloured"),
        [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
        ids=str,
    )
    def test_in_a_pipe(self, env: dict[str, str], coloured: bool) -> None:
        out = io.StringIO()
        with ConsoleReporter(out, env=env) as reporter:
            reporter.step_started(1, 1, "compile")
            reporter.progress(1, 2, "x.cc")
            reporter.step_finished("ok")
        text = out.getvalue()
        assert ("\x1b[32m" in text) == coloured
        # Colour only: nothing that moves the cursor, erases or hides.
        assert re.sub(r"\x1b\[[0-9;]*m", "", text).count("\x1b") == 0

    def test_no_color_on_a_terminal(self, terminal: Terminal) -> None:
        render_error(BuildError("x"), terminal.stream, env={"NO_COLOR": "1", "TERM": "xterm"})
        assert terminal.screen() == "error: x\r\n"

    def test_empty_no_color_means_nothing(self, terminal: Terminal) -> None:
        render_error(BuildError("x"), terminal.stream, env={"NO_COLOR": "", "TERM": "xterm"})
        assert "\x1b[1;31m" in terminal.screen()


class TestTerminal:
    def test_live_display(self, terminal: Terminal, clock: Clock) -> None:
        with ConsoleReporter(
            terminal.stream, clock=clock, env={"TERM": "xterm", "COLUMNS": "120"}
        ) as reporter:
            reporter.step_started(3, 6, "compile")
            reporter.progress(120, 600, "kernels/conv.cc")
            reporter.transfer("model.tgz", 2_000_000, 4_000_000)
            clock.now += 130
            reporter.note("a note")
            for text in (
                "[3/6] compile",
                "120/600",
                "2m10s",
                "kernels/conv.cc",
                "model.tgz",
                "2.0 MB of 4.0 MB",
            ):
                terminal.wait_for(text)
            reporter.step_finished("ok")
        assert "a note\r\n" in terminal.screen()

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
    def test_terminal_is_restored(self, terminal: Terminal, error: type[BaseException]) -> None:
        before = terminal.attributes()

        def build() -> None:
            with ConsoleReporter(terminal.stream, env={"TERM": "xterm"}) as reporter:
                reporter.step_started(1, 2, "compile")
                raise error

        with pytest.raises(error):
            build()
        assert terminal.attributes() == before
        screen = terminal.screen()
        assert screen.rindex("\x1b[?25h") > screen.rindex("\x1b[?25l"), "the cursor stays hidden"

    def test_stdout_is_not_swallowed(self, terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
        with ConsoleReporter(terminal.stream, env={"TERM": "xterm"}) as reporter:
            reporter.step_started(1, 1, "plan")
            sys.stdout.write("{}\n")
            reporter.step_finished("ok")
        assert capsys.readouterr().out == "{}\n"
        assert "{}" not in terminal.screen()

    @pytest.mark.parametrize("env", [{"TERM": "dumb"}, {"TERM": "xterm", "CI": "true"}], ids=str)
    def test_nothing_is_redrawn_where_it_cannot_be(self, terminal: Terminal, env: dict[str, str]) -> None:
        with ConsoleReporter(terminal.stream, env=env) as reporter:
            reporter.step_started(1, 1, "plan")
            reporter.step_finished("ok")
        assert "\x1b[?25l" not in terminal.screen()

    def test_downloads_from_many_threads(self, terminal: Terminal) -> None:
        with ConsoleReporter(terminal.stream, env={"TERM": "xterm"}) as reporter:
            reporter.step_started(1, 1, "fetch")

            def download(name: str) -> None:
                for done in range(0, 101, 5):
                    reporter.transfer(name, done, 100)

            threads = [threading.Thread(target=download, args=(f"file-{n}",)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            reporter.step_finished("ok")
        screen = terminal.screen()
        assert all(f"  file-{n}  100 B in " in screen for n in range(8))


class TestGitHub:
    ENV = {"GITHUB_ACTIONS": "true"}  # noqa: RUF012

    def test_folds(self, clock: Clock) -> None:
        out = io.StringIO()
        with pytest.raises(KeyboardInterrupt), ConsoleReporter(out, clock=clock, env=self.ENV) as reporter:
            interrupt(reporter)
        assert out.getvalue().splitlines() == [
            "::group::[1/2] compile",
            "::endgroup::",
            "failed  [1/2] compile  0.0s  interrupted",
        ]

    def test_error_annotation(self) -> None:
        out = io.StringIO()
        render_error(BuildError("100% broken\nreally", hint="try"), out, env=self.ENV)
        assert out.getvalue().splitlines()[-1] == "::error::100%25 broken%0Areally%0Ahint: try"

    def test_config_problems_are_marked_in_their_files(self) -> None:
        problems = (ConfigProblem("a,b.yaml", 7, 3, "unknown key"), ConfigProblem("c.yaml", 1, 1, "empty"))
        assert github_annotations(ConfigError(problems)) == [
            "::error file=a%2Cb.yaml,line=7,col=3::unknown key",
            "::error file=c.yaml,line=1,col=1::empty",
        ]

    def test_job_summary_is_added_to(self, tmp_path: Path) -> None:
        summary, out = tmp_path / "summary.md", io.StringIO()
        summary.write_text("before\n")
        env = {**self.ENV, "GITHUB_STEP_SUMMARY": str(summary)}
        ConsoleReporter(io.StringIO(), env=env).result_table([ROW], out)
        text = summary.read_text()
        assert text.startswith("before\n| artifact |")
        assert f"| `lib/libtensorflowlite.so` | 4.1 MB | 1m15s | `{'ab' * 32}` |\n" in text

    def test_job_summary_that_cannot_be_written_is_no_failure(self, tmp_path: Path) -> None:
        err, out = io.StringIO(), io.StringIO()
        env = {"GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "folder")}
        ConsoleReporter(err, env=env).result_table([ROW], out)
        assert "couldn't write the job summary" in err.getvalue()
        assert ROW.sha256 in out.getvalue()


class TestResults:
    def test_table_goes_to_stdout(self, capsys: pytest.CaptureFixture[str]) -> None:
        rows = [ROW, ArtifactRow(Path("bin/x"), 999, "cd" * 32, 4000)]
        ConsoleReporter(env={}).result_table(rows)
        captured = capsys.readouterr()
        assert captured.err == ""
        assert captured.out.splitlines() == [
            "artifact                    size   time  sha256",
            f"lib/libtensorflowlite.so  4.1 MB  1m15s  {'ab' * 32}",
            f"bin/x                      999 B  1h07m  {'cd' * 32}",
        ]

    def test_error(self) -> None:
        out = io.StringIO()
        error = BuildError(
            "compile failed",
            details=("a.cc:1: error: x\n  1 | y", "[red]z"),
            hint="try --jobs 2",
            log=Path("l/3.log"),
        )
        render_error(error, out, env={})
        assert out.getvalue().splitlines() == [
            "error: compile failed",
            "  a.cc:1: error: x",
            "    1 | y",
            "  [red]z",
            "hint: try --jobs 2",
            "log: l/3.log",
        ]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_999, "1.0 MB"),
        (2e13, "20.0 TB"),
    ],
)
def test_human_size(size: float, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.7, "1m00s"),
        (130, "2m10s"),
        (3599.7, "1h00m"),
        (4320, "1h12m"),
    ],
)
def test_human_duration(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


@given(st.floats(0, 1e7))
def test_durations_never_show_sixty(seconds: float) -> None:
    assert not re.search(r"(?<!\d)60[sm]", human_duration(seconds))
