"""A whole configuration: the common keys, and those of each product."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from tfbuild.base.arch import Arch
from tfbuild.config.keys import CompileKeys, DebianKeys, ResourceKeys, RuntimeKeys, SourceKeys
from tfbuild.config.types import FileStem, Keys, MirrorText, Prose, Text, YamlBool
from tfbuild.products.keras.keys import AppKeys, KerasKeys
from tfbuild.products.serving.keys import ServingKeys
from tfbuild.products.tflite.keys import TfliteKeys


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
