"""The ``docker buildx bake`` definition of a model server's build; pure."""

from __future__ import annotations

from tfbuild.build.buildkit.bake import BakeFile, BakeOptions, Builder, Stages, remote_jobs
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.products.serving.bazel.flags import limits
from tfbuild.products.serving.files import image_arguments
from tfbuild.products.serving.part import ServingPart

# Stages of the recipe that need a network, and so go into a bundle.
BUILDERS = ("builder", "probe-builder")
# Where the number of jobs and the memory are not known yet: a plan that is only printed.
_SOME_MEMORY_MIB = 4096


def serving_definition(
    plan: Plan[ServingPart],
    layout: Layout,
    options: BakeOptions = BakeOptions(),  # noqa: B008 - frozen
) -> BakeFile:
    """The definition. Its nonce makes Bazel look again: a layer of an earlier run says nothing about what is
    in the cache mounts now."""
    contexts = {
        "archives": str(layout.archives),
        "request": str(layout.request),
        "toolchains": str(layout.project / "toolchains" / "bazel"),
        "model": str(layout.model),
        "out": str(layout.out),
        "repositories": str(layout.repositories),
    }
    arguments, builders = _arguments(plan, options), _builders(plan, layout)
    stages = Stages(
        plan,
        layout,
        options,
        "serving",
        contexts,
        arguments,
        builders,
        image_arguments=image_arguments(plan.part),
    )
    return stages.definition(
        {
            "fetch": stages.target("fetch-none" if options.offline else "fetch", "type=cacheonly"),
            "collect-repositories": stages.folder("collected", layout.collected),
            "logs": stages.folder("logs", layout.logs),
        }
    )


def _arguments(plan: Plan[ServingPart], options: BakeOptions) -> dict[str, str]:
    part = plan.part
    jobs, memory_mib = options.jobs or plan.jobs or 1, options.memory_mib or _SOME_MEMORY_MIB
    elsewhere = remote_jobs(plan, options) if plan.remote else None
    return {
        "LIMITS": " ".join(limits(part.bazel.version, jobs, memory_mib, elsewhere)),
        "BINARY": part.binary,
        "NETWORK": "default" if plan.remote else "none",
        "NONCE": options.nonce,
    }


def _builders(plan: Plan[ServingPart], layout: Layout) -> tuple[Builder, ...]:
    builder, probe_builder = BUILDERS
    compiler, bazel = plan.part.compiler, plan.part.bazel
    pins = {pin.name: pin.filename for pin in plan.pins}
    return (
        Builder(
            name=builder,
            packages=(*compiler.packages, *((bazel.package,) if bazel.package else ())),
            target_packages=plan.packages,
            programs={"bazel": pins[bazel.pin]} if bazel.pin else {},
            downloads=layout.downloads,
        ),
        # The probe runs here, whatever the server runs on.
        Builder(name=probe_builder, arch=plan.root.arch),
    )
