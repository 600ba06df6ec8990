"""Whether the engines of a user's nodes can build. A node that cannot is a warning: builds go elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tfbuild.base.arch import Arch
from tfbuild.base.errors import HostError
from tfbuild.base.text import human_size
from tfbuild.doctor.checks import CheckResult, Status
from tfbuild.engine.docker_cli import (
    MINIMUM_BUILDKIT,
    buildkit_is_new_enough,
    current_builder,
    find_docker_cli,
)
from tfbuild.engine.elsewhere import RunnerWith
from tfbuild.engine.engine import connect
from tfbuild.engine.facts import Engine, EngineFacts
from tfbuild.engine.nodes import NodeEntry, node_environment
from tfbuild.machine.programs import Runner

_ID = "node"


def check_nodes(
    nodes: Sequence[NodeEntry], runner: Runner, connect: Callable[[str], Engine] = connect
) -> tuple[CheckResult, ...]:
    """A check of each node, in their order."""
    return tuple(_check(each, runner, connect) for each in nodes)


def _check(node: NodeEntry, runner: Runner, connect: Callable[[str], Engine]) -> CheckResult:
    needed = f"an engine for {node.arch} with BuildKit {'.'.join(map(str, MINIMUM_BUILDKIT))} or newer"
    try:
        info = connect(node.name).info()
        there = RunnerWith(runner, node_environment(node.name))
        builder = current_builder(there, find_docker_cli(there))
    except HostError as error:
        told = "; ".join((error.message, *error.details))
        return CheckResult(_ID, Status.WARNING, f"{node.name}: {told}", needed, error.hint or "")
    found = f"{node.name}: {_facts(info)}"
    if Arch.parse(info.os_arch.partition("/")[2]) is not node.arch:
        fix = f"correct 'arch' in nodes/{node.name}.yaml of your own folder, ~/.config/tfbuild"
        return CheckResult(_ID, Status.WARNING, found, needed, fix)
    if builder.error:
        fix = f"docker --context {node.name} buildx inspect"
        return CheckResult(
            _ID, Status.WARNING, f"{found}; its builder does not answer: {builder.error}", needed, fix
        )
    if not buildkit_is_new_enough(builder, info.version):
        return CheckResult(_ID, Status.WARNING, f"{found}; its BuildKit is too old", needed, "update it")
    return CheckResult(_ID, Status.OK, found, needed)


def _facts(info: EngineFacts) -> str:
    return f"{info.product} {info.version}, {info.os_arch}, {info.cpus} CPUs, {human_size(info.memory)}"
