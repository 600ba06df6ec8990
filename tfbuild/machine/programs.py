"""How other programs are run, and how they ended: types only. :mod:`tfbuild.machine.runner` has what runs
them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Completed:
    """A program that has ended.

    ``returncode`` is as a shell says it: 128 + n after signal n, and 124 when ``timed_out``. ``tail``
    holds the last lines of its output.
    """

    argv: tuple[str, ...]
    returncode: int
    duration_s: float
    tail: tuple[str, ...] = ()
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        return self.returncode == 0


@dataclass(frozen=True)
class Captured:
    """The answer of a program to a short question; ``returncode`` as in :class:`Completed`."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.returncode == 0


class Runner(Protocol):
    """How the rest of the program starts other programs. Arguments are lists, never shell text.

    ``env`` is laid over the own environment. A non-zero exit is a result, not an exception.

    Raises:
        HostError: the program is not there or cannot be started, or the log cannot be written.
        KeyboardInterrupt: SIGINT or SIGTERM arrived; the program and all that it started are gone.
    """

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
        """Run to the end; ``on_line`` gets each line of stdout and stderr as it arrives.

        ``log`` is replaced by the complete output. ``translate`` turns one line of output into the
        lines that the log, the tail and ``on_line`` get; for programs that speak JSON.
        """

    def capture(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Captured:
        """Ask a short question; stdout and stderr are kept apart and whole."""
