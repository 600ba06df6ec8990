"""The ``docker buildx bake`` definition of an image with an official wheel; pure, as
:mod:`tfbuild.build.buildkit.bake`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfbuild.build.buildkit.bake import (
    NO_PROVENANCE,
    export_of,
    exported,
    image_target,
    loaded_contexts,
    loaded_targets,
    root_target,
    secret_list,
)
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.products.tflite.bake import TFLITE_BUILDERS


def wheel_definition(
    plan: Plan,
    layout: Layout,
    *,
    labels: Mapping[str, str] | None = None,
    ca_bundle: Path | None = None,
    secrets: Sequence[str] = (),
    builders: Mapping[str, Path] | None = None,
    **_unused: Any,
) -> dict[str, Any]:
    """The definition; the arguments as in :func:`tfbuild.products.tflite.bake.definition`."""
    recipe = layout.project / "dockerfiles"
    platform = plan.arch.platform
    arguments = {
        "MULTIARCH": platform.multiarch,
        "PYTHON_VERSION": plan.wheel.python,
        "QEMU": platform.qemu if plan.arch is not plan.root.arch else "",
        "RUNTIME_UID": str(plan.image.user),
        "SOURCE_DATE_EPOCH": str(plan.source_date_epoch),
    }
    if plan.runtime_root is None:
        raise TypeError(f"{plan.build_id} says nothing of the packages in its image")
    contexts = {
        "base": "target:root",
        "python": "target:python-root",
        "wheel": str(layout.wheel),
        "common": str(recipe / "common"),
        **loaded_contexts(builders),
    }

    def target(stage: str, output: str) -> dict[str, Any]:
        return {
            "context": str(recipe / "wheel"),
            "target": stage,
            "contexts": contexts,
            "args": arguments,
            "output": [output],
            "attest": NO_PROVENANCE,
            **secret_list(ca_bundle, secrets),
        }

    return {
        "target": {
            "root": root_target(recipe, layout.root(plan.root)),
            # Only files are taken from it: nothing of it runs, so no platform is named.
            "python-root": root_target(recipe, layout.root(plan.runtime_root)),
            "builder": target("builder", "type=cacheonly"),
            "report": target("report", f"type=local,dest={layout.out}"),
            "smoke": target("smoke", f"type=local,dest={layout.smoke}"),
            # A tar keeps owners and modes whoever runs the client.
            "runtime-files": target("runtime-files", f"type=tar,dest={layout.runtime / 'runtime.tar'}"),
            "image": image_target(plan, layout, recipe / "tflite" / "image.Dockerfile", labels or {}),
            **{export_of(stage): target(stage, exported(plan, layout, stage)) for stage in TFLITE_BUILDERS},
            **loaded_targets(recipe, builders),
        }
    }
