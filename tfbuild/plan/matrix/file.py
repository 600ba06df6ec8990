"""The file of ``invoke build-all``: which builds are wanted, as lists that are multiplied and by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.config.binding import bind
from tfbuild.config.types import Keys
from tfbuild.config.yaml_source import YamlDocument, read_yaml

Word = Annotated[str, StringConstraints(pattern=r"^\S+$")]
_Set = Annotated[str, StringConstraints(pattern="^[^=]+=")]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
_SET = "KEY=VALUE over the configuration, as --set takes them."
_FROM = "source or wheel, for a product that has the choice."


class Axes(Keys):
    """Lists of which every combination is a build."""

    products: tuple[Word, ...] = Field(description="What is built.", min_length=1)
    releases: tuple[Word, ...] = Field(
        default=(),
        description="Pinned releases, or release files from this file's folder; none: the default.",
    )
    configs: tuple[Word, ...] = Field(
        default=(), description="Build configurations, or their files from this file's folder; none: opt."
    )
    arches: tuple[Arch, ...] = Field(default=(), description="Architectures; none: this machine's.")
    origin: Word | None = Field(default=None, alias="from", description=_FROM)
    set: tuple[_Set, ...] = Field(default=(), description=_SET)


class Exclusion(Keys):
    """Combinations that are left out: those that every list of it names."""

    products: tuple[Word, ...] = Field(default=(), description="Of these products; none: of all.")
    releases: tuple[Word, ...] = Field(default=(), description="Of these releases; none: of all.")
    configs: tuple[Word, ...] = Field(default=(), description="Of these configurations; none: of all.")
    arches: tuple[Arch, ...] = Field(default=(), description="For these architectures; none: for all.")


class NamedBuild(Keys):
    """One build, with what its command takes; its name stands before it."""

    product: Word = Field(description="What is built.")
    release: Word | None = Field(default=None, description="As --release takes it; none: the default.")
    config: Word | None = Field(default=None, description="As --config takes it; none: opt.")
    arch: Arch | None = Field(default=None, description="The architecture; none: this machine's.")
    origin: Word | None = Field(default=None, alias="from", description=_FROM)
    variant: Word | None = Field(default=None, description="As --variant takes it.")
    set: tuple[_Set, ...] = Field(default=(), description=_SET)
    app: str | None = Field(default=None, description="A folder with a program, from this file's folder.")
    model: str | None = Field(default=None, description="A model, from this file's folder.")
    name: Word | None = Field(default=None, description="A word for the changes, as --name takes it.")
    tag: Word | None = Field(default=None, description="The image's name, as --tag takes it.")


class MatrixFile(Keys):
    """The file of ``invoke build-all``."""

    matrix: tuple[Axes, ...] = Field(default=(), description="Lists of which every combination is built.")
    exclude: tuple[Exclusion, ...] = Field(default=(), description="Combinations that are left out.")
    builds: Mapping[Label, NamedBuild] = Field(
        default_factory=dict, description="Further builds, each with a name for the table."
    )


@dataclass(frozen=True)
class ReadMatrix:
    """A file that could be read; ``document`` knows its lines, ``folder`` is where it lies."""

    matrix: MatrixFile
    document: YamlDocument
    folder: Path


def read_matrix(file: Path, shown: str) -> ReadMatrix:
    """The matrix in ``file``, which messages call ``shown``.

    :raises ConfigError: with all that is wrong with it.
    """
    document = read_yaml(file, shown)
    found, problems = bind(document, MatrixFile)
    every = (*document.problems, *(() if document.problems and not document.root.entries else problems))
    if found is not None and not every and not (found.matrix or found.builds):
        every = (document.problem(document.root.origin, "neither 'matrix' nor 'builds' has a build"),)
    if every or found is None:
        raise ConfigError(every)
    return ReadMatrix(found, document, file.parent)
