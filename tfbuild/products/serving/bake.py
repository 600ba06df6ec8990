"""The ``docker buildx bake`` definition of a model server's build; pure, as
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
    runtime_root_target,
    secret_list,
)
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.products.serving.bazel import limits
from tfbuild.products.serving.part import ServingPart

# Stages of the recipe that need a network, and so go into a bundle.
SERVING_BUILDERS = ("builder", "probe-builder")
# Where the number of jobs and the memory are not known yet: a plan that is only printed.
_SOME_MEMORY_MIB = 4096


def serving_definition(
    plan: Plan,
    layout: Layout,
    *,
    jobs: int = 0,
    memory_mib: int = 0,
    labels: Mapping[str, str] | None = None,
    ca_bundle: Path | None = None,
    secrets: Sequence[str] = (),
    builders: Mapping[str, Path] | None = None,
    offline: bool = False,
    nonce: str = "",
) -> dict[str, Any]:
    """The definition; ``jobs`` and ``memory_mib`` are what Bazel may use. ``nonce`` makes Bazel look again:
    a layer of an earlier run says nothing about what is in the cache mounts now. ``builders`` are root
    filesystems in the place of stages; ``offline``: nothing has a network."""
    recipe = layout.project / "dockerfiles"
    arguments = {**_arguments(plan, plan.serving, jobs, memory_mib), "NONCE": nonce}
    contexts = {
        "base": "target:root",
        "downloads": str(layout.downloads),
        "archives": str(layout.archives),
        "source": str(layout.source(plan)),
        "request": str(layout.request),
        "toolchains": str(layout.project / "toolchains" / "bazel"),
        "common": str(recipe / "common"),
        "model": str(layout.model),
        "out": str(layout.out),
        "repositories": str(layout.repositories),
        **loaded_contexts(builders),
    }

    def target(stage: str, output: str) -> dict[str, Any]:
        return {
            "context": str(recipe / "serving"),
            "target": stage,
            "contexts": contexts,
            "args": arguments,
            "output": [output],
            "attest": NO_PROVENANCE,
            **secret_list(ca_bundle, secrets),
        }

    targets = {
        "root": root_target(recipe, layout.root(plan.root)),
        "builder": target("builder", "type=cacheonly"),
        "fetch": target("fetch-none" if offline else "fetch", "type=cacheonly"),
        "collect-repositories": target("collected", f"type=local,dest={layout.collected}"),
        "compile": target("dist", f"type=local,dest={layout.out}"),
        "logs": target("logs", f"type=local,dest={layout.logs}"),
        "smoke": target("smoke", f"type=local,dest={layout.smoke}"),
        # A tar keeps owners and modes whoever runs the client.
        "runtime-files": target("runtime-files", f"type=tar,dest={layout.runtime / 'runtime.tar'}"),
        "image": image_target(plan, layout, recipe / "serving" / "image.Dockerfile", labels or {}),
        **{export_of(stage): target(stage, exported(plan, layout, stage)) for stage in SERVING_BUILDERS},
        **loaded_targets(recipe, builders),
    }
    return {"target": {**targets, **runtime_root_target(plan, layout, recipe)}}


def _arguments(plan: Plan, part: ServingPart, jobs: int, memory_mib: int) -> dict[str, str]:
    platform = plan.arch.platform
    foreign = plan.arch is not plan.root.arch
    pins = {pin.name: pin.filename for pin in plan.pins}
    tools = (*part.compiler.packages, *((part.bazel.package,) if part.bazel.package else ()))
    return {
        "BUILD_ARCH": str(plan.root.arch),
        "TARGET_ARCH": str(plan.arch),
        "TRIPLET": platform.triplet,
        "MULTIARCH": platform.multiarch,
        "BAZEL_FILE": pins[part.bazel.pin] if part.bazel.pin else "",
        "BUILD_PACKAGES": " ".join(tools),
        "TARGET_PACKAGES": " ".join(plan.packages),
        "BUILD_ID": plan.tree_id,
        "LIMITS": " ".join(
            limits(part.bazel.version, jobs or plan.jobs or 1, memory_mib or _SOME_MEMORY_MIB)
        ),
        "BINARY": part.binary,
        "NETWORK": "default" if part.network else "none",
        "STRIP": "true" if plan.strip else "false",
        "DEBUG_INFO": plan.debug_info,
        "QEMU": platform.qemu if foreign else "",
        "RUNTIME_BASE": plan.image.base,
        "RUNTIME_UID": str(plan.image.user),
        "SOURCE_DATE_EPOCH": str(plan.source_date_epoch),
    }
