"""The ``docker buildx bake`` definition of an image with an official wheel; pure."""

from __future__ import annotations

from tfbuild.build.buildkit.bake import BakeFile, BakeOptions, Stages
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.products.tflite.part import WheelPart


def wheel_definition(
    plan: Plan[WheelPart],
    layout: Layout,
    options: BakeOptions = BakeOptions(),  # noqa: B008 - frozen
) -> BakeFile:
    """The definition; nothing is compiled."""
    if plan.runtime_root is None:
        raise TypeError(f"{plan.build_id} does not list the packages in its image")
    stages = Stages(
        plan,
        layout,
        options,
        "tflite/wheel",
        image_recipe="tflite",
        contexts={"python": "target:python-root", "wheel": str(layout.wheel)},
        arguments={"PYTHON_VERSION": plan.part.python},
    )
    return stages.definition(
        {
            # Only files are taken from it: nothing of it runs, so no platform is named.
            "python-root": stages.root(plan.runtime_root),
            "report": stages.folder("report", layout.out),
        }
    )
