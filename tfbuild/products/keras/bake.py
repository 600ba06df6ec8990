"""The ``docker buildx bake`` definition of an image with Keras; pure."""

from __future__ import annotations

from tfbuild.build.buildkit.bake import BakeFile, BakeOptions, Stages
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.products.keras.part import KerasPart


def keras_definition(
    plan: Plan[KerasPart],
    layout: Layout,
    options: BakeOptions = BakeOptions(),  # noqa: B008 - frozen
) -> BakeFile:
    """The definition. Nothing in it has a network, so there is neither a secret nor a job count."""
    if plan.runtime_root is None:
        raise TypeError(f"{plan.build_id} does not list the packages in its image")
    stage = "gpu" if plan.part.variant == "gpu" else "image"
    suffix = "-healthcheck" if plan.part.healthcheck else ""
    stages = Stages(
        plan,
        layout,
        options,
        "keras",
        contexts={
            "base": "target:root",
            "target-root": "target:target-root",
            "wheels": str(layout.downloads),
            "request": str(layout.request),
            "app-wheels": str(layout.archives),
            "app-request": str(layout.app_request),
            "app": str(layout.app),
            "model": str(layout.model),
        },
        arguments={"PYTHON": plan.part.python, "RUNTIME_BASE": plan.image.base},
        builders=(),
        image={"target": stage + suffix},
    )
    return stages.definition(
        {
            # The files of the target's packages: nothing of them runs, so no platform is named.
            "target-root": stages.root(plan.runtime_root),
            "install": stages.folder("dist", layout.out),
            "application": stages.target(
                "application", f"type=tar,dest={layout.runtime / 'application.tar'}"
            ),
        }
    )
