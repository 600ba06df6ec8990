"""The plan of a TFLite build from source."""

from __future__ import annotations

from collections.abc import Mapping

from tfbuild.config import ResolvedConfig
from tfbuild.flags import cmake_cache, compile_flags, tflite_cmake_flags
from tfbuild.model import Origin
from tfbuild.plan import Circumstances, Plan, Request, Specifics, assemble
from tfbuild.plan_parts import TflitePart
from tfbuild.release_schema import Release
from tfbuild.smoke import smoke_cases


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
    flags = (
        *compile_flags(config, release, release_lines),
        *tflite_cmake_flags(config, release, release_lines),
    )
    part = TflitePart(
        product="tflite",
        cmake_cache=tuple(sorted(cmake_cache(flags).items())),
        xnnpack=values.tflite.xnnpack,
        smoke=smoke_cases(xnnpack=values.tflite.xnnpack),
    )
    pins = release.pins(request.arch)
    specifics = Specifics(
        title=f"compile TFLite {release.version}",
        image_title="TensorFlow Lite",
        flags=flags,
        part=part,
        notes=(),
        pins=pins,
        compiled_from=(part.cmake_cache,),
        builder_from=pins,
        verified_by=(part.smoke,),
    )
    return assemble(request, config, release, circumstances, specifics)
