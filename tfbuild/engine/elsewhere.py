"""A runner whose programs have some variables more, as those that use another engine."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfbuild.machine.programs import Captured, Completed, Runner


@dataclass(frozen=True)
class RunnerWith:
    """:class:`Runner` with ``variables`` in the environment of each program."""

    runner: Runner
    variables: Mapping[str, str]

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
        """As :meth:`Runner.run`."""
        return self.runner.run(
            argv,
            log=log,
            env={**self.variables, **(env or {})},
            cwd=cwd,
            on_line=on_line,
            translate=translate,
            input=input,
            timeout_s=timeout_s,
        )

    def capture(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: bytes | None = None,
        timeout_s: float | None = None,
    ) -> Captured:
        """As :meth:`Runner.capture`."""
        return self.runner.capture(
            argv, env={**self.variables, **(env or {})}, cwd=cwd, input=input, timeout_s=timeout_s
        )
