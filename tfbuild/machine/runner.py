"""The only place that starts other programs.

Each program gets a session of its own, so that a Ctrl-C in the terminal reaches this program alone and
this program decides how the others end: no process outlives the call that started it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shlex
import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tfbuild.base.errors import HostError
from tfbuild.machine.interrupts import hold_signals
from tfbuild.machine.logfile import LineSplitter, LogFile
from tfbuild.machine.programs import Captured, Completed

TAIL_LINES = 200
TIMED_OUT = 124  # what timeout(1) of coreutils answers

_POLL_S = 0.05
# A leader that is gone may leave helpers behind that still write (tee); longer than this is a leftover.
_SETTLE_S = 0.5


@dataclass(frozen=True)
class Grace:
    """Seconds that a process group gets after each signal. The sum stays below 8 s."""

    interrupt: float = 2.5
    terminate: float = 2.0
    kill: float = 3.0


class SubprocessRunner:
    """The real one."""

    def __init__(self, grace: Grace | None = None) -> None:
        self._grace = grace or Grace()

    def run(
        self,
        argv: Sequence[str],
        *,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        on_line: Callable[[str], None] | None = None,
        translate: Callable[[str], Iterable[str]] | None = None,
        input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Completed:
        began = time.monotonic()
        tail: deque[str] = deque(maxlen=TAIL_LINES)
        splitter = LineSplitter()
        with LogFile(log, argv, cwd, env or {}) as sink:

            def deliver(raw: Sequence[str]) -> None:
                lines = raw if translate is None else [text for line in raw for text in translate(line)]
                tail.extend(lines)
                sink.write(lines)
                if on_line is not None:
                    for text in lines:
                        on_line(text)

            ended = self._supervise(
                _start(argv, env, cwd, input, merged=True),
                (lambda data: deliver(splitter.feed(data)),),
                timeout_s,
            )
            deliver(splitter.close())
            duration = time.monotonic() - began
            if ended.timed_out:
                reason = f"stopped: {argv[0]} took longer than {timeout_s:g} s"
                tail.append(reason)
                sink.write([reason])
            sink.end(f"exit code {ended.code} after {duration:.1f} s")
        return Completed(tuple(argv), ended.code, duration, tuple(tail), ended.timed_out)

    def capture(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Captured:
        out, err = bytearray(), bytearray()
        start = _start(argv, env, cwd, input, merged=False)
        ended = self._supervise(start, (out.extend, err.extend), timeout_s)
        return Captured(ended.code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def attach(self, argv: Sequence[str]) -> int:
        """Run a program that talks to the user: it has this process's terminal and session, so that Ctrl-C
        is its own. Its exit code, as in :class:`Completed`."""
        with hold_signals():
            process = _explained(argv, None, lambda: subprocess.Popen(list(argv)))
        try:
            code = process.wait()
        finally:
            if process.poll() is None:  # SIGTERM, or a Ctrl-C that the program did not take
                process.terminate()
                process.wait(self._grace.terminate)
        return 128 - code if code < 0 else code

    def follow(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> Captured:
        """Run to the end, in any thread: ``on_line`` gets each line of stderr, stdout is kept.

        :raises KeyboardInterrupt: ``cancelled`` said so; the program and all that it started are gone.
        """
        out, splitter = bytearray(), LineSplitter()

        def tell(data: bytes) -> None:
            for line in splitter.feed(data):
                on_line(line)

        start = _start(argv, env, None, None, merged=False)
        ended = self._supervise(start, (out.extend, tell), None, cancelled)
        for line in splitter.close():
            on_line(line)
        return Captured(ended.code, out.decode("utf-8", "replace"), "")

    def _supervise(
        self,
        start: _Start,
        sinks: _Sinks,
        timeout_s: float | None,
        cancelled: Callable[[], bool] | None = None,
    ) -> _Ended:
        """Start, pass output on, wait; when this returns or raises, the process group is empty."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        group: _Group | None = None
        try:
            # An interrupt between the fork and the assignment would lose the process.
            with hold_signals():
                group = _Group(start(), sinks)
            in_time = group.follow(deadline, cancelled)
            code = group.returncode() if in_time else TIMED_OUT
            group.stop(self._grace, swallow=False)
            return _Ended(code, timed_out=not in_time)
        except BaseException:
            if group is not None:
                try:
                    group.stop(self._grace, swallow=True)
                except KeyboardInterrupt:
                    group.stop(Grace(0, 0), swallow=True)
            raise
        finally:
            if group is not None:
                group.close()


@dataclass(frozen=True)
class _Ended:
    code: int
    timed_out: bool


_Start = Callable[[], subprocess.Popen[bytes]]
_Sinks = tuple[Callable[[bytes], object], ...]


def _start(
    argv: Sequence[str],
    env: Mapping[str, str] | None,
    cwd: Path | None,
    input: bytes | None,
    *,
    merged: bool,
) -> _Start:
    def start() -> subprocess.Popen[bytes]:
        with contextlib.ExitStack() as stack:
            # A file, not a pipe: nobody has to feed it, and a program need not read it.
            stdin: IO[bytes] | int = subprocess.DEVNULL
            if input is not None:
                stdin = stack.enter_context(tempfile.TemporaryFile())
                stdin.write(input)
                stdin.seek(0)
            return subprocess.Popen(
                list(argv),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merged else subprocess.PIPE,
                cwd=cwd,
                env={**os.environ, **env} if env else None,
                start_new_session=True,
                bufsize=0,
            )

    return lambda: _explained(argv, cwd, start)


def _explained(argv: Sequence[str], cwd: Path | None, start: _Start) -> subprocess.Popen[bytes]:
    try:
        return start()
    except FileNotFoundError as error:
        if cwd is not None and not cwd.is_dir():
            raise HostError(f"folder {cwd} does not exist", details=(shlex.join(argv),)) from error
        where = "" if "/" in argv[0] else " on PATH"
        raise HostError(f"couldn't find '{argv[0]}'{where}", hint="invoke doctor") from error
    except OSError as error:
        raise HostError(f"couldn't start '{argv[0]}': {error.strerror}", hint="invoke doctor") from error


class _Group:
    """A started program with everything that it started in its session."""

    def __init__(self, leader: subprocess.Popen[bytes], sinks: _Sinks) -> None:
        self._leader = leader
        self._selector = selectors.DefaultSelector()
        pipes = [pipe for pipe in (leader.stdout, leader.stderr) if pipe is not None]
        for pipe, sink in zip(pipes, sinks, strict=True):
            self._selector.register(pipe, selectors.EVENT_READ, sink)
        self._pipes = pipes

    def follow(self, deadline: float | None, cancelled: Callable[[], bool] | None = None) -> bool:
        """Pass output on until the program has ended; False when ``deadline`` came first.

        ``cancelled`` ends it as Ctrl-C does, which only the main thread hears.

        The end of the leader counts, not the end of the pipe: a daemon that it started (in another
        session, so it is not ours to stop) may hold the pipe for ever.
        """
        settled: float | None = None
        while True:
            self._read(pass_on=True)
            if cancelled is not None and cancelled():
                raise KeyboardInterrupt
            now = time.monotonic()
            if self._leader.poll() is not None:
                settled = settled or now + _SETTLE_S
                if not self._selector.get_map() or now > settled:
                    return True
            elif deadline is not None and now > deadline:
                return False

    def returncode(self) -> int:
        code = self._leader.wait()
        return 128 - code if code < 0 else code

    def close(self) -> None:
        self._selector.close()
        for pipe in self._pipes:
            pipe.close()

    def stop(self, grace: Grace, *, swallow: bool) -> None:
        """SIGINT, SIGTERM, SIGKILL, each with its grace, until the group is empty.

        A Ctrl-C or SIGTERM meanwhile skips to SIGKILL; it is raised at the end unless ``swallow``.
        """
        with hold_signals(swallow=swallow) as held:
            for number, seconds in (
                (signal.SIGINT, grace.interrupt),
                (signal.SIGTERM, grace.terminate),
                (signal.SIGKILL, grace.kill),
            ):
                if not self._alive():
                    return
                last = number == signal.SIGKILL
                if held.count and not last:
                    continue
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._leader.pid, number)
                end = time.monotonic() + seconds
                while self._alive() and time.monotonic() < end and (last or not held.count):
                    # Read on: a program that cannot write its last words cannot end.
                    self._read(pass_on=False)

    def _read(self, *, pass_on: bool) -> None:
        """Read what is there; wait at most one poll interval for it."""
        if not self._selector.get_map():
            # The program has closed its output, which usually is its end.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._leader.wait(_POLL_S)
                if not pass_on:
                    time.sleep(_POLL_S)
            return
        for key, _ in self._selector.select(_POLL_S):
            data = os.read(key.fd, 1 << 16)
            if not data:
                self._selector.unregister(key.fileobj)
            elif pass_on:
                key.data(data)

    def _alive(self) -> bool:
        """Whether anything in the group still runs; the leader's exit alone does not mean that."""
        self._leader.poll()  # reaps it, else it would count
        try:
            os.killpg(self._leader.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        # Orphans that ended but that PID 1 does not reap (in a container without an init) still count for
        # the kernel.
        if _running_members(self._leader.pid):
            return True
        self._leader.poll()  # it may be the one that has just ended
        return False


def _running_members(pgid: int) -> bool:
    """Whether the group has a member that is not a zombie, from /proc/PID/stat (man 5 proc)."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The command, in parentheses, may hold spaces and parentheses itself.
            state, _ppid, group = stat.read_text("utf-8", "replace").rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(group) == pgid and state not in "ZX":
            return True
    return not Path("/proc/self/stat").exists()
