"""The keys of a configuration that only the model server has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from tfbuild.config.model import Section
from tfbuild.config.types import (
    BazelName,
    Flag,
    Keys,
    PositiveInt,
    Text,
    UrlPath,
    WholeNumber,
    YamlBool,
)


class BatchingKeys(Keys):
    """Server-side batching: requests that come at the same time are computed together.

    The names, and what the server demands of the values, are those of BatchingParameters in
    tensorflow_serving/servables/tensorflow/session_bundle_config.proto.
    """

    enabled: YamlBool = Field(default=False, description="Start the server with --enable_batching.")
    max_batch_size: PositiveInt | None = Field(
        default=None, description="Largest batch; null: the server's default (1000)."
    )
    batch_timeout_micros: WholeNumber | None = Field(
        default=None, description="Microseconds to wait for a batch to fill; 0: take what is there."
    )
    max_enqueued_batches: PositiveInt | None = Field(
        default=None, description="Batches that may wait; further requests are refused."
    )
    num_batch_threads: PositiveInt | None = Field(
        default=None, description="Batches computed at a time; null: one for each CPU."
    )
    allowed_batch_sizes: tuple[PositiveInt, ...] = Field(
        default=(), description="Sizes to pad batches to: increasing, the last one max_batch_size."
    )
    pad_variable_length_inputs: YamlBool = Field(
        default=False, description="Pad inputs whose other dimensions differ, so that they fit one batch."
    )


class MonitoringKeys(Keys):
    """Metrics: MonitoringConfig in tensorflow_serving/config/monitoring_config.proto."""

    prometheus: YamlBool = Field(default=False, description="Answer Prometheus on the REST port.")
    path: UrlPath = Field(
        default="/monitoring/prometheus/metrics",
        description="Path of the metrics; upstream's own by default.",
    )


class ServingKeys(Keys):
    """TensorFlow Serving: Bazel, and how the server starts."""

    renamed: ClassVar[Mapping[str, str]] = {
        "remote_cache": "remote.cache",
        "remote_executor": "remote.executor",
    }

    bazel_configs: tuple[BazelName, ...] = Field(
        default=(),
        description="Names of upstream's .bazelrc for --config, such as mkl, mkl_aarch64, cuda_clang.",
    )
    bazel_defines: Mapping[BazelName, Text] = Field(
        default_factory=dict, description="NAME: value gives --define=NAME=value."
    )
    copts: tuple[Flag, ...] = Field(
        default=(), description="Further flags for C and C++ of the target, one per item (--copt)."
    )
    host_copts: tuple[Flag, ...] = Field(
        default=(), description="Flags for the tools that run during the build (--host_copt)."
    )
    linkopts: tuple[Flag, ...] = Field(
        default=(), description="Further flags for linking the target, after compile.ldflags (--linkopt)."
    )
    build_on: Literal["host", "target"] = Field(
        default="host",
        description="'host' cross-compiles if necessary; 'target' builds on an engine of that architecture.",
    )
    without: tuple[Text, ...] = Field(
        default=(), description="Parts to leave out of a server that is linked with a wheel, such as tflite."
    )
    op_libraries: tuple[Text, ...] = Field(
        default=(),
        description="Libraries of operators (.so files, or wheels such as tensorflow-text) that such a "
        "server loads when it starts; relative to the file that names them.",
    )
    server_args: tuple[Flag, ...] = Field(
        default=(), description="Arguments that the image always passes to the server, one per item."
    )
    batching: BatchingKeys = Field(default=BatchingKeys(), description="Batching of requests.")
    monitoring: MonitoringKeys = Field(default=MonitoringKeys(), description="Metrics.")


SECTIONS = (
    Section("serving", ServingKeys, "Bazel and the model server.", "build-serving", files=("op_libraries",)),
)
