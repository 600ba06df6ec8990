"""What a model server's plan demands of the engine, beyond what any build does; pure."""

from __future__ import annotations

from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.errors import HostError
from tfbuild.engine.facts import EngineFacts
from tfbuild.plan.plan import Plan


def require_architecture(plan: Plan[Any], engine: EngineFacts, host: Arch) -> None:
    """The engine compiles, and runs the smoke test: it has to be what the plan builds on. ``host`` is this
    machine, which is what a plan builds on by itself.

    Emulators that its kernel might start are not counted on: a compile of hours would take days.

    :raises HostError: it is another one.
    """
    machine, wanted = Arch.parse(engine.os_arch.rpartition("/")[2]), plan.root.arch
    if machine is wanted or machine is None:
        return
    if wanted is not host:
        otherwise = "without serving.build_on=target it is cross-compiled, if the release supports that"
    else:
        otherwise = f"on this engine: --arch {machine} --set serving.build_on=target"
    raise HostError(
        f"{plan.build_id} must be built on {wanted}, but the engine is {machine}",
        details=(otherwise,),
        hint=f"use an engine on an {wanted} machine: export DOCKER_HOST=ssh://USER@MACHINE",
    )
