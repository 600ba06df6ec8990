"""The ``docker buildx bake`` definition of any plan; pure."""

from __future__ import annotations

from typing import Any

from tfbuild.bake import Layout, definition
from tfbuild.bake_serving import serving_definition
from tfbuild.bake_wheel import wheel_definition
from tfbuild.plan import Plan
from tfbuild.plan_parts import ServingPart, WheelPart


def definition_of(
    plan: Plan, layout: Layout, *, memory_mib: int | None = None, **options: Any
) -> dict[str, Any]:
    """The definition; ``options`` as in :func:`tfbuild.bake.definition`, ``memory_mib`` is the engine's."""
    if isinstance(plan.part, ServingPart):
        if memory_mib is not None:
            options["memory_mib"] = memory_mib
        return serving_definition(plan, layout, **options)
    if isinstance(plan.part, WheelPart):
        return wheel_definition(plan, layout, **options)
    return definition(plan, layout, **options)
