"""The keys of a configuration that only TFLite has."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

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
