"""The ``docker buildx bake`` definition of a TFLite build; pure."""

from __future__ import annotations

from tfbuild.build.buildkit.bake import BUILDER, BakeFile, BakeOptions, Builder, Stages
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.products.tflite.part import TflitePart
from tfbuild.products.tflite.python.plan import TOOLS


def definition(
    plan: Plan[TflitePart],
    layout: Layout,
    options: BakeOptions = BakeOptions(),  # noqa: B008 - frozen
) -> BakeFile:
    """The definition of a build from source, with or without the Python flavour."""
    part, python = plan.part, plan.part.python
    arguments = {
        "PYTHON_VERSION": python.version if python else "",
        "PYTHON_PACKAGE": python.package if python else "",
        "PYTHON_MODULE": python.module if python else "",
        "HOST_TOOLS": " ".join(part.host_tools),
        "LITE_FOLDER": part.folder,
        "LITERT_FOLDER": part.litert or "",
        "VERSION": plan.library_version,
        "XNNPACK": "true" if part.xnnpack else "false",
        "JOBS": str(options.jobs or plan.jobs or 1),
        "NETWORK": "default" if plan.remote else "none",
    }
    unpacked = plan.runtime_root if python else None
    contexts = {
        "dependencies": str(layout.dependencies),
        "request": str(layout.request),
        "toolchains": str(layout.project / "toolchains" / "cmake"),
        "python": "target:python-root" if unpacked else str(layout.wheel),
        "wheel": str(layout.wheel),
    }
    stages = Stages(plan, layout, options, "tflite", contexts, arguments, builders=(_builder(plan, layout),))
    return stages.definition(
        {
            **({"python-root": stages.root(unpacked)} if unpacked else {}),
            "logs": stages.folder("logs", layout.logs, LOGS_NONCE=options.nonce),
        }
    )


def _builder(plan: Plan[TflitePart], layout: Layout) -> Builder:
    host_tools, programs = plan.part.host_tools, plan.part.programs
    return Builder(
        name=BUILDER,
        packages=(
            # A flatc on PATH would be taken before one of the version that the source demands:
            # https://github.com/tensorflow/tensorflow/pull/98643
            *(() if "flatc" in host_tools else ("flatbuffers-compiler",)),
            # What the build compiles for itself needs a native compiler.
            *(("g++",) if host_tools else ()),
            *(TOOLS if plan.part.python else ()),
            *plan.part.build_packages,
        ),
        target_packages=plan.packages,
        programs={pin.name: pin.filename for pin in plan.pins if pin.name in programs},
        downloads=layout.downloads,
    )
