"""What carrying out a plan has in common for every product: the state, steps, roots, builder, logs of failures."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfbuild import bake as bake_tflite
from tfbuild import bake_serving
from tfbuild.bake import Layout
from tfbuild.buildx import bake
from tfbuild.effects import Effects
from tfbuild.errors import BuildError, DownloadError, Interrupted, TfBuildError
from tfbuild.hints import failure_summary
from tfbuild.locks import hold
from tfbuild.package import write_json
from tfbuild.plan import Plan
from tfbuild.plan_parts import ServingPart
from tfbuild.rootfs import RootFacts, bootstrap, read_facts


@dataclass
class Run:
    """The state of one execution."""

    plan: Plan
    layout: Layout
    effects: Effects
    output: Path
    timings: dict[str, float] = field(default_factory=dict)
    roots: dict[str, RootFacts] = field(default_factory=dict)
    downloads: Mapping[str, Path] = field(default_factory=dict)
    number: int = 0

    @property
    def logs(self) -> Path:
        return self.layout.work / "logs"

    def log(self, name: str) -> Path:
        return self.logs / f"{self.number:02}-{name}.log"


@contextmanager
def step(run: Run, step_id: str) -> Iterator[None]:
    run.number += 1
    title = next(step.title for step in run.plan.steps if step.id == step_id)
    run.effects.reporter.step_started(run.number, len(run.plan.steps), title)
    began = time.monotonic()
    try:
        yield
    except TfBuildError as error:
        run.effects.reporter.step_finished("failed", error.message, error.log)
        raise
    except KeyboardInterrupt:
        run.effects.reporter.step_finished("failed", "interrupted")
        raise Interrupted(
            f"interrupted during step {run.number}/{len(run.plan.steps)}, {title}",
            details=("nothing is left running; finished downloads and compiled objects are kept",),
            hint="the same command continues",
        ) from None
    finally:
        run.timings[step_id] = round(time.monotonic() - began, 3)


def existing(log: Path) -> Path | None:
    return log if log.exists() else None


def roots(run: Run) -> str:
    effects, made = run.effects, []
    for role, root in (("builder", run.plan.root), ("runtime", run.plan.runtime_root)):
        if root is None:
            continue
        folder = run.layout.root(root)
        with hold(
            run.layout.cache / "locks" / f"root-{root.key[:16]}.lock",
            what=f"making the {root.suite} root filesystem for {root.arch}",
            wait_s=3600,
            on_wait=effects.reporter.note,
        ):
            facts = read_facts(folder)
            if facts is None and effects.offline:
                raise DownloadError(
                    f"--offline, and there is no {root.suite} root filesystem for {root.arch} in the cache",
                    hint="build once without --offline",
                )
            if facts is None:
                facts = bootstrap(
                    root,
                    folder,
                    effects.archive_of(root),
                    runner=effects.runner,
                    log=run.log(f"root-{role}"),
                    host=effects.host_arch,
                    is_root=effects.is_root,
                )
                made.append(f"{role}: made from {facts.mirror}")
            else:
                made.append(f"{role}: cached")
        run.roots[role] = facts
    return ", ".join(made)


def bake_targets(
    run: Run, targets: tuple[str, ...], log: Path, failure: type[TfBuildError], **options: Any
) -> None:
    plan, layout, effects = run.plan, run.layout, run.effects
    document = definition(
        plan, layout, environment=effects.proxies, ca_bundle=effects.ca_bundle, jobs=jobs(run), **options
    )
    write_json(layout.bake_file, document)
    bake(
        effects.find_cli(),
        layout.bake_file,
        targets,
        runner=effects.runner,
        reporter=effects.reporter,
        log=log,
        failure=failure,
    )


def jobs(run: Run) -> int:
    """Parallel compile jobs: what was asked for, else what the engine's CPUs and memory allow."""
    if run.plan.jobs:
        return run.plan.jobs
    info = run.effects.engine.info()
    return max(1, min(info.cpus, info.memory // (run.plan.memory_per_job_mib << 20)))


def builder(run: Run) -> str:
    try:
        bake_targets(run, ("builder",), run.log("builder"), BuildError)
    except BuildError as error:
        if not run.effects.offline:
            raise
        raise DownloadError(
            "--offline, and the builder image is not in the engine's cache",
            details=error.details,
            hint="build once without --offline",
            log=error.log,
        ) from error
    return ""


def explained(run: Run, error: BuildError) -> BuildError:
    """The same failure with the complete logs, which a failed build step leaves in its cache mount."""
    shutil.rmtree(run.layout.logs, ignore_errors=True)
    try:
        transcript = run.logs / "read-logs.log"
        bake_targets(run, ("logs",), transcript, BuildError, nonce=str(time.time_ns()))
    except TfBuildError:
        return error
    transcript.unlink(missing_ok=True)
    logs = sorted(run.layout.logs.glob("*.log"), key=lambda path: path.stat().st_mtime_ns)
    for log in logs:
        shutil.copyfile(log, run.log(f"compile-{log.stem}"))
    if not logs:
        return error
    last = run.log(f"compile-{logs[-1].stem}")
    summary = failure_summary(last.read_text(errors="replace").splitlines())
    opening = (f"first error: {summary.first_error}",) if summary.first_error else ()
    return BuildError(
        f"the {logs[-1].stem} phase of the build failed",
        details=(*opening, *summary.tail[-10:]),
        hint=summary.hint or error.hint,
        log=last,
    )


def timestamp(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))
