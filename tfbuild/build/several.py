"""Makes the image of several platforms from finished builds: archive, documents, and the engine's copy."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tfbuild import __version__
from tfbuild.base.arch import Arch
from tfbuild.base.documents import Bytes, HexDigest, Replaced, dump, restore
from tfbuild.base.errors import PackagingError, TfBuildError, VerificationError
from tfbuild.base.values import Finding, Reporter
from tfbuild.build.dist.folder import (
    Artifact,
    BuildDocument,
    Pushed,
    artifact_rows,
    claim,
    is_finished,
    require_places,
    settle,
    swap,
    write_checksums,
    write_json,
)
from tfbuild.build.dist.ownership import (
    CHECKSUMS,
    MANIFEST,
    VERIFY_REPORT,
    read_manifest,
    require_replaceable,
)
from tfbuild.build.dist.replacing import replaced_image, replaced_index, replaced_text
from tfbuild.build.oci_index import (
    SavedImage,
    Tagged,
    read_saved,
    require_platform,
    shared_labels,
    write_index,
)
from tfbuild.build.run import BuildResult
from tfbuild.engine.facts import Engine
from tfbuild.machine.locks import hold
from tfbuild.plan.several import IndexPlan
from tfbuild.verify.report import VerifyReport
from tfbuild.verify.verify import INDEX_ARCHIVE, load_policy, verify_path

ImageDigest = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


@dataclass(frozen=True, kw_only=True)
class IndexedImage:
    """One platform's image in the index; ``size`` is that of its layers as they are stored."""

    arch: Arch
    platform: str
    image: str
    image_id: str
    digest: ImageDigest
    size: Bytes
    build_id: str
    build_key: HexDigest


@dataclass(frozen=True, kw_only=True)
class IndexManifest:
    """``manifest.json`` of the index's folder; ``loaded``: the engine has it under its name."""

    version: Literal[1] = 1
    id: str
    key: HexDigest
    tfbuild: str
    image: str
    digest: ImageDigest
    loaded: bool
    archive: Artifact
    annotations: Mapping[str, str]
    images: tuple[IndexedImage, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class IndexDocument:
    """``--json`` of a build for several architectures."""

    version: Literal[1] = 1
    status: Literal["built", "up-to-date"]
    output: str
    image: str
    digest: ImageDigest
    loaded: bool
    archive: Artifact
    images: tuple[IndexedImage, ...]
    seconds: Annotated[float, Field(ge=0)]
    replaced: tuple[Replaced, ...]
    builds: tuple[BuildDocument, ...]
    pushed: Pushed | None = None


@dataclass(frozen=True)
class IndexEffects:
    """What the making of an index may use; ``project`` has the policies."""

    engine: Engine
    reporter: Reporter
    project: Path
    cache: Path
    lock_wait_s: float


def build_index(
    index: IndexPlan, results: Sequence[BuildResult], output: Path, effects: IndexEffects
) -> IndexDocument:
    """Put the images of ``results`` (in the order of ``index.images``) together in the folder ``output``.

    Raises a :class:`TfBuildError`; what was in ``output`` and the engine's image are then untouched.
    """
    started = time.monotonic()
    key = index.key([result.image_id for result in results])
    with hold(
        effects.cache / "locks" / f"{index.id}-index.lock",
        what=f"putting {index.name} together",
        wait_s=effects.lock_wait_s,
        on_wait=effects.reporter.note,
    ):
        settle(output, index.id)
        manifest = _finished(index, key, output, effects)
        fresh = manifest is None
        replaced: list[Replaced] = []
        if manifest is None:
            require_places(output, index.id)
            replaced += filter(None, (replaced_index(index, output),))
            before = effects.engine.image(index.name)
            effects.reporter.step_started(1, 1, f"image index {index.name}")
            try:
                manifest = _make(index, key, results, output, effects)
            except TfBuildError as error:
                effects.reporter.step_finished("failed", error.message, error.log)
                raise
            effects.reporter.step_finished("ok", _store(manifest))
            if manifest.loaded:
                replaced += filter(None, (replaced_image(index.name, before, manifest.digest),))
            for each in replaced:
                effects.reporter.note(replaced_text(each))
    return IndexDocument(
        status="built" if fresh else "up-to-date",
        output=str(output),
        image=manifest.image,
        digest=manifest.digest,
        loaded=manifest.loaded,
        archive=Artifact(
            path=str(output / INDEX_ARCHIVE), size=manifest.archive.size, sha256=manifest.archive.sha256
        ),
        images=manifest.images,
        seconds=round(time.monotonic() - started, 1),
        replaced=tuple(replaced),
        builds=tuple(result.document() for result in results),
    )


def _store(manifest: IndexManifest) -> str:
    count = f"{len(manifest.images)} platforms"
    return count if manifest.loaded else f"{count}; a file only, the engine's image store holds no index"


def _finished(index: IndexPlan, key: str, output: Path, effects: IndexEffects) -> IndexManifest | None:
    """What an earlier run with the same key left, if it is all there."""
    stored = read_manifest(output)
    if not stored or not is_finished(output, index.id, key):
        return None
    manifest = read_index_manifest(stored)
    if manifest.loaded != effects.engine.info().containerd_store:
        return None
    if manifest.loaded:
        image = effects.engine.image(manifest.image)
        if image is None or image.id != manifest.digest:
            return None
    return manifest


def read_index_manifest(document: Mapping[str, Any]) -> IndexManifest:
    """The manifest that :func:`tfbuild.base.documents.dump` wrote."""
    return restore(IndexManifest, document)


def _make(
    index: IndexPlan, key: str, results: Sequence[BuildResult], output: Path, effects: IndexEffects
) -> IndexManifest:
    with claim(output, index.id) as staging:
        return _fill(index, key, results, staging, output, effects)


def _fill(
    index: IndexPlan,
    key: str,
    results: Sequence[BuildResult],
    staging: Path,
    output: Path,
    effects: IndexEffects,
) -> IndexManifest:
    archive = staging / INDEX_ARCHIVE
    # Where there is room for it: /tmp may be memory. What a killed process leaves there goes with the rest.
    with tempfile.TemporaryDirectory(dir=staging, prefix=".index-") as folder:
        images = [
            _save(Path(folder) / f"{planned.arch}.tar", planned.image, planned.platform, result, effects)
            for planned, result in zip(index.images, results, strict=True)
        ]
        annotations = shared_labels(images)
        tagged = [Tagged(image, each.image) for image, each in zip(images, index.images, strict=True)]
        digest = write_index(archive, index.name, tagged, annotations).digest
    report = _verify(index, archive, effects)
    write_json(staging / VERIFY_REPORT, dump(report))
    loaded = effects.engine.info().containerd_store
    row = artifact_rows(staging, (INDEX_ARCHIVE,), 0)[0]
    manifest = IndexManifest(
        id=index.id,
        key=key,
        tfbuild=__version__,
        image=index.name,
        digest=digest,
        loaded=loaded,
        archive=Artifact(path=INDEX_ARCHIVE, size=row.size, sha256=row.sha256),
        annotations=annotations,
        images=tuple(
            IndexedImage(
                arch=planned.arch,
                platform=planned.platform,
                image=planned.image,
                image_id=result.image_id,
                digest=image.manifest.digest,
                size=sum(layer.size for layer in image.layers),
                build_id=planned.build_id,
                build_key=planned.key,
            )
            for planned, result, image in zip(index.images, results, images, strict=True)
        ),
        findings=report.findings,
    )
    write_json(staging / MANIFEST, dump(manifest))
    write_checksums(staging)
    require_replaceable(output, index.id)  # again, before the engine's image changes
    if loaded:
        _load(archive, index.name, digest, effects)
    for left in swap(staging, output, index.id):
        effects.reporter.warn(f"couldn't remove {left}")
    effects.reporter.note(f"{index.name}: {output / CHECKSUMS}")
    return manifest


def _save(archive: Path, tag: str, platform: str, result: BuildResult, effects: IndexEffects) -> SavedImage:
    effects.engine.save_image(tag, archive)
    image = read_saved(archive)
    require_platform(image, platform, tag)
    if result.image_id not in image.ids:
        raise PackagingError(
            f"the image {tag} is not the one that was just verified",
            details=(f"built: {result.image_id}", f"found: {', '.join(sorted(image.ids))}"),
            hint="something else took its name meanwhile; run the command again",
        )
    return image


def _verify(index: IndexPlan, archive: Path, effects: IndexEffects) -> VerifyReport:
    """Read the archive back as a user of it would, each platform by its own build's policy."""
    reports = {
        each.platform: verify_path(archive, load_policy(effects.project, each.policy), platform=each.platform)
        for each in index.images
    }
    report = VerifyReport.of_platforms(INDEX_ARCHIVE, reports)
    if report.errors:
        raise VerificationError(
            f"{len(report.errors)} error{'s' if len(report.errors) > 1 else ''} in the image index",
            details=tuple(f"{each.id}: {each.message}" for each in report.errors[:20]),
        )
    return report


def _load(archive: Path, name: str, digest: str, effects: IndexEffects) -> None:
    effects.engine.load_image(archive, name)
    image = effects.engine.image(name)
    if image is None or image.id != digest:
        raise PackagingError(
            f"the engine has no image {name} with the digest {digest} after loading it",
            details=(f"it has {image.id if image else 'none of that name'}",),
            hint="invoke doctor checks the engine",
        )
