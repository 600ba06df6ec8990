"""The keys of a build configuration: types, defaults, and what each of them means.

The models are the only place that knows the keys: the JSON schema, the keys of ``--set`` and the
origins of values are derived from them. YAML hands over the raw text of every scalar, so the types
here read text; what a YAML parser would call a number or a truth value stays acceptable as text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import Field

from tfbuild.config.remote.keys import RemoteKeys
from tfbuild.config.remote.layers import CacheKeys
from tfbuild.config.types import (
    CpuName,
    DebianUrl,
    FileStem,
    FileWord,
    Flag,
    JobCount,
    Keys,
    LabelName,
    MacroName,
    MirrorText,
    Optimisation,
    PositiveInt,
    SnapshotTime,
    Text,
    UriText,
    UserId,
    YamlBool,
)

Section = TypeVar("Section", bound=Keys)


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
    compiler: Literal["gcc", "clang"] = Field(
        default="gcc",
        description="What compiles all that a build compiles: the GCC of the builder's Debian, or its clang.",
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


class SourceKeys(Keys):
    """Changes to the source."""

    patches: tuple[Text, ...] = Field(
        default=(),
        description="Patch files, applied in this order with -p1; relative to the file that names them. One "
        "of dependencies/NAME/... changes a locked source.",
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

    suite: FileStem | None = Field(
        default=None,
        description="Debian release to build on, for an older glibc: bookworm, bullseye; null: its own.",
    )
    mirror: DebianUrl | None = Field(
        default=None, description="Debian mirror; null takes the one that the host is set up with."
    )
    security_mirror: DebianUrl | None = Field(
        default=None,
        description="Mirror of the security archive; null: the host's, or none if you set a mirror.",
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
        description="Compile jobs at a time; null: calculated from the engine's CPUs and memory.",
    )
    memory_per_job_mib: PositiveInt = Field(
        default=2048,  # TensorFlow's largest translation units need between 1 and 2 GiB in GCC
        description="Memory in MiB to allow for each compile job when the number of jobs is calculated.",
    )


class SigningKeys(Keys):
    """Who answers for a result."""

    builder_id: UriText | None = Field(
        default=None,
        description="URI of who builds, as the provenance names it; null: nobody is named.",
    )
    key: Text | None = Field(
        default=None,
        description="Private key file that signs, Ed25519 or ECDSA; relative to the file that names it.",
    )
    command: tuple[Text, ...] = Field(
        default=(),
        description="Program that signs instead, for HSM and KMS: bytes on stdin, base64 on stdout.",
    )
    public_key: Text | None = Field(
        default=None, description="Public key of 'command': what that prints is checked with it."
    )


class BuildConfig(Keys):
    """The values that a configuration, an ``arch`` section or ``--set`` can give for every product.

    The model that files are read with also has a section for each product: :mod:`tfbuild.config.model`.
    """

    compile: CompileKeys = Field(default=CompileKeys(), description="What every build tool understands.")
    source: SourceKeys = Field(default=SourceKeys(), description="Changes to the source.")
    runtime: RuntimeKeys = Field(default=RuntimeKeys(), description="The runtime image.")
    debian: DebianKeys = Field(default=DebianKeys(), description="Where Debian packages come from.")
    mirrors: tuple[MirrorText, ...] = Field(
        default=(),
        description="PREFIX=REPLACEMENT: where downloads are tried first; after TFBUILD_MIRRORS, in order.",
    )
    resources: ResourceKeys = Field(default=ResourceKeys(), description="How much of the machine to take.")
    remote: RemoteKeys = Field(default=RemoteKeys(), description="A cluster, or a cache that others share.")
    cache: CacheKeys = Field(default=CacheKeys(), description="Builders that a team shares.")
    signing: SigningKeys = Field(default=SigningKeys(), description="Who answers for a result.")
    distributable: YamlBool = Field(
        default=True, description="False marks image and manifest: not to be handed to other machines."
    )
    distributable_note: Text | None = Field(
        default=None, description="Why it is not to be handed on; shown in image and manifest."
    )
    policy: FileWord | None = Field(
        default=None,
        description="Policy to verify against: a name in build_configs/policies/, or a path from this file's "
        "folder; null: the default one.",
    )

    def of(self, section: type[Section]) -> Section:
        """A product's section, by the type of its keys."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, section):
                return value
        raise TypeError(f"no product of this configuration has {section.__name__}")
