"""The engines that builds may run on: the one that is in use, and the user's nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tfbuild.base.errors import HostError
from tfbuild.build.matrix.node import arch_of, require_arch
from tfbuild.build.matrix.schedule import HERE, Node
from tfbuild.engine.engine import DockerEngine, connect
from tfbuild.engine.nodes import NodeEntry
from tfbuild.plan.words import host_arch


def engines(
    at_once: int | None, nodes: Sequence[NodeEntry], *, tell: Callable[[str], None]
) -> tuple[Node, ...]:
    """The engine in use, then those of ``nodes`` that answer; ``tell`` hears of the others.

    ``at_once``: builds at a time, at most, on each.

    :raises HostError: the engine in use does not answer.
    """
    info = connect().info()
    found = [Node(HERE, host_arch(), info.cpus, info.memory, at_once)]
    for each in nodes:
        try:
            info = connect(each.name).info()
            require_arch(info, each)
        except HostError as error:
            tell(f"the node '{each.name}' is left out: {error.message}")
            continue
        limits = [most for most in (at_once, each.at_once) if most]
        found.append(Node(each.name, arch_of(info), info.cpus, info.memory, min(limits, default=None)))
    return tuple(found)


def in_use() -> DockerEngine:
    """The engine that commands use without ``--on``. Raises :class:`HostError`."""
    return connect()


def answers(node: Node) -> bool:
    """Whether the engine of ``node`` still does."""
    try:
        (connect(node.name) if node.name else connect()).info()
    except HostError:
        return False
    return True
