"""Diagnoses a TensorFlow image: reads it, runs it where that can be done, and judges it for a machine.

The engine is not known here: the caller passes what saves an image, and what runs one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tfbuild.artifacts.image.archive import ImageArchive, is_image_archive
from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.diagnose.catalog import Diagnosis, Weight
from tfbuild.diagnose.facts import DiagnoseFacts, ModelFile, Proof
from tfbuild.diagnose.host import TargetHost
from tfbuild.diagnose.known import KnownErrors, RunOutcome, explain
from tfbuild.diagnose.read.image import ReadIsa, read_image
from tfbuild.diagnose.read.isa import read_isa
from tfbuild.diagnose.rules.binaries import cpu_findings, image_arch, library_findings
from tfbuild.diagnose.rules.gpu import gpu_findings
from tfbuild.diagnose.rules.modules import app_findings
from tfbuild.diagnose.rules.operation import operation_findings
from tfbuild.diagnose.rules.packages import python_findings
from tfbuild.diagnose.run import RunCase, measured_shm, proof, run_cases, skipped, why_not

SaveImage = Callable[[str, Path], None]


"""Writes the image that the first argument names to a file; raises NothingMatchesError if there is none."""
RunCases = Callable[[str, tuple[RunCase, ...]], tuple[RunOutcome, ...]]


"""Runs the cases in the image that the first argument names; see :func:`tfbuild.diagnose.run.run_image`."""


@dataclass(frozen=True, kw_only=True)
class PackageVersion:
    """A Python package that matters to TensorFlow."""

    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class ImageSummary:
    """What the image is, in a few facts; the whole of them would be thousands of lines."""

    tags: tuple[str, ...]
    platform: str
    created: str | None
    user: str
    command: tuple[str, ...]
    python: str | None
    packages: tuple[PackageVersion, ...]
    cuda: tuple[str, ...]
    model_servers: tuple[str, ...]
    libc: tuple[str, ...]
    models: tuple[ModelFile, ...]
    unread: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DiagnoseReport:
    """``invoke diagnose --json``"""

    version: Literal[1] = 1
    subject: str
    kind: Literal["image", "image archive"]
    image: ImageSummary
    host: TargetHost
    runs: tuple[RunOutcome, ...]
    findings: tuple[Diagnosis, ...]

    @property
    def errors(self) -> tuple[Diagnosis, ...]:
        return tuple(f for f in self.findings if f.severity is Weight.ERROR)

    @property
    def warnings(self) -> tuple[Diagnosis, ...]:
        return tuple(f for f in self.findings if f.severity is Weight.WARNING)

    @property
    def exit_code(self) -> ExitCode:
        """7 with a finding that will fail; warnings do not count."""
        return ExitCode.VERIFICATION_FAILED if self.errors else ExitCode.OK

    def to_json(self) -> dict[str, Any]:
        """The document that schemas/diagnose.schema.json describes."""
        return dump(self)


@dataclass(frozen=True, kw_only=True)
class DiagnoseEffects:
    """What touches the world. ``run`` is None where the machine is another one than this."""

    save_image: SaveImage
    run: RunCases | None
    host: TargetHost
    known: KnownErrors
    project: Path
    read_isa: ReadIsa = read_isa


def judge(facts: DiagnoseFacts, host: TargetHost, proof: Proof) -> tuple[Diagnosis, ...]:
    """All findings that follow from facts, in the light of what the runs have shown to work. Pure."""
    found = (
        *gpu_findings(facts, host, proof),
        *library_findings(facts, proof),
        *cpu_findings(facts, host, proof),
        *python_findings(facts, proof),
        *operation_findings(facts, host),
    )
    return _one_each(found)


def diagnose(target: str, effects: DiagnoseEffects) -> DiagnoseReport:
    """Diagnoses ``target``: an image archive when a file is there, else an image in the engine.

    Raises UsageError for what is no image, VerificationError for a damaged archive, NothingMatchesError
    for a name that the engine does not know.
    """
    path = Path(target)
    if path.is_file():
        if not is_image_archive(path):
            raise UsageError(
                f"{target} is not an image archive", hint="write one with: docker save -o image.tar IMAGE"
            )
        return _diagnose(path, target, "image archive", effects)
    if path.exists() or target.startswith((".", "/", "~")) or target.endswith(".tar"):
        raise UsageError(
            f"there is no image archive {target}", hint="name an image, or a file of docker save"
        )
    with tempfile.TemporaryDirectory(prefix="tfbuild-diagnose-") as folder:
        file = Path(folder) / "image.tar"
        effects.save_image(target, file)
        return _diagnose(file, target, "image", effects)


def _diagnose(
    path: Path, subject: str, kind: Literal["image", "image archive"], effects: DiagnoseEffects
) -> DiagnoseReport:
    with ImageArchive(path) as archive:
        facts = read_image(archive, subject, effects.read_isa)
    summary = _summary(facts)
    # Judged is the name that was asked for; what else an image or an archive is called is others' business.
    facts = replace(facts, tags=(subject,) if kind == "image" else ())
    runs = _runs(facts, kind, effects)
    host = replace(effects.host, shm_size=measured_shm(runs) or effects.host.shm_size)
    shown = proof(runs)
    app = app_findings(facts.app, shown, effects.known.modules)
    findings = explain((*judge(facts, host, shown), *app), runs, effects.known)
    ordered = sorted(findings, key=lambda f: f.severity is not Weight.ERROR)
    return DiagnoseReport(
        subject=subject,
        kind=kind,
        image=summary,
        host=host,
        runs=runs,
        findings=tuple(ordered),
    )


def _runs(facts: DiagnoseFacts, kind: str, effects: DiagnoseEffects) -> tuple[RunOutcome, ...]:
    if kind != "image":
        return (skipped("an archive is not in the engine: docker load -i FILE, then name the image"),)
    if effects.run is None:
        return (skipped(f"it is judged for {effects.host.name}, which is not this machine"),)
    cases = run_cases(facts, effects.host, effects.project)
    reason = why_not(facts, effects.host, cases)
    return (skipped(reason),) if reason else effects.run(facts.subject, cases)


def _one_each(found: Iterable[Diagnosis]) -> tuple[Diagnosis, ...]:
    """Findings of the same id and title as one; different titles are different faults."""
    merged: dict[tuple[str, str], Diagnosis] = {}
    for each in found:
        key = (each.id, each.title)
        merged[key] = merged[key].with_evidence(*each.evidence) if key in merged else each
    return tuple(merged.values())


def _summary(facts: DiagnoseFacts) -> ImageSummary:
    config = facts.config
    first = next(iter(facts.tensorflow_environments), None)
    shown = (
        "keras",
        "tf-keras",
        "numpy",
        "protobuf",
        "h5py",
        "ml-dtypes",
        "tflite-runtime",
        "ai-edge-litert",
    )
    names = ((first.tensorflow.name,) if first and first.tensorflow else ()) + shown
    environment = first or next(iter(facts.environments), None)
    found = [d for name in names if environment and (d := environment.find(name))]
    arch = image_arch(facts)
    return ImageSummary(
        tags=facts.tags,
        platform=arch.platform.oci if arch else "/".join((config.os, config.architecture)),
        created=config.created,
        user=config.user,
        command=config.entrypoint + config.cmd,
        python=environment.version if environment else None,
        packages=tuple(PackageVersion(name=d.name, version=d.version) for d in found),
        cuda=tuple(sorted({b.cuda or "yes" for b in facts.cuda})),
        model_servers=facts.model_servers,
        libc=tuple(f"{libc.kind} {libc.version or ''}".strip() for libc in facts.libc),
        models=facts.models,
        unread=facts.unread,
    )
