"""The ``docker buildx bake`` definition of a model server that is linked with a wheel; pure."""

from __future__ import annotations

from tfbuild.build.buildkit.bake import BakeFile, BakeOptions, Builder, Stages
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.products.serving.files import image_arguments
from tfbuild.products.serving.part import WheelServerPart
from tfbuild.products.serving.wheel.plan import builder_packages

# Stages of the recipe that need a network, and so go into a bundle.
BUILDERS = ("builder", "probe-builder")


def definition(
    plan: Plan[WheelServerPart],
    layout: Layout,
    options: BakeOptions = BakeOptions(),  # noqa: B008 - frozen
) -> BakeFile:
    """The definition: the compile has a Dockerfile of its own, image and smoke test are those of any model
    server."""
    stages = Stages(
        plan,
        layout,
        options,
        "serving",
        contexts={
            "tensorflow": str(layout.dependencies),
            "further": str(layout.archives),
            "wheel": str(layout.wheel),
            "request": str(layout.request),
            "model": str(layout.model),
            "out": str(layout.out),
        },
        arguments={
            "WHEEL_LIBRARIES": " ".join(plan.part.wheel.libraries),
            "JOBS": str(options.jobs or plan.jobs or 1),
        },
        builders=_builders(plan),
        image_arguments=image_arguments(plan.part),
    )
    own = {"dockerfile": str(stages.dockerfiles / "serving" / "wheel" / "Dockerfile")}
    return stages.definition(
        {
            "compile": {**stages.folder("dist", layout.out), **own},
            "logs": {**stages.folder("logs", layout.logs, LOGS_NONCE=options.nonce), **own},
        }
    )


def _builders(plan: Plan[WheelServerPart]) -> tuple[Builder, ...]:
    builder, probe_builder = BUILDERS
    return (
        Builder(
            name=builder,
            packages=builder_packages(plan.part.compiler, plan.arch, plan.root.arch),
            target_packages=(*plan.packages, *plan.part.packages),
        ),
        # The probe runs here, whatever the server runs on.
        Builder(name=probe_builder, arch=plan.root.arch),
    )
