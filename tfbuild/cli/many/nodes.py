"""The nodes of this user, as the command line names them; asks no engine."""

from __future__ import annotations

from tfbuild.cli.line.own_files import user_places
from tfbuild.engine.nodes import NodeEntry, node_word, read_nodes
from tfbuild.plan.words import host_arch


def entries() -> tuple[NodeEntry, ...]:
    """All of them. Raises :class:`ConfigError`."""
    return read_nodes(user_places().personal)


def node_of(word: str) -> NodeEntry | None:
    """The node that ``--on`` names; of one without a file, the architecture is taken to be this machine's.

    :raises UsageError: it cannot be the name of a docker context.
    """
    if not node_word(word):
        return None
    return next((each for each in entries() if each.name == word), NodeEntry(word, host_arch()))
