"""From a plan to a ``docker buildx bake`` definition; pure.

Whoever prints it with ``--dry-run --json`` can run it without this program:
https://docs.docker.com/build/bake/reference/
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan

# Provenance as an attestation would wrap every image into an index; the manifest has it.
NO_PROVENANCE = ["type=provenance,disabled=true"]


def export_of(stage: str) -> str:
    """The target that writes the files of a builder as one tar."""
    return f"export-{stage}"


def exported(plan: Plan, layout: Layout, stage: str) -> str:
    """The output of that target; it gets its name when it is complete."""
    return f"type=tar,dest={layout.builder(plan, stage) / 'rootfs.tar.part'}"


def loaded_contexts(builders: Mapping[str, Path] | None) -> dict[str, str]:
    """A named context takes the place of the stage of its name:
    https://docs.docker.com/reference/cli/docker/buildx/build/#build-context"""
    return {stage: f"target:loaded-{stage}" for stage in builders or {}}


def loaded_targets(recipe: Path, builders: Mapping[str, Path] | None) -> dict[str, dict[str, Any]]:
    return {f"loaded-{stage}": root_target(recipe, folder) for stage, folder in (builders or {}).items()}


def secret_list(ca_bundle: Path | None, more: Sequence[str]) -> dict[str, list[str]]:
    """The key of a target that names its secrets, each as ``docker buildx build --secret`` takes it."""
    found = [*([f"id=ca,src={ca_bundle}"] if ca_bundle else []), *more]
    return {"secret": found} if found else {}


def image_target(plan: Plan, layout: Layout, dockerfile: Path, labels: Mapping[str, str]) -> dict[str, Any]:
    """For the target's platform, and so apart: BuildKit would build everything above once more for it."""
    return {
        "context": str(layout.runtime),
        "dockerfile": str(dockerfile),
        "target": "image" if plan.image.flavour == "native" else "image-python",
        "contexts": {"runtime-base": "target:runtime-root"} if plan.image.base == "debian" else {},
        "args": {"RUNTIME_BASE": plan.image.base, "RUNTIME_UID": str(plan.image.user), **_epoch(plan)},
        "output": ["type=docker"],
        "attest": NO_PROVENANCE,
        "tags": [layout.candidate],
        "platforms": [plan.image.platform],
        "labels": {**dict(plan.image.labels), **labels},
    }


def runtime_root_target(plan: Plan, layout: Layout, recipe: Path) -> dict[str, Any]:
    """The distribution below an image that has one."""
    if not plan.runtime_root or plan.image.base != "debian":
        return {}
    root = root_target(recipe, layout.root(plan.runtime_root))
    return {"runtime-root": {**root, "platforms": [plan.image.platform]}}


def _epoch(plan: Plan) -> dict[str, str]:
    # The files that a layer writes do not carry the time of the build.
    return {"SOURCE_DATE_EPOCH": str(plan.source_date_epoch)}


def root_target(recipe: Path, folder: Path) -> dict[str, Any]:
    """A Debian root filesystem as the base of others."""
    dockerfile = str(recipe / "debian" / "base.Dockerfile")
    return {"context": str(folder), "dockerfile": dockerfile, "output": ["type=cacheonly"]}
