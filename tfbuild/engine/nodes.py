"""Engines on other machines: a user's own list of them, and the variables by which programs reach one.

A node is a docker context, so how it is reached (ssh, TLS) and with which keys is docker's own configuration:
https://docs.docker.com/engine/manage-resources/contexts/. A file for each node, NAME.yaml, says what a plan
has to know before anything is asked over the network.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem, UsageError
from tfbuild.base.text import shown
from tfbuild.config.binding import bind
from tfbuild.config.types import Keys, PositiveInt
from tfbuild.config.yaml_source import read_yaml

FOLDER = "nodes"  # in the user's own folder
# What docker accepts: https://github.com/docker/cli/blob/v26.1.5/cli/context/store/store.go
_NAME = re.compile("[a-zA-Z0-9][a-zA-Z0-9_.+-]+")


class NodeKeys(Keys):
    """The file of a node; it has the name of its docker context."""

    arch: Arch = Field(description="The architecture of its engine: what is built there without emulation.")
    at_once: PositiveInt | None = Field(
        default=None, description="Builds at a time, at most; null: as its CPUs and memory allow."
    )


@dataclass(frozen=True)
class NodeEntry:
    """A node as its file has it; ``name`` is that of its docker context."""

    name: str
    arch: Arch
    at_once: int | None = None


def read_nodes(personal: Path | None) -> tuple[NodeEntry, ...]:
    """The nodes of the user whose own folder is ``personal``, by name.

    :raises ConfigError: with all that is wrong with any of their files.
    """
    found: list[NodeEntry] = []
    problems: list[ConfigProblem] = []
    for file in sorted((personal / FOLDER).glob("*.yaml")) if personal else ():
        document = read_yaml(file, str(file))
        keys, wrong = bind(document, NodeKeys)
        problems += document.problems or wrong
        if keys is not None and not document.problems:
            found.append(NodeEntry(file.stem, keys.arch, keys.at_once))
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(found)


def node_word(word: str) -> str:
    """``--on``: a name that a docker context can have. Raises :class:`UsageError`."""
    if word and not _NAME.fullmatch(word):
        raise UsageError(
            f"--on '{shown(word)}' cannot be the name of a docker context", hint="docker context ls"
        )
    return word


def node_environment(name: str) -> Mapping[str, str]:
    """The variables by which docker, buildx and docker-py use the context ``name``; none for the own one."""
    if not name:
        return {}
    others = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "BUILDX_BUILDER")
    return {**dict.fromkeys(others, ""), "DOCKER_CONTEXT": name}
