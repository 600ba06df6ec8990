"""Carries out a plan, step by step. What to do was decided before; here only what happened is looked at."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfbuild import __version__
from tfbuild.archive import extract
from tfbuild.bake import Layout, candidate_tag, definition
from tfbuild.buildx import bake
from tfbuild.documents import Artifact
from tfbuild.effects import BuildResult, Effects
from tfbuild.engine_facts import RunOptions
from tfbuild.errors import (
    BuildError,
    DownloadError,
    HostError,
    Interrupted,
    PackagingError,
    TfBuildError,
    VerificationError,
)
from tfbuild.first_seen import prove
from tfbuild.flags import cmake_presets
from tfbuild.hints import failure_summary
from tfbuild.locks import hold
from tfbuild.manifest import BuiltImage, Manifest, VerifyRecord, parse_packages
from tfbuild.model import Finding
from tfbuild.package import (
    CHECKSUMS,
    MANIFEST,
    VERIFY_REPORT,
    artifact_rows,
    is_intact,
    read_manifest,
    stage,
    staging_of,
    swap,
    write_checksums,
    write_json,
)
from tfbuild.plan import Plan
from tfbuild.policy import Context
from tfbuild.report_text import human_duration
from tfbuild.rootfs import RootFacts, bootstrap, read_facts
from tfbuild.smoke import SmokeOutcome, judge, parse_outcome
from tfbuild.verify import VerifyReport, load_policy, verify_path

# Main results, in the order of the closing table.
_ARTIFACTS = ("lib/libtensorflowlite.so", "lib/libtensorflowlite_c.so", "bin/benchmark_model")


@dataclass
class _Run:
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


def execute(plan: Plan, layout: Layout, output: Path, effects: Effects) -> BuildResult:
    """Build ``plan`` into the folder ``output`` and the engine.

    Raises a :class:`TfBuildError` of the step that failed; what was in ``output`` is then untouched, and the
    next run continues from what is finished.
    """
    started = time.monotonic()
    lock = layout.cache / "locks" / f"{plan.build_id}.lock"
    with hold(
        lock,
        what=f"building {plan.build_id}",
        wait_s=effects.lock_wait_s,
        on_wait=effects.reporter.note,
    ):
        finished = _finished(plan, output, effects, started)
        if finished:
            return finished
        load_policy(layout.project, plan.policy)  # a broken file is told now, not after the compile
        effects.preflight()
        run = _Run(plan, layout, effects, output)
        shutil.rmtree(run.logs, ignore_errors=True)
        run.logs.mkdir(parents=True)
        try:
            return _walk(run, started)
        finally:
            shutil.rmtree(staging_of(output), ignore_errors=True)
            with suppress(HostError):  # an engine that is gone must not hide what failed
                effects.engine.remove_image(candidate_tag(plan))


def _finished(plan: Plan, output: Path, effects: Effects, started: float) -> BuildResult | None:
    """The result of an earlier build with the same key, if every file and the image are still there."""
    manifest = read_manifest(output)
    if not manifest or manifest.get("key") != plan.key or not is_intact(output):
        return None
    image = effects.engine.image(plan.image.tag)
    if image is None or image.id != manifest["image"]["id"]:
        return None
    rows = artifact_rows(output, _ARTIFACTS, 0)
    findings = tuple(Finding(**each) for each in manifest["findings"])
    elapsed = time.monotonic() - started
    return BuildResult(False, output, plan.image.tag, image.id, rows, findings, elapsed)


def _walk(run: _Run, started: float) -> BuildResult:
    steps: dict[str, Callable[[_Run], str]] = {
        "fetch": _fetch,
        "root": _roots,
        "builder": _builder,
        "compile": _compile,
        "image": _image,
    }
    for step in run.plan.steps[:-2]:
        with _step(run, step.id):
            detail = steps[step.id](run)
            run.effects.reporter.step_finished("ok", detail, _existing(run.log(step.id)))
    with _step(run, "verify"):
        staging = stage(run.output, run.layout.out / "dist", run.logs)
        report, outcomes, findings = _verify(run, staging)
        run.effects.reporter.step_finished("ok", f"{len(outcomes)} inferences, {len(findings)} warnings")
    with _step(run, "dist"):
        result = _write(run, staging, report, outcomes, findings, started)
        run.effects.reporter.step_finished("ok", str(run.output))
    return result


@contextmanager
def _step(run: _Run, step_id: str) -> Iterator[None]:
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


def _existing(log: Path) -> Path | None:
    return log if log.exists() else None


def _fetch(run: _Run) -> str:
    plan, layout = run.plan, run.layout
    run.downloads = run.effects.fetch_all(plan.pins, plan.unhashed)
    if plan.provider != "debian":
        raise BuildError(
            f"{plan.release} can be planned and fetched, but this version cannot compile it",
            details=(
                "its dependencies are not pinned yet, and nothing unpinned is downloaded during a build",
            ),
            hint="--release 2.14.1-debian; invoke list-releases tells which are built",
        )
    extract(
        run.downloads[plan.source.name],
        layout.source(plan),
        strip_prefix=plan.source.strip_prefix,
        subtrees=plan.source.subtrees,
        on_wait=run.effects.reporter.note,
    )
    prove(layout.source(plan), plan.source.tree, plan.source.filename)
    _write_request(run)
    run.log("fetch").write_text("".join(f"{pin.sha256}  {run.downloads[pin.name]}\n" for pin in plan.pins))
    return f"{len(plan.pins)} files, checked"


def _write_request(run: _Run) -> None:
    """The folders that BuildKit sees: presets, patches, packages. Same content, same cache key."""
    plan, layout = run.plan, run.layout
    for folder in (layout.request, layout.downloads):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    presets = cmake_presets(dict(plan.tflite.cmake_cache), plan.arch)
    (layout.request / "CMakePresets.json").write_text(json.dumps(presets, indent=2) + "\n")
    patches = layout.request / "patches"
    patches.mkdir()
    for number, patch in enumerate(plan.patches, start=1):
        source = layout.project / patch.path
        shutil.copyfile(source, patches / f"{number:03}-{source.name}")
    for pin in plan.pins[1:]:
        shutil.copyfile(run.downloads[pin.name], layout.downloads / pin.filename)


def _roots(run: _Run) -> str:
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


def _bake(
    run: _Run, targets: tuple[str, ...], log: Path, failure: type[TfBuildError], **options: Any
) -> None:
    plan, layout, effects = run.plan, run.layout, run.effects
    document = definition(
        plan, layout, environment=effects.proxies, ca_bundle=effects.ca_bundle, jobs=_jobs(run), **options
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


def _jobs(run: _Run) -> int:
    """Parallel compile jobs: what was asked for, else what the engine's CPUs and memory allow."""
    if run.plan.jobs:
        return run.plan.jobs
    info = run.effects.engine.info()
    return max(1, min(info.cpus, info.memory // (run.plan.memory_per_job_mib << 20)))


def _builder(run: _Run) -> str:
    try:
        _bake(run, ("builder",), run.log("builder"), BuildError)
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


def _compile(run: _Run) -> str:
    shutil.rmtree(run.layout.out, ignore_errors=True)
    try:
        _bake(run, ("compile",), run.log("compile"), BuildError)
    except BuildError as error:
        raise _explained(run, error) from error
    for log in sorted((run.layout.out / "log").glob("*.log")):
        shutil.copyfile(log, run.log(f"compile-{log.stem}"))
    return f"{_jobs(run)} jobs"


def _explained(run: _Run, error: BuildError) -> BuildError:
    """The same failure with the complete logs, which a failed build step leaves in its cache mount."""
    shutil.rmtree(run.layout.logs, ignore_errors=True)
    try:
        transcript = run.logs / "read-logs.log"
        _bake(run, ("logs",), transcript, BuildError, nonce=str(time.time_ns()))
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


def _image(run: _Run) -> str:
    for folder in (run.layout.smoke, run.layout.runtime):
        shutil.rmtree(folder, ignore_errors=True)
    run.layout.runtime.mkdir(parents=True)
    base = run.roots["runtime" if run.plan.runtime_root else "builder"]
    labels = {
        # The root filesystem's hash stands for what would be the digest of a registry's image.
        "org.opencontainers.image.base.name": f"debian:{base.suite}",
        "org.opencontainers.image.base.digest": f"sha256:{base.sha256}",
        "org.opencontainers.image.created": _timestamp(run.plan.source_date_epoch),
    }
    _bake(run, ("runtime-files", "smoke"), run.log("runtime-files"), PackagingError)
    _bake(run, ("image",), run.log("image"), PackagingError, labels=labels)
    return run.plan.image.platform


def _timestamp(epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def _verify(
    run: _Run, staging: Path
) -> tuple[tuple[VerifyReport, ...], list[SmokeOutcome], tuple[Finding, ...]]:
    plan, layout, engine = run.plan, run.layout, run.effects.engine
    policy = load_policy(layout.project, plan.policy)
    context = Context(
        arch=plan.arch,
        created=plan.source_date_epoch,
        labels=dict(plan.image.labels),
        exports={"c-library": ("TfLiteXNNPackDelegateCreate",)} if plan.tflite.xnnpack else {},
        keep_symbols=not plan.strip,
    )
    archive = layout.work / "image.tar"
    engine.save_image(candidate_tag(plan), archive)
    reports = (
        verify_path(staging, policy, context=context, checksums=False),
        verify_path(archive, policy, context=context, platform=plan.image.platform),
    )
    archive.unlink()
    outcomes, findings = _smoke(run)
    findings = [*reports[0].findings, *reports[1].findings, *findings]
    record = VerifyRecord(
        build_id=plan.build_id, reports=reports, smoke=tuple(outcomes), findings=tuple(findings)
    )
    write_json(layout.work / VERIFY_REPORT, record.to_json())
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        details = [
            line for finding in errors for line in (f"{finding.id}: {finding.message}", *finding.evidence)
        ]
        raise VerificationError(
            f"{len(errors)} error{'s' if len(errors) > 1 else ''} in what was built",
            details=tuple(details[:20]),
            hint=next((finding.fix for finding in errors if finding.fix), None),
            log=layout.work / VERIFY_REPORT,
        )
    for finding in findings:
        run.effects.reporter.warn(f"{finding.id}: {finding.message}")
    shutil.copyfile(layout.work / VERIFY_REPORT, staging / VERIFY_REPORT)
    return reports, outcomes, tuple(findings)


def _smoke(run: _Run) -> tuple[list[SmokeOutcome], list[Finding]]:
    """Each case in a fresh container of the candidate; foreign ones under the emulator among the files."""
    plan, engine = run.plan, run.effects.engine
    folder = "/smoke"
    files = {f"{folder}/{path.name}": path for path in sorted(run.layout.smoke.iterdir())}
    emulator = (f"{folder}/qemu",) if f"{folder}/qemu" in files else ()
    outcomes: list[SmokeOutcome] = []
    findings: list[Finding] = []
    for number, case in enumerate(plan.tflite.smoke, start=1):
        run.effects.reporter.progress(number, len(plan.tflite.smoke), case.id)
        command = (*emulator, *case.command(folder))
        options = RunOptions(
            platform=plan.image.platform, entrypoint=command[:1], files=files, mount=folder, timeout_s=300
        )
        ran = engine.run_once(candidate_tag(plan), command[1:], options)
        outcome = parse_outcome(case, ran.exit_code, ran.stdout)
        outcomes.append(outcome)
        findings += judge(case, outcome, version=plan.library_version, stderr=ran.stderr)
    return outcomes, findings


def _write(
    run: _Run,
    staging: Path,
    reports: tuple[VerifyReport, ...],
    outcomes: list[SmokeOutcome],
    findings: tuple[Finding, ...],
    started: float,
) -> BuildResult:
    plan, effects = run.plan, run.effects
    effects.engine.tag_image(candidate_tag(plan), plan.image.tag)
    image = effects.engine.image(plan.image.tag)
    if image is None:
        raise PackagingError(f"the image {plan.image.tag} is not in the engine", hint="invoke doctor")
    manifest = Manifest(
        build_id=plan.build_id,
        key=plan.key,
        tfbuild=__version__,
        distributable=plan.distributable,
        plan=plan,
        roots=run.roots,
        packages=parse_packages((run.layout.out / "packages.tsv").read_text()),
        tools=tuple((run.layout.out / "tools.txt").read_text().splitlines()),
        jobs=_jobs(run),
        artifacts=tuple(
            Artifact(path=str(row.path.relative_to(staging)), size=row.size, sha256=row.sha256)
            for row in artifact_rows(staging, _ARTIFACTS, 0)
        ),
        elf=reports[0].facts.elf,
        smoke=tuple(outcomes),
        findings=findings,
        image=BuiltImage(name=plan.image.tag, id=image.id, size=image.size, labels=image.labels),
        seconds=run.timings,
    )
    write_json(staging / MANIFEST, manifest.to_json())
    write_checksums(staging)
    swap(staging, run.output)
    elapsed = time.monotonic() - started
    rows = artifact_rows(run.output, _ARTIFACTS, run.timings["compile"])
    effects.reporter.note(f"{plan.build_id} in {human_duration(elapsed)}; {run.output / CHECKSUMS}")
    return BuildResult(True, run.output, plan.image.tag, image.id, rows, findings, elapsed)
