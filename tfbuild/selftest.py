"""``invoke test``: every check that this project has, in the order of what is quickest to fail."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tfbuild.errors import ExitCode, HostError
from tfbuild.report_text import human_duration
from tfbuild.runner import Runner, SubprocessRunner
from tfbuild.terminal import write_lines

_FOLDERS = ("benchmarks", "dockerfiles", "tests", "toolchains")


@dataclass(frozen=True)
class Check:
    """One program whose exit code 0 means good."""

    name: str
    argv: tuple[str, ...]


def checks(project: Path, *, fast: bool) -> tuple[Check, ...]:
    """The checks of a full or a fast run; pure but for listing the scripts and Dockerfiles."""
    tools = Path(sys.executable).parent
    python = (sys.executable, "-m")
    files = [path for folder in _FOLDERS for path in sorted((project / folder).rglob("*"))]
    scripts = [*(path for path in files if path.suffix == ".sh"), project / ".ci" / "run"]
    recipes = [path for path in files if path.name.endswith("Dockerfile")]
    selection = ("-m", "not engine") if fast else ()
    return (
        Check("ruff check", (*python, "ruff", "check", ".")),
        Check("ruff format", (*python, "ruff", "format", "--check", ".")),
        Check("mypy", (*python, "mypy")),
        Check("shellcheck", (str(tools / "shellcheck"), *map(str, scripts))),
        Check("hadolint", (str(tools / "hadolint"), *map(str, recipes))),
        Check("schemas", (*python, "tfbuild.schemas", "--check")),
        Check("pytest", (*python, "pytest", *selection)),
    )


def run_tests(project: Path, *, fast: bool, runner: Runner | None = None) -> int:
    """Run them all, one after the other; 0 when all are good, else 1. Says at the end which failed.

    Raises :class:`HostError` when a test tool is not installed.
    """
    runner = runner or SubprocessRunner()
    failed = []
    for check in checks(project, fast=fast):
        write_lines([f"== {check.name}"])
        try:
            done = runner.run(check.argv, cwd=project, on_line=lambda line: write_lines([line]))
        except HostError as error:
            raise HostError(
                f"{check.name} is not installed", details=(error.message,), hint="pip install -e '.[test]'"
            ) from error
        verdict = "ok" if done.ok else f"failed, exit code {done.returncode}"
        write_lines([f"== {check.name}: {verdict} ({human_duration(done.duration_s)})"])
        failed += [] if done.ok else [check.name]
    if failed:
        write_lines([f"failed: {', '.join(failed)}"])
    return ExitCode.BUG if failed else ExitCode.OK
