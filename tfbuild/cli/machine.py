"""``invoke doctor``, ``setup``, ``clean`` and ``test``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfbuild.base.errors import ExitCode, HostError, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import human_duration, human_size
from tfbuild.machine.cache import cache_root, clear_cache
from tfbuild.machine.locks import hold
from tfbuild.machine.programs import Runner
from tfbuild.machine.runner import SubprocessRunner


def doctor(*, as_json: bool) -> int:
    """``invoke doctor``"""
    from tfbuild.doctor.checks import DoctorContext
    from tfbuild.doctor.doctor import exit_code, render_json, render_text, run_checks
    from tfbuild.machine.cache import cache_root
    from tfbuild.machine.runner import SubprocessRunner

    context = DoctorContext(cache_dir=cache_root(os.environ), output_dir=Path("dist").absolute())
    results = run_checks(context, runner=SubprocessRunner())
    text = render_json(results) if as_json else render_text(results)
    sys.stdout.write(text.rstrip("\n") + "\n")
    return exit_code(results)


def setup(*, check: bool) -> int:
    """``invoke setup``"""
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.doctor.setup import setup
    from tfbuild.machine.cache import cache_root
    from tfbuild.machine.runner import SubprocessRunner

    with ConsoleReporter() as reporter:
        report = setup(
            check,
            runner=SubprocessRunner(),
            reporter=reporter,
            log_dir=cache_root(os.environ) / "state" / "setup",
        )
    for line in report.pending:
        sys.stdout.write(f"would {line}\n")
    for line in report.done:
        sys.stdout.write(f"did: {line}\n")
    if not report.pending and not report.done:
        sys.stdout.write("ready, nothing to do\n")
    return report.exit_code


def clean(*, cache: bool) -> int:
    """``invoke clean``"""

    for line in clean_up(PROJECT, os.environ, cache=cache):
        sys.stdout.write(f"{line}\n")
    return ExitCode.OK


def test(*, fast: bool) -> int:
    """``invoke test``"""

    return run_tests(PROJECT, fast=fast)


def clean_up(project: Path, env: Mapping[str, str], *, cache: bool) -> Iterator[str]:
    """Remove dist/ and, with ``cache``, downloads, sources and root filesystems; one sentence for each.

    BuildKit's cache mounts (build trees, ccache) belong to the engine, which has a command for them.
    """
    dist = project / "dist"
    if dist.is_symlink():
        raise UsageError(f"{dist} is a link; remove what it points to yourself")
    if dist.exists():
        try:
            shutil.rmtree(dist)
        except OSError as error:
            raise HostError(f"couldn't remove {dist}: {error.strerror}", hint="check its owner") from error
        yield f"removed {dist}"
    else:
        yield "no dist/ to remove"
    if cache:
        root = cache_root(env)
        if root.exists():
            _require_unused(root)
            yield f"removed {human_size(clear_cache(root))} from {root}"
        else:
            yield f"no cache at {root}"
        yield "build trees and ccache are in the engine: docker builder prune --filter type=exec.cachemount"


def _require_unused(root: Path) -> None:
    """Raises LockedError, which tells who it is, when a build uses the cache."""
    for lock in sorted((root / "locks").glob("*.lock")):
        with hold(lock, what="clearing the cache", wait_s=0, on_wait=lambda _: None):
            pass


_FOLDERS = ("benchmarks", "dockerfiles", "tests")


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
        Check("schemas", (*python, "tfbuild.cli.schemas", "--check")),
        Check("pytest", (*python, "pytest", *selection)),
    )


def run_tests(project: Path, *, fast: bool, runner: Runner | None = None) -> int:
    """Run them all, one after the other; 0 when all are good, else 1. Says at the end which failed.

    Raises :class:`HostError` when a test tool is not installed.
    """
    runner = runner or SubprocessRunner()
    failed = []
    for check in checks(project, fast=fast):
        sys.stdout.write(f"== {check.name}\n")
        try:
            done = runner.run(check.argv, cwd=project, on_line=lambda line: print(line, flush=True))
        except HostError as error:
            raise HostError(
                f"{check.name} is not installed", details=(error.message,), hint="pip install -e '.[test]'"
            ) from error
        verdict = "ok" if done.ok else f"failed, exit code {done.returncode}"
        sys.stdout.write(f"== {check.name}: {verdict} ({human_duration(done.duration_s)})\n")
        failed += [] if done.ok else [check.name]
    if failed:
        sys.stdout.write(f"failed: {', '.join(failed)}\n")
    return ExitCode.BUG if failed else ExitCode.OK
