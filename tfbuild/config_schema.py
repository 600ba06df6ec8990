"""The keys of a build configuration: types, defaults, and what each of them means.

The models are the only place that knows the keys: the JSON schema, the keys of ``--set`` and the
origins of values are derived from them. YAML hands over the raw text of every scalar, so the types
here read text; what a YAML parser would call a number or a truth value stays acceptable as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from tfbuild.config_keras import AppKeys, KerasKeys
from tfbuild.config_types import (
    BazelName,
    CMakeName,
    CpuName,
    DebianUrl,
    FileStem,
    Flag,
    JobCount,
    Keys,
    LabelName,
    MacroName,
    MirrorText,
    Optimisation,
    PositiveInt,
    Prose,
    PythonVersion,
    RemoteUrl,
    SnapshotTime,
    Text,
    UrlPath,
    UserId,
    WholeNumber,
    YamlBool,
)
from tfbuild.model import Arch


class CompileKeys(Keys):
    """What CMake and Bazel both understand."""

    march: CpuName | None = Field(
        default=None,
        description="Lowest CPU that the result runs on, in the words of GCC's -march; null: the compiler's.",
    )
    mtune: CpuName | None = Field(
        default=None,
        description="CPU to schedule instructions for, as GCC's -mtune names it; needs no newer CPU to run.",
    )
    optimisation: Optimisation = Field(
        default="2", description="Optimisation level, the letter or digit after -O."
    )
    lto: YamlBool = Field(default=False, description="Link-time optimisation: slower link, smaller result.")
    debug_info: Literal["none", "separate"] = Field(
        default="none",
        description="'separate' compiles with -g and puts the debug information into files of its own.",
    )
    strip: YamlBool = Field(default=True, description="Remove the symbols that running does not need.")
    defines: Mapping[MacroName, Text | None] = Field(
        default_factory=dict, description="Macros: NAME: value gives -DNAME=value, NAME: null gives -DNAME."
    )
    cflags: tuple[Flag, ...] = Field(default=(), description="Further flags for C, one per item.")
    cxxflags: tuple[Flag, ...] = Field(default=(), description="Further flags for C++, one per item.")
    ldflags: tuple[Flag, ...] = Field(default=(), description="Further flags for linking, one per item.")
    ccache: YamlBool = Field(default=True, description="Compile through ccache; the objects are the same.")


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
        description="'host' cross-compiles where need be; 'target' builds on an engine of that architecture.",
    )
    remote_cache: RemoteUrl | None = Field(
        default=None, description="Address of a remote cache; the compile then has the network."
    )
    remote_executor: RemoteUrl | None = Field(
        default=None, description="Address of remote execution; the compile then has the network."
    )
    server_args: tuple[Flag, ...] = Field(
        default=(), description="Arguments that the image always passes to the server, one per item."
    )
    batching: BatchingKeys = Field(default=BatchingKeys(), description="Batching of requests.")
    monitoring: MonitoringKeys = Field(default=MonitoringKeys(), description="Metrics.")


class SourceKeys(Keys):
    """Changes to the source."""

    patches: tuple[Text, ...] = Field(
        default=(),
        description="Patch files, applied in this order with -p1; relative to the file that names them.",
    )


class RuntimeKeys(Keys):
    """The runtime image."""

    base: Literal["scratch", "debian"] = Field(
        default="scratch",
        description="'scratch' holds only what the artifact needs; 'debian' is a slim distribution.",
    )
    flavour: Literal["native", "python"] = Field(
        default="native",
        description="'native': libraries and programs; 'python': a wheel, an image with Python and numpy.",
    )
    user: UserId = Field(
        default=65532,  # the "nonroot" user of distroless images, which cluster policies often name
        description="Numeric user that the image runs as; never 0.",
    )
    labels: Mapping[LabelName, Text] = Field(
        default_factory=dict, description="Further OCI labels of the image."
    )


class DebianKeys(Keys):
    """Where Debian packages come from."""

    mirror: DebianUrl | None = Field(
        default=None, description="Debian mirror; null takes the one that the host is set up with."
    )
    security_mirror: DebianUrl | None = Field(
        default=None,
        description="Mirror of the security archive; null: the host's, or none beside a mirror of yours.",
    )
    security_updates: bool = Field(
        default=True,
        description="Packages with the security archive's fixes; false: as at the last point release.",
    )
    snapshot: SnapshotTime | None = Field(
        default=None, description="State of snapshot.debian.org to build against, as 20261030T080801Z."
    )


class ResourceKeys(Keys):
    """How much of the machine a build takes."""

    jobs: JobCount | None = Field(
        default=None,
        description="Compile jobs at a time; null: reckoned from the engine's CPUs and memory.",
    )
    memory_per_job_mib: PositiveInt = Field(
        default=2048,  # TensorFlow's largest translation units need between 1 and 2 GiB in GCC
        description="Memory in MiB to reckon per compile job when the number of jobs is computed.",
    )


class BuildConfig(Keys):
    """Every value that a configuration, an ``arch`` section or ``--set`` can give."""

    compile: CompileKeys = Field(default=CompileKeys(), description="What every build tool understands.")
    tflite: TfliteKeys = Field(default=TfliteKeys(), description="Options of TFLite.")
    serving: ServingKeys = Field(default=ServingKeys(), description="Bazel and the model server.")
    keras: KerasKeys = Field(default=KerasKeys(), description="TensorFlow and Keras from wheels.")
    app: AppKeys = Field(default=AppKeys(), description="A user's program in an image of Keras.")
    source: SourceKeys = Field(default=SourceKeys(), description="Changes to the source.")
    runtime: RuntimeKeys = Field(default=RuntimeKeys(), description="The runtime image.")
    debian: DebianKeys = Field(default=DebianKeys(), description="Where Debian packages come from.")
    mirrors: tuple[MirrorText, ...] = Field(
        default=(),
        description="PREFIX=REPLACEMENT: where downloads are tried first; after TFBUILD_MIRRORS, in order.",
    )
    resources: ResourceKeys = Field(default=ResourceKeys(), description="How much of the machine to take.")
    distributable: YamlBool = Field(
        default=True, description="False marks image and manifest: not to be handed to other machines."
    )
    distributable_note: Text | None = Field(
        default=None, description="Why it is not to be handed on; shown in image and manifest."
    )
    policy: FileStem | None = Field(
        default=None,
        description="Policy in build_configs/policies/ to verify against; null: the default one.",
    )


class ConfigFile(BuildConfig):
    """A file in ``build_configs/``."""

    description: Prose = Field(description="One sentence for list-configs; not inherited.")
    extends: FileStem | None = Field(
        default=None, description="Config in the same folder whose values hold unless given here."
    )
    abstract: YamlBool = Field(
        default=False, description="True for a file that is only there to be extended; not inherited."
    )
    arches: tuple[Arch, ...] | None = Field(
        default=None, description="Architectures that the config has a meaning for; null: all. Inherited."
    )
    arch: Mapping[Arch, BuildConfig] = Field(
        default_factory=dict, description="Values for one architecture, over those of the file."
    )


class Kind(Enum):
    """How a value merges: a scalar and a list replace, a map merges by entry, ``key+`` appends to a list."""

    SCALAR = "scalar"
    LIST = "list"
    MAP = "map"


@dataclass(frozen=True)
class Key:
    """One settable key; ``path`` is dotted."""

    path: str
    kind: Kind


@cache
def known_keys() -> Mapping[str, Key]:
    """Every key that layers and ``--set`` can give, by its dotted path."""
    return MappingProxyType({key.path: key for key in _walk(BuildConfig(), "")})


def section_names() -> frozenset[str]:
    """The dotted paths that hold keys rather than a value."""
    return frozenset(path.rsplit(".", 1)[0] for path in known_keys() if "." in path)


def _walk(group: Keys, prefix: str) -> tuple[Key, ...]:
    found: list[Key] = []
    for name in type(group).model_fields:
        default, path = getattr(group, name), prefix + name
        if isinstance(default, Keys):
            found.extend(_walk(default, f"{path}."))
        elif isinstance(default, tuple):
            found.append(Key(path, Kind.LIST))
        else:
            found.append(Key(path, Kind.MAP if isinstance(default, Mapping) else Kind.SCALAR))
    return tuple(found)
