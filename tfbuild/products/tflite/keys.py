"""The keys of a configuration that only TFLite has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import Field

from tfbuild.base.values import Origin
from tfbuild.config.keys import BuildConfig
from tfbuild.config.model import Section
from tfbuild.config.types import CMakeName, Keys, PythonVersion, Text, YamlBool


class TfliteKeys(Keys):
    """Options of TFLite's CMake build."""

    xnnpack: YamlBool = Field(
        default=True, description="Build with the XNNPACK delegate (TFLITE_ENABLE_XNNPACK)."
    )
    gpu_delegate: YamlBool = Field(
        default=False, description="Build with the OpenCL delegate (TFLITE_ENABLE_GPU)."
    )
    ruy: YamlBool = Field(
        default=False, description="Use ruy for matrix products outside XNNPACK (TFLITE_ENABLE_RUY)."
    )
    python: PythonVersion | None = Field(
        default=None, description="Python of an official wheel's image, as '3.11'; null: the release's own."
    )
    cmake_definitions: Mapping[CMakeName, Text] = Field(
        default_factory=dict, description="Further CMake cache entries: NAME: value gives -DNAME=value."
    )


SECTIONS = (Section("tflite", TfliteKeys, "Options of TFLite."),)

# What the build sets by itself from a key: a second value would win or lose by chance.
_OWNED_DEFINITIONS: Mapping[str, str] = {
    "TFLITE_ENABLE_XNNPACK": "tflite.xnnpack",
    "TFLITE_ENABLE_GPU": "tflite.gpu_delegate",
    "TFLITE_ENABLE_RUY": "tflite.ruy",
    "CMAKE_C_FLAGS": "compile.cflags",
    "CMAKE_CXX_FLAGS": "compile.cxxflags",
    "CMAKE_C_FLAGS_RELEASE": "compile.cflags",
    "CMAKE_CXX_FLAGS_RELEASE": "compile.cxxflags",
    "CMAKE_EXE_LINKER_FLAGS": "compile.ldflags",
    "CMAKE_SHARED_LINKER_FLAGS": "compile.ldflags",
    "CMAKE_INTERPROCEDURAL_OPTIMIZATION": "compile.lto",
    "CMAKE_C_COMPILER_LAUNCHER": "compile.ccache",
    "CMAKE_CXX_COMPILER_LAUNCHER": "compile.ccache",
    "CMAKE_BUILD_TYPE": "compile.optimisation",
}


def contradictions(values: BuildConfig, origins: Mapping[str, Origin]) -> Iterator[tuple[Origin, str]]:
    """CMake entries that have a key: tensorflow/lite/CMakeLists.txt has the names of the options."""
    for name in values.of(TfliteKeys).cmake_definitions:
        if owner := _OWNED_DEFINITIONS.get(name.partition(":")[0]):
            where = origins[f"tflite.cmake_definitions.{name}"]
            yield where, f"'{name}' is set by the build: use {owner}"
