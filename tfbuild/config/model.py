"""The model that configuration files are read with: the common keys, and the sections of all products."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Any

from pydantic import Field, create_model

from tfbuild.base.arch import Arch
from tfbuild.base.values import Origin
from tfbuild.config.keys import BuildConfig
from tfbuild.config.types import FileWord, Keys, Prose, YamlBool

# In the place of a file: none, where a release would have one.
NO_FILE = "none"

# What a configuration must not say at the same time: the place of the value that has to go, and why.
Contradictions = Callable[[BuildConfig, Mapping[str, Origin]], Iterator[tuple[Origin, str]]]


@dataclass(frozen=True)
class Section:
    """The keys that one product has under a name of its own.

    ``files`` are those that name files, one (or the word ``none``) or a list: what has to be in them is for
    the product to say.
    """

    name: str
    keys: type[Keys]
    description: str
    command: str  # of the product
    files: tuple[str, ...] = ()


class FileKeys(Keys):
    """What a file in ``build_configs/`` says besides values."""

    description: Prose = Field(description="One sentence for list-configs; not inherited.")
    extends: FileWord | None = Field(
        default=None,
        description="Config whose values hold unless given here: a name, or a path from this file's folder.",
    )
    abstract: YamlBool = Field(
        default=False, description="True for a file that is only there to be extended; not inherited."
    )
    arches: tuple[Arch, ...] | None = Field(
        default=None, description="Architectures that the config applies to; null: all. Inherited."
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


@dataclass(frozen=True, eq=False)
class ConfigModel:
    """``values`` is a whole configuration, ``file`` one file in ``build_configs/``."""

    values: type[BuildConfig]
    file: type[FileKeys]
    contradictions: tuple[Contradictions, ...]
    products: tuple[Section, ...]

    @cached_property
    def keys(self) -> Mapping[str, Key]:
        """Every key that layers and ``--set`` can give, by its dotted path."""
        return MappingProxyType({key.path: key for key in _walk(self.values(), "")})

    @cached_property
    def sections(self) -> frozenset[str]:
        """The dotted paths that hold keys rather than a value."""
        return frozenset(path.rsplit(".", 1)[0] for path in self.keys if "." in path)

    @cached_property
    def files(self) -> frozenset[str]:
        """The dotted paths of keys that name files, besides the common ones."""
        return frozenset(f"{each.name}.{key}" for each in self.products for key in each.files)

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """What keys of products were once called, and what they are called now."""
        names = ((each.name, old, new) for each in self.products for old, new in each.keys.renamed.items())
        return MappingProxyType({f"{section}.{old}": new for section, old, new in names})

    @cached_property
    def file_only(self) -> frozenset[str]:
        """Keys of a file that are no values."""
        return frozenset(self.file.model_fields) - frozenset(self.values.model_fields)


def config_model(sections: tuple[Section, ...], contradictions: tuple[Contradictions, ...]) -> ConfigModel:
    """The model with ``sections``, in their order, after the common keys."""
    fields: dict[str, Any] = {
        each.name: (each.keys, Field(default=each.keys(), description=each.description)) for each in sections
    }
    values = create_model(
        "BuildConfig", __base__=BuildConfig, __doc__="Every value that a configuration can give.", **fields
    )
    arch: Any = Field(
        default_factory=dict, description="Values for one architecture, over those of the file."
    )
    per_arch: dict[str, Any] = {"arch": (Mapping[Arch, values], arch)}  # type: ignore[valid-type]
    bases: Any = (FileKeys, values)
    file: type[FileKeys] = create_model(
        "ConfigFile", __base__=bases, __doc__="A file in ``build_configs/``.", **per_arch
    )
    return ConfigModel(values, file, contradictions, sections)


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
