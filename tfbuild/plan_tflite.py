"""The plan of a TFLite build from source."""

from __future__ import annotations

from collections.abc import Mapping

from tfbuild.config import ResolvedConfig
from tfbuild.flags import cmake_cache, compile_flags, tflite_cmake_flags
from tfbuild.model import Origin
from tfbuild.plan import STEPS, Circumstances, Plan, Request, Specifics, assemble
from tfbuild.plan_parts import TflitePart
from tfbuild.plan_python import STEPS as PYTHON_STEPS
from tfbuild.plan_python import TOOLS, python_flags, python_part
from tfbuild.release_schema import Release
from tfbuild.smoke import python_cases, smoke_cases


def make_tflite_plan(
    request: Request,
    config: ResolvedConfig,
    release: Release,
    *,
    release_lines: Mapping[str, Origin],
    circumstances: Circumstances,
) -> Plan:
    """``release_lines`` says where the release's file has each key."""
    values = config.values
    python = python_part(request, config, release, circumstances)
    flags = (
        *compile_flags(config, release, release_lines),
        *tflite_cmake_flags(config, release, release_lines),
        *(python_flags(python, request.arch, config) if python else ()),
    )
    part = TflitePart(
        product="tflite",
        cmake_cache=tuple(sorted(cmake_cache(flags).items())),
        xnnpack=values.tflite.xnnpack,
        smoke=(python_cases if python else smoke_cases)(xnnpack=values.tflite.xnnpack),
        python=python,
    )
    pins = release.pins(request.arch)
    made_with = (python.root.key,) if python else ()
    specifics = Specifics(
        title=f"compile TFLite {release.version}",
        image_title="TensorFlow Lite",
        flags=flags,
        part=part,
        notes=(),
        pins=pins,
        compiled_from=(part.cmake_cache, *made_with),
        builder_from=(*pins, *(TOOLS if python else ())),
        image_from=made_with,
        verified_by=(part.smoke,),
        steps=PYTHON_STEPS if python else STEPS,
    )
    return assemble(request, config, release, circumstances, specifics)
