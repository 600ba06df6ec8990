"""``invoke doctor``, ``setup`` and ``test``."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, HostError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import human_duration
from tfbuild.cli.line.own_files import require_checkout
from tfbuild.machine.cache import cache_root
from tfbuild.machine.programs import Runner
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.machine.terminal import write_json, write_lines, write_text

if TYPE_CHECKING:
    from tfbuild.doctor.checks import CheckResult, DoctorContext


def doctor(*, product: str, config: str = "", as_json: bool) -> int:
    """``invoke doctor``"""
    from tfbuild.cli.many.nodes import entries
    from tfbuild.doctor.checks import DoctorContext
    from tfbuild.doctor.doctor import exit_code, render_json, render_text, run_checks
    from tfbuild.doctor.nodes import check_nodes
    from tfbuild.machine.cache import cache_root
    from tfbuild.machine.runner import SubprocessRunner

    context = DoctorContext(cache_dir=cache_root(os.environ), output_dir=Path("dist").absolute())
    if product:
        context = _context_of(product, context)
    runner = SubprocessRunner()
    found = (*_remote_of(config),) if config else ()
    results = (*run_checks(context, runner=runner), *check_nodes(entries(), runner), *found)
    write_text(render_json(results) if as_json else render_text(results))
    return exit_code(results)


def _remote_of(config: str) -> tuple[CheckResult, ...]:
    """The checks of the configuration's cluster and of its registry."""
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.cli.line.own_files import config_word, user_places
    from tfbuild.cli.registry.access import registry_access
    from tfbuild.cli.registry.check import check_registry
    from tfbuild.doctor.checks import CheckResult, Status
    from tfbuild.doctor.remote import check_remote
    from tfbuild.plan.words import host_arch
    from tfbuild.products.table import load_config

    values = load_config(PROJECT, config_word(config), host_arch(), to_build=False, user=user_places()).values
    with ConsoleReporter() as reporter:
        shared = check_registry(values.cache, registry_access(reporter))
    found = (*check_remote(values.remote, PROJECT), *shared)
    nothing = CheckResult(
        "remote", Status.OK, f"the config '{config}' has no cluster and no registry", "none"
    )
    return found or (nothing,)


def _context_of(product: str, context: DoctorContext) -> DoctorContext:
    """``context`` for a build of the default release of ``product``, as its plan has it."""
    from tfbuild.doctor.checks import Product
    from tfbuild.plan.words import Words, host_arch
    from tfbuild.products.table import plan_of, recipe_of

    plan = plan_of(PROJECT, product, Words(), env=os.environ, build_arch=host_arch())
    recipe = recipe_of(plan)
    needs = recipe.needs(plan.part)
    downloads = sum(pin.size or 0 for pin in plan.pins) + ((needs.download_gib << 30) if needs else 0)
    return replace(
        context,
        engine_disk=needs.disk if needs else context.engine_disk,
        cache_disk=context.cache_disk + downloads,
        product=Product(
            name=f"{plan.product} {plan.release}",
            memory=needs.memory_gib << 30 if needs else None,
            cpu_hours=needs.cpu_hours if needs else None,
            demand=lambda engine: recipe.demand(plan, engine, host_arch()),
        ),
    )


@dataclass(frozen=True, kw_only=True)
class SetupDocument:
    """``invoke setup --json``: what was done, and what with --check would be; both empty: ready already."""

    version: Literal[1] = 1
    done: tuple[str, ...]
    pending: tuple[str, ...]


def setup(*, check: bool, as_json: bool) -> int:
    """``invoke setup``"""
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.doctor.setup import setup
    from tfbuild.machine.runner import SubprocessRunner

    with ConsoleReporter() as reporter:
        report = setup(
            check,
            runner=SubprocessRunner(),
            reporter=reporter,
            log_dir=cache_root(os.environ) / "state" / "setup",
        )
    if as_json:
        write_json(dump(SetupDocument(done=report.done, pending=report.pending)))
        return report.exit_code
    told = [*(f"would {line}" for line in report.pending), *(f"did: {line}" for line in report.done)]
    write_lines(told or ["ready, nothing to do"])
    return report.exit_code


def test(*, fast: bool) -> int:
    """``invoke test``"""
    require_checkout("the tests are those of", "git clone, then: invoke test --fast")

    return run_tests(PROJECT, fast=fast)


_FOLDERS = ("benchmarks", "dockerfiles", "examples", "tests", "toolchains")


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
    pytest = (*python, "pytest", "--durations=25")
    unit = Check("pytest, without an engine", (*pytest, "--numprocesses=auto", "-m", "not engine"))
    # Much of a build is one process that waits for a disk or an emulator, so two groups of tests run side by
    # side (tests/engine/conftest.py). Three took no less time on two cores: they compile side by side.
    side_by_side = ("--numprocesses=2", "--dist=loadscope", "--no-loadscope-reorder")
    engine = Check("pytest, with the engine", (*pytest, *side_by_side, "tests/engine"))
    return (
        Check("ruff check", (*python, "ruff", "check", ".")),
        Check("ruff format", (*python, "ruff", "format", "--check", ".")),
        Check("mypy", (*python, "mypy")),
        Check("shellcheck", (str(tools / "shellcheck"), *map(str, scripts))),
        Check("hadolint", (str(tools / "hadolint"), *map(str, recipes))),
        Check("schemas", (*python, "tfbuild.cli.schemas", "--check")),
        unit,
        *(() if fast else (engine,)),
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
