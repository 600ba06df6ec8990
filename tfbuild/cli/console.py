"""All printing while a build runs, and of its end. Progress goes to stderr, results go to stdout."""

from __future__ import annotations

import os
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import IO, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from tfbuild.base.errors import TfBuildError
from tfbuild.base.printable import defused, printable
from tfbuild.base.program_name import as_called
from tfbuild.base.text import (
    ArtifactRow,
    command_data,
    error_lines,
    github_annotations,
    human_duration,
    human_size,
    table_lines,
    table_markdown,
)
from tfbuild.machine.terminal import Sturdy, encodable, is_terminal, write_lines, write_raw

# CI systems stop a job that is silent for long (10 minutes is usual); people lose trust after one.
HEARTBEAT_S = 30.0
_SHOW_CURSOR = "\x1b[?25h"
_STYLES = {
    "ok": "green",
    "skipped": "dim",
    "failed": "bold red",
    "error": "bold red",
    "hint": "cyan",
    "warning": "yellow",
}


@dataclass(frozen=True)
class Display:
    """How to write to a stream: with colours, redrawing, as a log of GitHub Actions."""

    colour: bool
    live: bool
    github: bool

    @classmethod
    def of(cls, stream: TextIO, env: Mapping[str, str]) -> Display:
        """``NO_COLOR`` (https://no-color.org) wins over ``FORCE_COLOR``, which never makes it redraw."""
        terminal = is_terminal(stream) and env.get("TERM") != "dumb"
        github = env.get("GITHUB_ACTIONS") == "true"
        colour = not env.get("NO_COLOR") and (terminal or bool(env.get("FORCE_COLOR")))
        return cls(colour, terminal and not github and not env.get("CI"), github)


def _console(stream: TextIO, display: Display, env: Mapping[str, str]) -> Console:
    # Everything explicit: rich reads FORCE_COLOR as "this is a terminal", which would redraw in CI logs.
    return Console(
        file=cast(IO[str], Sturdy(stream)),
        force_terminal=display.colour or display.live,
        force_interactive=display.live,
        no_color=not display.colour,
        color_system="standard" if display.colour else None,
        _environ=env,
        markup=False,
        highlight=False,
        emoji=False,
    )


@dataclass(frozen=True)
class _Step:
    index: int
    total: int
    title: str
    began: float
    done: int = 0
    of: int = 0
    current: str = ""
    moved: float = 0  # when the last unit was done


@dataclass(frozen=True)
class _Transfer:
    name: str
    began: float
    first: int  # bytes that were there when it began: a resumed download is not that fast
    done: int
    total: int | None

    def speed(self, now: float) -> float:
        """Bytes per second."""
        return (self.done - self.first) / max(now - self.began, 1e-3)


class ConsoleReporter:
    """A :class:`tfbuild.base.values.Reporter` for a terminal, a plain log, or GitHub Actions.

    Use it as a context manager: whatever happens inside, the terminal is as before afterwards.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        env: Mapping[str, str] | None = None,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._env = os.environ if env is None else env
        self._display = Display.of(self._stream, self._env)
        self._console = _console(self._stream, self._display, self._env)
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        # Replaced as a whole and never changed, so the threads that draw need no lock for it. Nothing
        # of rich is called while _lock is held: rich has locks of its own, taken in the other order.
        self._step: _Step | None = None
        self._expected: Mapping[int, float] = {}
        self._transfers: dict[str, _Transfer] = {}
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._live_lock = threading.RLock()  # downloads report from threads of their own
        self._spinner = Spinner("line")
        self._spoke = clock()
        self._began = self._spoke
        self._ended = threading.Event()
        self._heart: threading.Thread | None = None

    def __enter__(self) -> ConsoleReporter:
        if not self._display.live:
            self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
            self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._ended.set()
            if self._heart is not None:
                self._heart.join()
            if self._step is not None:
                self.step_finished("failed", "interrupted" if kind is KeyboardInterrupt else "")
        finally:
            self._stop_live()

    # Reporter

    def expect(self, seconds: Mapping[int, float]) -> None:
        self._expected = dict(seconds)

    def step_started(self, index: int, total: int, title: str) -> None:
        self._step = _Step(index, total, title, self._clock())
        with self._lock:
            self._transfers.clear()
        if self._display.github:
            self._command(f"::group::[{index}/{total}] {command_data(printable(title))}")
        elif self._display.live:
            self._start_live()
        else:
            self._say(f"[{index}/{total}] {title}")

    def step_finished(self, status: str, detail: str = "", log: Path | None = None) -> None:
        self._stop_live()
        step, self._step = self._step, None
        if self._display.github and step is not None:
            self._command("::endgroup::")
        parts = [f"{status:<7}"]
        if step is not None:
            took = "" if status == "skipped" else f"  {human_duration(self._clock() - step.began)}"
            parts.append(f" [{step.index}/{step.total}] {step.title}{took}")
        if detail:
            parts.append(f"  {detail}")
        if log is not None:
            parts.append(f"  (log: {log})")
        self._say("".join(parts[1:]), label=parts[0], style=_STYLES.get(status))

    def progress(self, done: int, total: int, current: str = "") -> None:
        step = self._step
        if step is not None:
            moved = step.moved if done == step.done else self._clock()
            self._step = replace(step, done=done, of=total, current=current, moved=moved)

    def transfer(self, name: str, done: int, total: int | None) -> None:
        now = self._clock()
        with self._lock:
            known = self._transfers.get(name)
            current = (
                replace(known, done=done, total=total) if known else _Transfer(name, now, done, done, total)
            )
            finished = total is not None and done >= total
            if finished:
                self._transfers.pop(name, None)
            else:
                self._transfers[name] = current
        if finished:
            moved = current.done > current.first
            speed = (
                f" in {human_duration(now - current.began)}, {human_size(current.speed(now))}/s"
                if moved
                else ""
            )
            self._say(f"  {name}  {human_size(done)}{speed}")
        elif self._display.live:
            self._start_live()

    def note(self, text: str) -> None:
        self._say(text)

    def warn(self, text: str) -> None:
        self._say(f" {text}", label="warning:", style=_STYLES["warning"])

    # Results

    def result_table(self, rows: Sequence[ArtifactRow], out: TextIO | None = None) -> None:
        """Print the results to stdout (or ``out``), and to the job's summary on GitHub Actions."""
        self._stop_live()
        write_lines(table_lines(rows), out)
        summary = self._env.get("GITHUB_STEP_SUMMARY")
        if summary:
            try:
                with Path(summary).open("a", encoding="utf-8") as file:
                    file.write(f"{table_markdown(rows)}\n")
            except OSError as error:
                self.warn(f"couldn't write the job summary {summary}: {error.strerror}")

    # Inside

    def _say(self, text: str, *, label: str = "", style: str | None = None) -> None:
        self._spoke = self._clock()
        _print(self._console, self._stream, self._display, text, label=label, style=style)

    def _command(self, text: str) -> None:
        """A workflow command of GitHub Actions."""
        self._spoke = self._clock()
        write_raw(f"{text}\n", self._stream)

    def _start_live(self) -> None:
        with self._live_lock:
            if self._live is None:
                self._live = Live(
                    get_renderable=self._render,
                    console=self._console,
                    refresh_per_second=8,
                    transient=True,
                    # What is printed to stdout is a result and must not end up on stderr.
                    redirect_stdout=False,
                    redirect_stderr=self._stream is sys.stderr,
                )
                self._live.start(refresh=True)

    def _stop_live(self) -> None:
        with self._live_lock:
            live, self._live = self._live, None
            if live is None:
                return
            try:
                live.stop()
            finally:
                # Live hides the cursor; an interrupt inside stop() must not leave it so.
                write_raw(_SHOW_CURSOR, self._stream)

    def _render(self) -> RenderableType:
        now = self._clock()
        lines: list[RenderableType] = []
        if (step := self._step) is not None:
            left = self._left(step, now)
            lines.append(_step_line(step, now, self._spinner, self._shown, left))
        with self._lock:
            transfers = tuple(self._transfers.values())
        lines += [_transfer_line(t, now, self._shown) for t in transfers]
        return Group(*lines)

    def _left(self, step: _Step, now: float) -> str:
        """About how long until the last step has ended; empty where nothing tells."""
        pace = Pace(step.done, step.of, step.moved - step.began) if step.done else None
        left = time_left(step.index, step.total, now - step.began, pace, self._expected)
        return "" if left is None else f"about {human_duration(left)} left"

    def _shown(self, text: str) -> str:
        return encodable(printable(text), self._stream)

    def _beat(self) -> None:
        while not self._ended.wait(max(0.0, min(self._heartbeat_s, self._silent_for()))):
            if self._silent_for() <= 0:
                self._say(self.heartbeat_text())

    def _silent_for(self) -> float:
        """Seconds until the next heartbeat is due."""
        return self._spoke + self._heartbeat_s - self._clock()

    def heartbeat_text(self) -> str:
        """Where the build is, on one line: ``… compile 3/6: 120/600 after 2m10s (kernels/conv.cc)``."""
        now, step = self._clock(), self._step
        if step is None:
            return f"… working, {human_duration(now - self._began)}"
        with self._lock:
            transfers = tuple(self._transfers.values())
        parts = [f"… {step.title} {step.index}/{step.total}:"]
        if step.of:
            parts.append(f"{step.done}/{step.of}")
        if transfers:
            done = human_size(sum(t.done for t in transfers))
            noun = "download" if len(transfers) == 1 else "downloads"
            sizes = [t.total for t in transfers if t.total is not None]
            total = f" of {human_size(sum(sizes))}" if len(sizes) == len(transfers) else ""
            parts.append(f"{len(transfers)} {noun}, {done}{total}")
        parts.append(f"after {human_duration(now - step.began)}")
        if left := self._left(step, now):
            parts.append(f"({left})")
        if step.current:
            parts.append(f"({step.current})")
        return " ".join(parts)


@dataclass(frozen=True)
class Pace:
    """``done`` of ``of`` units of a step took ``seconds``."""

    done: int
    of: int
    seconds: float


# From this part of the units on, their pace says more than an earlier run.
_ENOUGH = 0.1


def time_left(
    index: int, total: int, elapsed: float, pace: Pace | None, expected: Mapping[int, float]
) -> float | None:
    """Seconds until the last of ``total`` steps has ended, of which ``index`` runs since ``elapsed`` seconds.

    ``expected`` are the seconds of steps by their number. None where a step is not known, or takes longer
    than it should: no number is better than one that stands still or grows.
    """
    later = [expected.get(number) for number in range(index + 1, total + 1)]
    own = expected.get(index)
    if pace and pace.done and pace.done >= pace.of * _ENOUGH:
        own = pace.seconds / pace.done * pace.of
    if own is None or own < elapsed or None in later:
        return None
    return own - elapsed + sum(each for each in later if each is not None)


def _step_line(
    step: _Step, now: float, spinner: Spinner, shown: Callable[[str], str], left: str
) -> RenderableType:
    grid = Table.grid(padding=(0, 1), expand=True)
    cells: list[RenderableType] = [spinner, Text(shown(f"[{step.index}/{step.total}] {step.title}"), "bold")]
    if step.of:
        cells += [ProgressBar(step.of, step.done, width=24), Text(f"{step.done}/{step.of}")]
    cells += [Text(human_duration(now - step.began), "dim")]
    if left:
        cells += [Text(left, "dim")]
    for _ in cells:
        grid.add_column(no_wrap=True)
    # The only one that may be shortened: a wrapped line would make the display jump.
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_row(*cells, Text(shown(step.current), "dim"))
    return grid


def _transfer_line(transfer: _Transfer, now: float, shown: Callable[[str], str]) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True, overflow="ellipsis", width=30)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    total = f" of {human_size(transfer.total)}" if transfer.total else ""
    speed = f"{human_size(transfer.speed(now))}/s"
    grid.add_row(
        Text(shown(f"  {transfer.name}")),
        ProgressBar(transfer.total or None, transfer.done, width=24, pulse=not transfer.total),
        Text(f"{human_size(transfer.done)}{total}  {speed}"),
    )
    return grid


def render_error(
    error: TfBuildError, stream: TextIO | None = None, *, env: Mapping[str, str] | None = None
) -> None:
    """Print ``error`` as ``error: …``, its details, ``hint: …`` and ``log: …``; on GitHub annotate it too."""
    stream = sys.stderr if stream is None else stream
    env = os.environ if env is None else env
    display = Display.of(stream, env)
    console = _console(stream, display, env)
    for label, text in error_lines(error):
        head = f"{label}: " if label else ""
        _print(console, stream, display, text, label=head, style=_STYLES.get(label, "bold"))
    if display.github:
        for line in github_annotations(error):
            write_raw(f"{as_called(line)}\n", stream)


def render_rows(
    rows: Sequence[tuple[str, str]], stream: TextIO | None = None, *, env: Mapping[str, str] | None = None
) -> None:
    """Print rows of label and text, one line each; a terminal wraps the text beside its label."""
    stream = sys.stdout if stream is None else stream
    env = os.environ if env is None else env
    display = Display.of(stream, env)
    console = _console(stream, display, env)
    width = max((len(label) for label, _ in rows), default=0)
    for label, text in rows:
        head = f"  {label:<{width}}  " if label else ""
        wide = console.width - len(head) - 1 if display.live else 0
        parts = textwrap.wrap(text, wide, break_on_hyphens=False) if len(text) > wide > 20 else [text]
        style = "cyan" if label else "bold"
        for number, part in enumerate(parts):
            begin = head if number == 0 else " " * len(head)
            _print(
                console, stream, display, part, label=begin, style=style, text_style="" if label else style
            )


def _print(
    console: Console,
    stream: TextIO,
    display: Display,
    text: str,
    *,
    label: str,
    style: str | None,
    text_style: str = "",
) -> None:
    """One line, escaped before it gets a style; ``label`` is ours."""
    shown = encodable(printable(as_called(text)), stream)
    if display.github:
        shown = defused(shown)
    # A log has no width: rich must not fold lines at 80 columns.
    console.print(Text.assemble((label, style or ""), (shown, text_style)), soft_wrap=True)
