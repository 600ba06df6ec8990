"""What smoke tests of every product share: a program in the candidate, and one that gave no answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tfbuild.base.values import Finding
from tfbuild.build.run import Run
from tfbuild.engine.facts import RunOptions, RunResult

# The files of a smoke test, in a container.
FOLDER = "/smoke"


def emulator(run: Run[Any]) -> tuple[str, ...]:
    """What starts a program of a foreign image; empty where the host runs it itself."""
    return (f"{FOLDER}/qemu",) if (run.layout.smoke / "qemu").exists() else ()


def smoke_files(run: Run[Any]) -> dict[str, Path]:
    """The files that the recipe's stage 'smoke' made, by their place in a container."""
    folder = run.layout.smoke
    return {
        f"{FOLDER}/{path.relative_to(folder)}": path for path in sorted(folder.rglob("*")) if path.is_file()
    }


def run_program(
    run: Run[Any],
    command: tuple[str, ...],
    *,
    timeout_s: float = 300,
    env: Mapping[str, str] | None = None,
    more: Iterable[Path] = (),
    hidden: tuple[str, ...] = (),
) -> RunResult:
    """``command`` in a fresh container of the candidate, which sees the files of the smoke test and ``more``.

    The folders ``hidden`` are empty there. It has to print something.
    """
    whole = (*emulator(run), *command)
    options = RunOptions(
        platform=run.plan.image.platform,
        entrypoint=whole[:1],
        files={**smoke_files(run), **{f"{FOLDER}/{path.name}": path for path in more}},
        mount=FOLDER,
        env=env or {},
        tmpfs=(*RunOptions.tmpfs, *hidden),
        timeout_s=timeout_s,
        speaks=True,
    )
    return run.effects.engine.run_once(run.layout.candidate, whole[1:], options)


def no_output(what: str, stderr: str = "") -> Finding:
    """A program that ended well and gave no answer: neither a right one nor a wrong one."""
    return Finding(
        "smoke-no-output",
        "error",
        f"{what}: exit code 0, and no answer was printed",
        tuple(stderr.strip().splitlines()[-10:]),
        "the engine lost its output, as happens on a machine that is too busy: run the command again, "
        "it continues; if that does not help, invoke doctor",
    )


def repeated(what: str, ran: RunResult) -> tuple[Finding, ...]:
    """That the program was run twice, because the first run printed nothing."""
    if not ran.repeated:
        return ()
    text = f"{what}: the first run printed nothing, so it was run once more"
    return (Finding("smoke-repeated", "warning", text),)
