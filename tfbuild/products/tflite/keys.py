"""The keys of a configuration that only TFLite has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from tfbuild.base.values import Origin
from tfbuild.config.keys import BuildConfig
from tfbuild.config.model import Section
from tfbuild.config.types import CMakeName, Keys, PythonVersion, Text, YamlBool
from tfbuild.products.tflite.cmake.entries import entry_problem


class TfliteKeys(Keys):
    """Options of TFLite's CMake build."""

    xnnpack: YamlBool = Field(
        default=True, description="Build with the XNNPACK delegate (TFLITE_ENABLE_XNNPACK)."
    )
    xnnpack_compiler: Literal["gcc", "clang"] | None = Field(
        default=None,
        description="What compiles XNNPACK's C files; null: what the release's file says.",
    )
    profile: Text | None = Field(
        default=None,
        description="Profile that clang optimises by (.profdata), relative to the file that names it; null: "
        "the release's, where it has one and clang compiles all; 'none': none.",
    )
    gpu_delegate: YamlBool = Field(
        default=False, description="Build with the OpenCL delegate (TFLITE_ENABLE_GPU)."
    )
    ruy: YamlBool = Field(
        default=False, description="Use ruy for matrix products outside XNNPACK (TFLITE_ENABLE_RUY)."
    )
    ops: Literal["all", "from-models"] = Field(
        default="all",
        description="'from-models': only the operators that the models of tflite.models use are linked.",
    )
    models: tuple[Text, ...] = Field(
        default=(),
        description="Models (.tflite) for 'from-models'; relative to the file that names them.",
    )
    python: PythonVersion | None = Field(
        default=None, description="Python of an official wheel's image, as '3.11'; null: the release's own."
    )
    cmake_definitions: Mapping[CMakeName, Text] = Field(
        default_factory=dict, description="Further CMake cache entries: NAME: value gives -DNAME=value."
    )


SECTIONS = (Section("tflite", TfliteKeys, "Options of TFLite.", "build-tflite", files=("models", "profile")),)


def contradictions(values: BuildConfig, origins: Mapping[str, Origin]) -> Iterator[tuple[Origin, str]]:
    """CMake entries that are not the user's to give."""
    for name in values.of(TfliteKeys).cmake_definitions:
        if why := entry_problem(name):
            yield origins[f"tflite.cmake_definitions.{name}"], why
