"""The ``docker buildx bake`` definition of an image with Keras; pure, as
:mod:`tfbuild.build.buildkit.bake`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfbuild.build.buildkit.bake import NO_PROVENANCE, image_target, root_target, runtime_root_target
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan


def keras_definition(
    plan: Plan,
    layout: Layout,
    *,
    labels: Mapping[str, str] | None = None,
    **_unused: Any,
) -> dict[str, Any]:
    """The definition. Nothing in it has a network, so there is neither a secret nor a job count."""
    recipe = layout.project / "dockerfiles"
    part, platform = plan.keras, plan.arch.platform
    foreign = plan.arch is not plan.root.arch
    arguments = {
        "PYTHON": part.python,
        "MULTIARCH": platform.multiarch,
        "QEMU": platform.qemu if foreign else "",
        "RUNTIME_BASE": plan.image.base,
        "RUNTIME_UID": str(plan.image.user),
        "SOURCE_DATE_EPOCH": str(plan.source_date_epoch),
    }
    contexts = {
        "base": "target:root",
        "target-root": "target:target-root",
        "wheels": str(layout.downloads),
        "request": str(layout.request),
        "app-wheels": str(layout.archives),
        "app-request": str(layout.app_request),
        "app": str(layout.app),
        "model": str(layout.model),
    }

    def target(stage: str, output: str) -> dict[str, Any]:
        return {
            "context": str(recipe / "keras"),
            "target": stage,
            "contexts": contexts,
            "args": arguments,
            "output": [output],
            "attest": NO_PROVENANCE,
        }

    if plan.runtime_root is None:
        raise TypeError(f"{plan.build_id} says nothing of the packages in its image")
    targets = {
        "root": root_target(recipe, layout.root(plan.root)),
        # The files of the target's packages: nothing of them runs, so no platform is named.
        "target-root": root_target(recipe, layout.root(plan.runtime_root)),
        "install": target("dist", f"type=local,dest={layout.out}"),
        "smoke": target("smoke", f"type=local,dest={layout.smoke}"),
        # A tar keeps owners and modes whoever runs the client.
        "runtime-files": target("runtime-files", f"type=tar,dest={layout.runtime / 'runtime.tar'}"),
        "application": target("application", f"type=tar,dest={layout.runtime / 'application.tar'}"),
        "image": _image(plan, layout, recipe / "keras" / "image.Dockerfile", labels or {}),
    }
    if plan.image.base == "debian":
        targets |= runtime_root_target(plan, layout, recipe)
    return {"target": targets}


def _image(plan: Plan, layout: Layout, dockerfile: Path, labels: Mapping[str, str]) -> dict[str, Any]:
    target = image_target(plan, layout, dockerfile, labels)
    stage = "gpu" if plan.keras.variant == "gpu" else "image"
    contexts = {"runtime-base": "target:runtime-root"} if plan.image.base == "debian" else {}
    suffix = "-healthcheck" if plan.keras.healthcheck else ""
    return {**target, "target": stage + suffix, "contexts": contexts}
