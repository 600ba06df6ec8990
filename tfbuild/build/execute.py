"""Carries out a plan, step by step. What to do was decided before; here only what happened is looked at."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfbuild.artifacts.examine import Beside
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.base.documents import dump, restore
from tfbuild.base.errors import DownloadError, HostError, PackagingError, VerificationError
from tfbuild.base.text import human_duration
from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.builders import make_builder
from tfbuild.build.dist.bill import bill_of
from tfbuild.build.dist.contents import code_in_image
from tfbuild.build.dist.folder import (
    artifact_rows,
    claim,
    fill,
    hashes_below,
    is_finished,
    require_places,
    settle,
    swap,
    write_checksums,
    write_json,
)
from tfbuild.build.dist.manifest import (
    BuiltImage,
    Manifest,
    VerifyRecord,
    image_packages,
)
from tfbuild.build.dist.ownership import (
    CHECKSUMS,
    MANIFEST,
    VERIFY_REPORT,
    read_manifest,
    require_replaceable,
)
from tfbuild.build.dist.provenance import Circumstances, provenance_of
from tfbuild.build.dist.replacing import replaced_folder, replaced_image, replaced_text
from tfbuild.build.earlier.times import expected_times
from tfbuild.build.layout import Layout
from tfbuild.build.run import BuildResult, Effects, Recipe, Run
from tfbuild.build.steps import (
    compile_source,
    draft,
    existing,
    fetch_source,
    make_image,
    make_roots,
    step_of,
)
from tfbuild.engine.facts import Engine, ImageFacts
from tfbuild.machine.locks import hold
from tfbuild.plan.plan import Plan
from tfbuild.trust.bill import Bill
from tfbuild.trust.files import CYCLONEDX_FILE, PROVENANCE_FILE, SPDX_FILE
from tfbuild.trust.provenance import provenance_text
from tfbuild.verify.checks.licenses import check_licenses, licensed_of
from tfbuild.verify.image import verify_opened
from tfbuild.verify.policy import Context
from tfbuild.verify.report import NamedPolicy, SubjectKind, VerifyReport
from tfbuild.verify.verify import load_policy, verify_path


def steps_of(recipe: Recipe[Any]) -> Mapping[str, Callable[[Run[Any]], str]]:
    """What carries out each step up to the image, by its id."""
    return {
        "fetch": fetch_source,
        "root": make_roots,
        "builder": make_builder,
        "compile": compile_source,
        "image": make_image,
        **recipe.steps,
    }


def execute(
    plan: Plan[Any], recipe: Recipe[Any], layout: Layout, output: Path, effects: Effects
) -> BuildResult:
    """Build ``plan`` into the folder ``output`` and the engine.

    Raises a :class:`TfBuildError` of the step that failed; what was in ``output`` is then untouched, and the
    next run continues from what is finished. What is in ``output`` and not ours is refused first.
    """
    started = time.monotonic()
    require_locked(plan)
    lock = layout.cache / "locks" / f"{plan.build_id}.lock"
    with hold(
        lock,
        what=f"building {plan.build_id}",
        wait_s=effects.lock_wait_s,
        on_wait=effects.reporter.note,
    ):
        settle(output, plan.build_id)
        result = finished(plan, recipe, output, effects.engine, started)
        if result:
            return result
        require_places(output, plan.build_id)
        replaced = replaced_folder(plan, output)
        if replaced:
            effects.reporter.note(replaced_text(replaced))
        load_policy(layout.project, plan.policy)  # a broken file is told now, not after the compile
        effects.preflight()
        run = Run(plan, recipe, layout, effects, output, replaced=[replaced] if replaced else [])
        shutil.rmtree(run.logs, ignore_errors=True)
        run.logs.mkdir(parents=True)
        try:
            return _walk(run, started)
        finally:
            with suppress(HostError):  # an engine that is gone must not hide what failed
                effects.engine.remove_image(layout.candidate)


def require_locked(plan: Plan[Any]) -> None:
    """Nothing without a hash is ever downloaded for a build, with or without ``--offline``."""
    if plan.unlocked:
        raise DownloadError(
            f"the lock of {plan.product} {plan.release} does not cover this build",
            details=plan.unlocked,
            hint=plan.lock_command,
        )


def finished(
    plan: Plan[Any], recipe: Recipe[Any], output: Path, engine: Engine, started: float
) -> BuildResult | None:
    """The result of an earlier build with the same key, if every file and the image are still there.

    ``started``: :func:`time.monotonic` when somebody began to ask.
    """
    manifest = read_manifest(output)
    if not manifest or not is_finished(output, plan.build_id, plan.key):
        return None
    image = engine.image(plan.image.tag)
    if image is None or image.id != manifest["image"]["id"]:
        return None
    rows = artifact_rows(output, recipe.artifacts, 0)
    findings = tuple(restore(Finding, each) for each in manifest["findings"])
    elapsed = time.monotonic() - started
    return BuildResult(False, output, plan.image.tag, image.id, rows, findings, elapsed)


def _walk(run: Run[Any], started: float) -> BuildResult:
    steps = steps_of(run.recipe)
    times = expected_times(run.plan, run.layout)
    numbers = {number: times.get(step.id) for number, step in enumerate(run.plan.steps, 1)}
    run.effects.reporter.expect({number: found for number, found in numbers.items() if found is not None})
    for step in run.plan.steps[:-2]:
        with step_of(run, step.id):
            detail = steps[step.id](run)
            run.effects.reporter.step_finished("ok", detail, existing(run.log(step.id)))
    with ExitStack() as stack:
        with step_of(run, "verify"):
            staging = stack.enter_context(claim(run.output, run.plan.build_id))
            fill(staging, run.layout.out / "dist", run.logs)
            report, outcomes, findings = _verify(run, staging)
            told = f"{len(outcomes)} {run.recipe.tests}, {len(findings)} warnings"
            run.effects.reporter.step_finished("ok", told)
        with step_of(run, "dist"):
            result = _write(run, staging, report, outcomes, findings, started)
            run.effects.reporter.step_finished("ok", str(run.output))
    return result


def _verify(
    run: Run[Any], staging: Path
) -> tuple[tuple[VerifyReport, ...], list[SmokeOutcome], tuple[Finding, ...]]:
    plan, layout = run.plan, run.layout
    policy = load_policy(layout.project, plan.policy)
    context = Context(
        arch=plan.arch,
        created=plan.source_date_epoch,
        labels=dict(plan.image.labels),
        exports=run.recipe.exports(plan.part),
        keep_symbols=not plan.strip,
        march=plan.march,
        optimised=plan.optimises,
    )
    image = _verify_candidate(run, policy, context)
    reports: tuple[VerifyReport, ...] = (image,)
    if run.recipe.binaries:
        files = verify_path(staging, policy, context=context, checksums=False, symbols=layout.symbols)
        reports = (files, image)
    outcomes, findings = run.recipe.smoke(run)
    findings = [*run.findings, *(each for report in reports for each in report.findings), *findings]
    record = VerifyRecord(
        build_id=plan.build_id, reports=reports, smoke=tuple(outcomes), findings=tuple(findings)
    )
    write_json(layout.work / VERIFY_REPORT, dump(record))
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        details = [line for each in errors for line in (f"{each.id}: {each.message}", *each.evidence)]
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


def _verify_candidate(run: Run[Any], policy: NamedPolicy, context: Context) -> VerifyReport:
    """The image before it has its name, opened once for its findings and the owners of its code."""
    plan, layout = run.plan, run.layout
    archive = layout.work / "image.tar"
    run.effects.engine.save_image(layout.candidate, archive)
    with ImageArchive(archive, platform=plan.image.platform) as image:
        beside = Beside.of(archive, layout.symbols)
        report = verify_opened(image, policy, context, str(archive), SubjectKind.ARCHIVE, beside)
        run.image_code = code_in_image(image)
    archive.unlink()
    return report


def _write(
    run: Run[Any],
    staging: Path,
    reports: tuple[VerifyReport, ...],
    outcomes: list[SmokeOutcome],
    findings: tuple[Finding, ...],
    started: float,
) -> BuildResult:
    # What writes bills takes a tenth of a second to load, and most commands write none.
    from tfbuild.trust.cyclonedx import cyclonedx_text
    from tfbuild.trust.spdx import spdx_text

    plan, effects = run.plan, run.effects
    manifest = _manifest(run, staging, reports, outcomes, findings)
    bill = bill_of(manifest, run.recipe.materials(plan.part))
    findings = (*findings, *_judge_licenses(run, bill, staging))
    require_replaceable(run.output, plan.build_id)  # again, before the image gets its name
    image = _name_image(run)
    write_json(staging / MANIFEST, dump(replace(manifest, findings=findings)))
    (staging / SPDX_FILE).write_text(spdx_text(bill), encoding="utf-8")
    (staging / CYCLONEDX_FILE).write_text(cyclonedx_text(bill), encoding="utf-8")
    provenance = provenance_of(manifest, _circumstances(run, staging))
    (staging / PROVENANCE_FILE).write_text(provenance_text(provenance), encoding="utf-8")
    write_checksums(staging)
    for left in swap(staging, run.output, plan.build_id):
        effects.reporter.warn(f"couldn't remove {left}")
    elapsed = time.monotonic() - started
    rows = artifact_rows(run.output, run.recipe.artifacts, run.timings.get("compile", 0))
    effects.reporter.note(f"{plan.build_id} in {human_duration(elapsed)}; {run.output / CHECKSUMS}")
    return BuildResult(
        True, run.output, plan.image.tag, image.id, rows, findings, elapsed, tuple(run.replaced)
    )


def _manifest(
    run: Run[Any],
    staging: Path,
    reports: tuple[VerifyReport, ...],
    outcomes: list[SmokeOutcome],
    findings: tuple[Finding, ...],
) -> Manifest[Any]:
    plan, image = run.plan, run.effects.engine.image(run.layout.candidate)
    if image is None:
        raise PackagingError(f"the image {run.layout.candidate} is gone", hint="run the same command again")
    return replace(
        draft(run, staging),
        elf=reports[0].facts.elf,
        smoke=tuple(outcomes),
        findings=findings,
        image=BuiltImage(
            name=plan.image.tag,
            id=image.id,
            size=image.size,
            labels=image.labels,
            packages=image_packages(reports[-1].facts.image),
            files=run.image_code,
        ),
    )


def _judge_licenses(run: Run[Any], bill: Bill, staging: Path) -> tuple[Finding, ...]:
    """What the policy has against the licences in ``bill``, also added to verify.json.

    :raises VerificationError: it forbids one of them.
    """
    policy = load_policy(run.layout.project, run.plan.policy).policy
    found = policy.weigh(check_licenses(licensed_of(bill), policy.licenses))
    errors = [each for each in found if each.severity == "error"]
    if errors:
        raise VerificationError(
            f"{len(errors)} error{'s' if len(errors) > 1 else ''} in the licences of what was built",
            details=tuple(f"{each.id}: {each.message}" for each in errors[:20]),
            hint=errors[0].fix,
        )
    if found:
        report = json.loads((staging / VERIFY_REPORT).read_text(encoding="utf-8"))
        write_json(staging / VERIFY_REPORT, {**report, "findings": [*report["findings"], *map(dump, found)]})
    for each in found:
        run.effects.reporter.warn(f"{each.id}: {each.message}")
    return found


def _circumstances(run: Run[Any], staging: Path) -> Circumstances:
    engine = run.effects.engine.info()
    return Circumstances(
        hashes=hashes_below(staging),
        started=run.began,
        finished=time.time(),
        versions={"docker": engine.version, "buildx": run.effects.find_cli().buildx_version},
    )


def _name_image(run: Run[Any]) -> ImageFacts:
    """The verified image under its name, which another image may have had."""
    tag, engine = run.plan.image.tag, run.effects.engine
    before = engine.image(tag)
    engine.tag_image(run.layout.candidate, tag)
    image = engine.image(tag)
    if image is None:
        raise PackagingError(f"the image {tag} is not in the engine", hint="invoke doctor")
    moved = replaced_image(tag, before, image.id)
    if moved:
        run.replaced.append(moved)
        run.effects.reporter.note(replaced_text(moved))
    return image
