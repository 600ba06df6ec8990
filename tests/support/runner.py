"""A runner that starts nothing: it remembers what it was asked, and answers as it was told to."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfbuild.base.errors import HostError
from tfbuild.machine.programs import Captured, Completed
from tfbuild.machine.runner import TAIL_LINES


@dataclass(frozen=True)
class Reply:
    """What a :class:`RecordingRunner` answers to a command that starts with the words of ``match``.

    ``effect`` gets the argv first: it may create the files that the real program would, or raise.
    """

    match: tuple[str, ...]
    returncode: int = 0
    stdout: str = ""
    stderr: str = ""
    effect: Callable[[tuple[str, ...]], None] | None = None
    times: int | None = None  # None: any number


@dataclass(frozen=True)
class Call:
    """A command that a :class:`RecordingRunner` was asked to run."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    input: bytes | None = None
    log: Path | None = None
    timeout_s: float | None = None


class RecordingRunner:
    """Starts nothing, remembers each call, gives the first reply that fits and is not used up.

    A command that no reply fits is an AssertionError; a program named in ``missing`` a HostError.
    """

    def __init__(self, replies: Sequence[Reply] = (), *, missing: Sequence[str] = ()) -> None:
        self.calls: list[Call] = []
        self._replies = tuple(replies)
        self._used = [0] * len(self._replies)
        self._missing = frozenset(missing)

    @property
    def commands(self) -> list[tuple[str, ...]]:
        return [call.argv for call in self.calls]

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
        reply = self._reply(Call(tuple(argv), dict(env or {}), cwd, input, log, timeout_s))
        raw = (reply.stdout + reply.stderr).splitlines()
        lines = raw if translate is None else [text for line in raw for text in translate(line)]
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        if on_line is not None:
            for line in lines:
                on_line(line)
        return Completed(tuple(argv), reply.returncode, 0.0, tuple(lines[-TAIL_LINES:]))

    def capture(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Captured:
        reply = self._reply(Call(tuple(argv), dict(env or {}), cwd, input, None, timeout_s))
        return Captured(reply.returncode, reply.stdout, reply.stderr)

    def _reply(self, call: Call) -> Reply:
        self.calls.append(call)
        if call.argv[0] in self._missing:
            raise HostError(f"couldn't find '{call.argv[0]}' on PATH", hint="invoke doctor")
        for index, reply in enumerate(self._replies):
            used_up = reply.times is not None and self._used[index] >= reply.times
            if not used_up and call.argv[: len(reply.match)] == reply.match:
                self._used[index] += 1
                if reply.effect is not None:
                    reply.effect(call.argv)
                return reply
        raise AssertionError(f"no reply for: {shlex.join(call.argv)}")
