"""Starting programs: their output is complete, and nothing that was started survives."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.errors import HostError
from tfbuild.machine.interrupts import hold_signals, install_signal_handlers
from tfbuild.machine.logfile import masked_argument, masked_value
from tfbuild.machine.runner import Grace, SubprocessRunner

pytestmark = [pytest.mark.real_processes, pytest.mark.timeout(60)]

ROOT = Path(__file__).parents[3]
CHILDREN = ROOT / "tests/data/children"
QUICK = Grace(0.3, 0.3, 3.0)


def child(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(CHILDREN / name), *map(str, arguments)]


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Path]:
    """A folder where children leave their process ids; what a failing test leaves behind is killed."""
    folder = tmp_path / "pids"
    folder.mkdir()
    yield folder
    for pid in running(folder):
        os.kill(pid, signal.SIGKILL)


def running(folder: Path) -> list[int]:
    """Those of the processes that still run; one that only waits to be reaped does not."""

    def runs(pid: int) -> bool:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] not in "ZX"

    return [pid for pid in (int(path.stem) for path in folder.glob("*.pid")) if runs(pid)]


def interrupt_when(text: str, number: int = signal.SIGINT, times: int = 1) -> Callable[[str], None]:
    """An ``on_line`` that sends this process a signal once ``text`` was printed."""

    def on_line(line: str) -> None:
        if text in line:
            # From another thread, so that the signal comes while the runner waits for output.
            threading.Thread(target=send).start()

    def send() -> None:
        for _ in range(times):
            os.kill(os.getpid(), number)
            time.sleep(0.2)

    return on_line


class TestOutput:
    def test_lines_of_both_streams_in_log_tail_and_callback(self, tmp_path: Path) -> None:
        source = tmp_path / "text"
        source.write_bytes(b"gr\xc3\xbcn\n\x1b[31mred\x1b[0m\r\n 10%\r 90%\r\xff no end")
        seen: list[str] = []
        log = tmp_path / "new" / "01-step.log"
        # One byte at a time: characters, escapes and line ends are all cut.
        done = SubprocessRunner().run(child("talker.py", source, 1, 7), log=log, on_line=seen.append)
        # "err" follows what has no line end, as it would on a terminal.
        expected = ["gr\u00fcn", "red", " 10%", " 90%", "\ufffd no enderr"]
        assert (done.returncode, done.ok, list(done.tail), seen) == (7, False, expected, expected)
        text = log.read_text("utf-8").splitlines()
        assert text[0].endswith(f"talker.py {source} 1 7")
        assert text[-1].startswith("# exit code 7 after ")
        assert text[text.index("") + 1 : -2] == expected

    def test_the_log_is_complete_and_the_tail_is_not(self, tmp_path: Path) -> None:
        lines = [f"[{n}/5000] Building {'x' * (n % 200)}" for n in range(1, 5001)]
        lines[2500] = "y" * 3_000_000  # a compiler's command line, exaggerated
        source = tmp_path / "text"
        source.write_text("\n".join(lines) + "\n")
        log = tmp_path / "log"
        done = SubprocessRunner().run(child("talker.py", source, 1 << 16, 0), log=log)
        written = log.read_text()
        assert all(f"{line}\n" in written for line in lines[:2500])
        assert written.partition("\n\n")[2].count("y") == 3_000_000
        assert len(done.tail) == 200
        assert done.tail[-2:] == (lines[-1], "err")

    def test_log_is_written_while_the_program_runs(self, tmp_path: Path, pids: Path) -> None:
        log = tmp_path / "log"
        seen: list[str] = []

        def look(line: str) -> None:
            seen.append(log.read_text())
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            SubprocessRunner(QUICK).run(child("sleeper.py", pids), log=log, on_line=look)
        assert "\nready\n" in seen[0]
        assert log.read_text().endswith("\n# interrupted\n")

    def test_translated_lines_are_what_everybody_gets(self, tmp_path: Path) -> None:
        source = tmp_path / "text"
        source.write_text("a\nb\n")
        log = tmp_path / "log"
        done = SubprocessRunner().run(
            child("talker.py", source, 9, 0), log=log, translate=lambda line: (line.upper(), "-")
        )
        assert done.tail == ("A", "-", "B", "-", "ERR", "-")
        assert "\nA\n-\nB\n-\n" in log.read_text()

    def test_capture_keeps_streams_apart_and_passes_input(self) -> None:
        big = b"\xc3\xbc" * 300_000  # more than a pipe holds, in and out
        answer = SubprocessRunner().capture(child("talker.py", "-", 1 << 16, 4), input=big)
        assert (answer.returncode, answer.stdout, answer.stderr) == (4, big.decode(), "err\n")

    def test_environment_is_laid_over_the_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TFBUILD_TEST_OWN", "own")
        runner = SubprocessRunner()
        for name, value in (("TFBUILD_TEST_OWN", "own"), ("TFBUILD_TEST_MORE", "more")):
            answer = runner.capture(child("talker.py", "env", name, 0), env={"TFBUILD_TEST_MORE": "more"})
            assert answer.stdout == value

    def test_secrets_do_not_reach_the_log_header(self, tmp_path: Path) -> None:
        log = tmp_path / "log"
        env = {"MY_API_TOKEN": "hunter2", "https_proxy": "http://me:hunter3@proxy:1", "PLAIN": "a b"}
        command = child("talker.py", "env", "PLAIN", 0)
        SubprocessRunner().run([*command[:2], "env", "PLAIN", "0"], log=log, env=env)
        text = log.read_text()
        assert "hunter" not in text
        assert "# env PLAIN='a b'" in text
        assert "MY_API_TOKEN" in text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("--build-arg=GIT_TOKEN=abc", "--build-arg=GIT_TOKEN=***"),
        ("id=x,password=abc,mode=1", "id=x,password=***,mode=1"),
        ("https://user:pw@host/x", "https://***@host/x"),
        ("-DTFLITE_C_API=ON", "-DTFLITE_C_API=ON"),
        ("-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_BUILD_TYPE=Release"),
    ],
)
def test_masked_arguments(given: str, shown: str) -> None:
    assert masked_argument(given) == shown


def test_masked_values() -> None:
    assert masked_value("AWS_SECRET_ACCESS", "x") == "***"
    assert masked_value("CFLAGS", "-O3") == "-O3"


class TestNotStarting:
    def test_missing_program(self) -> None:
        with pytest.raises(HostError, match=r"^couldn't find 'no-such-program' on PATH$") as caught:
            SubprocessRunner().run(["no-such-program", "--version"])
        assert caught.value.exit_code == 4

    def test_program_that_may_not_run(self, tmp_path: Path) -> None:
        program = tmp_path / "program"
        program.write_text("text")
        with pytest.raises(HostError, match=r"couldn't start '.*/program': Permission denied"):
            SubprocessRunner().capture([str(program)])

    def test_missing_folder_is_not_called_a_missing_program(self, tmp_path: Path) -> None:
        with pytest.raises(HostError, match=r"folder .*/nowhere does not exist"):
            SubprocessRunner().capture([sys.executable, "-V"], cwd=tmp_path / "nowhere")

    def test_log_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(HostError, match=r"couldn't write the log .*/file/01\.log"):
            SubprocessRunner().run([sys.executable, "-V"], log=tmp_path / "file" / "01.log")


@pytest.fixture(autouse=True)
def _signals_are_not_ignored() -> Iterator[None]:
    """Programs inherit what their parent ignores: nohup's hangup, the interrupt of a background job."""
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class TestNothingSurvives:
    @pytest.mark.parametrize("ignored", [(), ("SIGINT",), ("SIGINT", "SIGTERM")], ids=str)
    def test_interrupt(self, pids: Path, ignored: tuple[str, ...]) -> None:
        with pytest.raises(KeyboardInterrupt):
            SubprocessRunner(QUICK).run(child("sleeper.py", pids, *ignored), on_line=interrupt_when("ready"))
        assert len(list(pids.iterdir())) == 1
        assert running(pids) == []

    def test_capture_interrupted(self, pids: Path) -> None:
        def wait_then_interrupt() -> None:
            while not list(pids.iterdir()):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=wait_then_interrupt).start()
        with pytest.raises(KeyboardInterrupt):
            SubprocessRunner(QUICK).capture(child("sleeper.py", pids))
        assert running(pids) == []

    @pytest.mark.parametrize("ignored", [("SIGINT",), ("SIGINT", "SIGTERM")], ids=str)
    def test_interrupted_grandchild_that_outlives_its_parent(
        self, pids: Path, ignored: tuple[str, ...]
    ) -> None:
        with pytest.raises(KeyboardInterrupt):
            SubprocessRunner(QUICK).run(
                child("parent.py", pids, "stay", *ignored), on_line=interrupt_when("parent ready")
            )
        assert len(list(pids.iterdir())) == 2
        assert running(pids) == []

    def test_grandchild_left_behind_by_a_program_that_ends(self, pids: Path) -> None:
        done = SubprocessRunner(QUICK).run(child("parent.py", pids, "leave", "SIGINT", "SIGTERM"))
        assert done.returncode == 3
        assert "parent ready" in done.tail
        assert len(list(pids.iterdir())) == 2
        assert running(pids) == []

    def test_daemon_that_holds_the_pipe_is_neither_waited_for_nor_stopped(self, pids: Path) -> None:
        done = SubprocessRunner(QUICK).run(child("parent.py", pids, "daemon"), timeout_s=30)
        assert (done.returncode, done.timed_out) == (3, False)
        assert len(running(pids)) == 1

    def test_timeout(self, pids: Path, tmp_path: Path) -> None:
        log = tmp_path / "log"
        done = SubprocessRunner(QUICK).run(child("sleeper.py", pids, "SIGINT"), log=log, timeout_s=2)
        assert (done.returncode, done.timed_out) == (124, True)
        assert done.tail[-1].endswith("took longer than 2 s")
        assert "took longer than 2 s" in log.read_text()
        assert running(pids) == []

    def test_own_exit_code_124_is_no_timeout(self, tmp_path: Path) -> None:
        (tmp_path / "text").touch()
        done = SubprocessRunner().run(child("talker.py", tmp_path / "text", 1, 124), timeout_s=60)
        assert (done.returncode, done.timed_out) == (124, False)

    def test_error_in_the_callback(self, pids: Path) -> None:
        def fail(line: str) -> None:
            raise ValueError(line)

        with pytest.raises(ValueError, match="ready"):
            SubprocessRunner(QUICK).run(child("sleeper.py", pids), on_line=fail)
        assert running(pids) == []

    def test_second_interrupt_skips_the_grace(self, pids: Path) -> None:
        # With these graces the test would time out if the second interrupt did not shorten them.
        patient = SubprocessRunner(Grace(500, 500, 5))
        with pytest.raises(KeyboardInterrupt):
            patient.run(
                child("sleeper.py", pids, "SIGINT", "SIGTERM"), on_line=interrupt_when("ready", times=2)
            )
        assert running(pids) == []

    def test_default_grace_leaves_time_below_the_promised_ten_seconds(self) -> None:
        grace = Grace()
        assert grace.interrupt + grace.terminate + grace.kill < 8

    def test_signalled_program_has_the_exit_code_of_a_shell(self, pids: Path) -> None:
        def kill(line: str) -> None:
            for pid in running(pids):
                os.kill(pid, signal.SIGKILL)

        done = SubprocessRunner().run(child("sleeper.py", pids), on_line=kill)
        assert done.returncode == 137

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
    def test_signal_to_this_program_only(self, pids: Path, tmp_path: Path, number: signal.Signals) -> None:
        """As a CI system cancels a job: one signal to one process id."""
        log = tmp_path / "inner.log"
        driver = child("driver.py", log, *child("parent.py", pids, "stay", "SIGINT"))

        def signal_the_driver(line: str) -> None:
            if line == "parent ready":
                inner = next(p for p in running(pids) if parent_of(p) in children_of(os.getpid()))
                os.kill(parent_of(inner), number)

        done = SubprocessRunner().run(
            driver, on_line=signal_the_driver, env={"PYTHONPATH": str(ROOT)}, timeout_s=40
        )
        assert (done.returncode, done.timed_out) == (130, False), done.tail
        assert running(pids) == []
        assert log.read_text().endswith("# interrupted\n")


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def children_of(pid: int) -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if parent_of(int(path.name)) == pid:
                found.add(int(path.name))
        except OSError:
            continue
    return found


class TestSignals:
    def test_handlers_come_back(self) -> None:
        before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
        with pytest.raises(KeyboardInterrupt), install_signal_handlers():
            signal.raise_signal(signal.SIGTERM)
        assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before

    def test_nohup_is_respected(self) -> None:
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with install_signal_handlers():
                signal.raise_signal(signal.SIGHUP)
        finally:
            signal.signal(signal.SIGHUP, before)

    def test_held_interrupt_comes_at_the_end(self) -> None:
        counts: list[int] = []

        def work() -> None:
            with hold_signals() as held:
                signal.raise_signal(signal.SIGINT)
                counts.append(held.count)

        with pytest.raises(KeyboardInterrupt):
            work()
        assert counts == [1]

    def test_what_is_followed_in_another_thread_ends_when_it_is_cancelled(self, pids: Path) -> None:
        cancelled, ended = threading.Event(), list[str]()

        def work() -> None:
            with pytest.raises(KeyboardInterrupt):
                SubprocessRunner(QUICK).follow(
                    child("sleeper.py", pids), env={}, on_line=ended.append, cancelled=cancelled.is_set
                )
            ended.append("ended")

        thread = threading.Thread(target=work)
        thread.start()
        while not list(pids.iterdir()):
            time.sleep(0.01)
        cancelled.set()
        thread.join(20)
        assert ended == ["ended"]
        assert running(pids) == []

    def test_what_is_followed_tells_stderr_and_keeps_stdout(self) -> None:
        code = "import sys; print('out'); print('one\\ntwo', file=sys.stderr); sys.exit(3)"
        lines: list[str] = []
        done = SubprocessRunner().follow(
            [sys.executable, "-c", code], env={}, on_line=lines.append, cancelled=lambda: False
        )
        assert (done.returncode, done.stdout, lines) == (3, "out\n", ["one", "two"])

    def test_in_another_thread_programs_run_as_well(self) -> None:
        codes: list[int] = []
        ask = lambda: codes.append(SubprocessRunner().capture([sys.executable, "-V"]).returncode)  # noqa: E731
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
        assert codes == [0]


class TestRecordingRunner:
    def test_first_reply_that_fits_and_is_not_used_up(self, tmp_path: Path) -> None:
        runner = RecordingRunner(
            [
                Reply(("docker", "info"), returncode=1, stderr="down", times=1),
                Reply(("docker",), stdout="a\nb\n"),
            ]
        )
        assert runner.capture(["docker", "info"]).stderr == "down"
        seen: list[str] = []
        log = tmp_path / "logs" / "1.log"
        assert runner.run(["docker", "info"], log=log, on_line=seen.append, env={"A": "1"}).tail == ("a", "b")
        assert seen == ["a", "b"]
        assert log.read_text() == "a\nb\n"
        assert runner.calls[1].env == {"A": "1"}
        assert runner.commands == [("docker", "info")] * 2

    def test_unexpected_command_and_missing_program(self) -> None:
        runner = RecordingRunner(missing=["docker"])
        with pytest.raises(AssertionError, match="no reply for: git status"):
            runner.run(["git", "status"])
        with pytest.raises(HostError, match="couldn't find 'docker' on PATH"):
            runner.capture(["docker", "info"])
