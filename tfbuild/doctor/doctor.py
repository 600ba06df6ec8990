"""All that can stop a build, each with the fix; builds ask the fatal checks first.

Facts are gathered at once (:func:`gather_facts`), then each check is a pure function of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, HostError
from tfbuild.base.printable import joined
from tfbuild.base.project import PROJECT
from tfbuild.config.cpus import load_cpus
from tfbuild.doctor.checks import FATAL_CHECKS, OTHER_CHECKS, CheckResult, DoctorContext, DoctorFacts, Status
from tfbuild.doctor.reach import Probe, ask
from tfbuild.engine import engine
from tfbuild.engine.docker_cli import current_builder, find_docker_cli
from tfbuild.engine.facts import Engine, EngineFacts
from tfbuild.machine.apt import debian_archive_mirrors
from tfbuild.machine.cache import cache_problem
from tfbuild.machine.host import HostFacts, find_program, free_disk, gather, writable
from tfbuild.machine.programs import Runner

DEBIAN_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
# Where a containerd that runs beside the engine keeps images.
_CONTAINERD_ROOT = Path("/var/lib/containerd")

_BUILDER_VARIABLES = ("BUILDX_BUILDER", "DOCKER_CONTEXT")

T = TypeVar("T")
_Words = Annotated[str, Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class DoctorCheck:
    """One check; ``fix`` is null where nothing has to be fixed or no command can."""

    id: Annotated[str, Field(pattern="^[a-z]+(-[a-z]+)*$")]
    status: Status
    found: _Words
    needed: _Words
    fix: _Words | None


@dataclass(frozen=True, kw_only=True)
class DoctorReport:
    """``invoke doctor --json``. New check ids may appear within a version; fields may not."""

    version: Literal[1] = 1
    ready: Annotated[bool, Field(description="No check is fatal; the exit code is 0 then, else 4.")]
    checks: tuple[DoctorCheck, ...]


def run_checks(
    context: DoctorContext,
    *,
    runner: Runner,
    connect: Callable[[], Engine] = engine.connect,
    host: Callable[[], HostFacts] = gather,
    probe: Probe | None = None,
) -> tuple[CheckResult, ...]:
    """All checks, in the order in which their problems are best solved; ``probe`` asks an address."""
    facts = gather_facts(context, runner=runner, connect=connect, host=host)
    facts = replace(facts, reach=ask(os.environ, facts.host.proxies, runner, probe))
    mirrors = debian_archive_mirrors(runner, os_id=facts.host.os.id, codename=facts.host.os.codename)
    facts = replace(facts, mirrors=mirrors)
    return tuple(check(facts, context) for check in (*FATAL_CHECKS, *OTHER_CHECKS))


def fatal_checks(
    context: DoctorContext,
    *,
    runner: Runner,
    connect: Callable[[], Engine] = engine.connect,
    host: Callable[[], HostFacts] = gather,
) -> tuple[CheckResult, ...]:
    """The checks that a build does first; well under a second."""
    facts = gather_facts(context, runner=runner, connect=connect, host=host)
    return tuple(check(facts, context) for check in FATAL_CHECKS)


def require_ready(results: Sequence[CheckResult]) -> None:
    """Raise HostError (exit 4) with the fix of each failed check, if one failed."""
    failed = [result for result in results if result.status is Status.FATAL]
    if not failed:
        return
    first, *others = failed
    details = [f"needed: {first.needed}"]
    details += [f"also {other.id}: {other.found}; {other.fix}" for other in others]
    raise HostError(first.found, details=tuple(details), hint=first.fix or "invoke doctor")


def gather_facts(
    context: DoctorContext,
    *,
    runner: Runner,
    connect: Callable[[], Engine] = engine.connect,
    host: Callable[[], HostFacts] = gather,
) -> DoctorFacts:
    """Everything but the Debian mirror, which takes apt longer than all else together."""
    engine_facts, engine_error = _outcome(lambda: connect().info())
    cli, cli_error = _outcome(lambda: find_docker_cli(runner))
    builder = None
    if cli is not None and engine_facts is not None:
        builder, _ = _outcome(lambda: current_builder(runner, cli))
    wanted = ("mmdebstrap", "newuidmap")
    facts = host()
    is_amd64 = facts.arch is Arch.AMD64
    return DoctorFacts(
        host=facts,
        x86_64_level=load_cpus(PROJECT).x86_64_level(facts.cpu_flags) if is_amd64 else None,
        now=datetime.now(timezone.utc),
        engine=engine_facts,
        engine_error=engine_error,
        cli=cli,
        cli_error=cli_error,
        builder=builder,
        engine_free=_engine_free(engine_facts) if engine_facts else None,
        cache_free=free_disk(context.cache_dir),
        cache_writable=writable(context.cache_dir),
        cache_problem=cache_problem(context.cache_dir),
        builder_variable=next((name for name in _BUILDER_VARIABLES if os.environ.get(name)), ""),
        output_writable=writable(context.output_dir),
        programs=frozenset(name for name in wanted if find_program(name)),
        debian_keyring=DEBIAN_KEYRING.is_file(),
    )


def exit_code(results: Sequence[CheckResult]) -> ExitCode:
    """4 if a fatal check failed, else 0."""
    failed = any(result.status is Status.FATAL for result in results)
    return ExitCode.HOST_NOT_READY if failed else ExitCode.OK


def render_json(results: Sequence[CheckResult]) -> str:
    """The document that ``schemas/doctor.schema.json`` describes."""
    checks = (
        DoctorCheck(id=r.id, status=r.status, found=r.found, needed=r.needed, fix=r.fix or None)
        for r in results
    )
    ready = exit_code(results) is ExitCode.OK
    return json.dumps(dump(DoctorReport(ready=ready, checks=tuple(checks))), indent=2)


def render_text(results: Sequence[CheckResult]) -> str:
    """One line per check; those that are not ok have what is needed and the fix below."""
    width = max((len(r.id) for r in results), default=0)
    lines = []
    for result in results:
        lines.append(f"{result.status.value:<7}  {result.id:<{width}}  {result.found}")
        if result.status is not Status.OK:
            indent = " " * (11 + width)
            lines.append(f"{indent}needed: {result.needed}")
            if result.fix:
                lines.append(f"{indent}fix: {result.fix}")
    return joined(lines)


def _outcome(ask: Callable[[], T]) -> tuple[T | None, HostError | None]:
    try:
        return ask(), None
    except HostError as error:
        return None, error


def _engine_free(facts: EngineFacts) -> int | None:
    """Free bytes on the fullest disk that the engine fills, if it is on this machine and not in a VM."""
    roots = [Path(facts.root_dir), *([_CONTAINERD_ROOT] if facts.containerd_store else [])]
    if not facts.local or not roots[0].is_dir():
        return None
    free = [size for root in roots if root.is_dir() and (size := free_disk(root)) is not None]
    return min(free, default=None)
