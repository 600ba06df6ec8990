"""The ``docker buildx bake`` definition of a TFLite build; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfbuild.build.buildkit.bake import (
    NO_PROVENANCE,
    _epoch,
    export_of,
    exported,
    image_target,
    loaded_contexts,
    loaded_targets,
    root_target,
    runtime_root_target,
    secret_list,
)
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.products.tflite.python.plan import TOOLS

# Stages of the recipe that need a network, and so go into a bundle.
TFLITE_BUILDERS = ("builder",)


def definition(
    plan: Plan,
    layout: Layout,
    *,
    jobs: int = 0,
    labels: Mapping[str, str] | None = None,
    ca_bundle: Path | None = None,
    secrets: Sequence[str] = (),
    builders: Mapping[str, Path] | None = None,
    nonce: str = "",
) -> dict[str, Any]:
    """The bake definition. ``ca_bundle`` becomes a secret, never a layer, as ``secrets``; ``builders`` are
    root filesystems in the place of stages; ``nonce`` makes the logs target run again."""
    recipe = layout.project / "dockerfiles"
    platform, python = plan.arch.platform, plan.tflite.python
    foreign = plan.arch is not plan.root.arch
    arguments = {
        "BUILD_ARCH": str(plan.root.arch),
        "TARGET_ARCH": str(plan.arch),
        "TRIPLET": platform.triplet,
        "MULTIARCH": platform.multiarch,
        "DEPENDENCIES": " ".join(plan.packages),
        "TOOLS": " ".join(TOOLS) if python else "",
        "PYTHON_VERSION": python.version if python else "",
        "HOST_TOOLS": " ".join(plan.tflite.host_tools),
        "BUILD_ID": plan.tree_id,
        "VERSION": plan.library_version,
        "STRIP": "true" if plan.strip else "false",
        "DEBUG_INFO": plan.debug_info,
        "XNNPACK": "true" if plan.tflite.xnnpack else "false",
        "QEMU": platform.qemu if foreign else "",
        "RUNTIME_BASE": plan.image.base,
        "RUNTIME_UID": str(plan.image.user),
        "JOBS": str(jobs or plan.jobs or 1),
        **_epoch(plan),
    }
    unpacked = plan.runtime_root if python else None
    roots = {"python-root": root_target(recipe, layout.root(unpacked))} if unpacked else {}
    contexts = {
        "base": "target:root",
        "downloads": str(layout.downloads),
        "dependencies": str(layout.dependencies),
        "source": str(layout.source(plan)),
        "request": str(layout.request),
        "toolchains": str(layout.project / "toolchains" / "cmake"),
        "common": str(recipe / "common"),
        "python": "target:python-root" if roots else str(layout.wheel),
        "wheel": str(layout.wheel),
        **loaded_contexts(builders),
    }

    def target(stage: str, output: str, **more: Any) -> dict[str, Any]:
        return {
            "context": str(recipe / "tflite"),
            "target": stage,
            "contexts": contexts,
            "args": arguments,
            "output": [output],
            "attest": NO_PROVENANCE,
            **secret_list(ca_bundle, secrets),
            **more,
        }

    targets = {
        **roots,
        "root": root_target(recipe, layout.root(plan.root)),
        "builder": target("builder", "type=cacheonly"),
        "compile": target("dist", f"type=local,dest={layout.out}"),
        "logs": target("logs", f"type=local,dest={layout.logs}", args={**arguments, "LOGS_NONCE": nonce}),
        "smoke": target("smoke", f"type=local,dest={layout.smoke}"),
        # A tar keeps owners and modes whoever runs the client.
        "runtime-files": target("runtime-files", f"type=tar,dest={layout.runtime / 'runtime.tar'}"),
        "image": image_target(plan, layout, recipe / "tflite" / "image.Dockerfile", labels or {}),
        **{export_of(stage): target(stage, exported(plan, layout, stage)) for stage in TFLITE_BUILDERS},
        **loaded_targets(recipe, builders),
    }
    return {"target": {**targets, **runtime_root_target(plan, layout, recipe)}}
