"""The ``docker buildx bake`` definition of any plan; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tfbuild.bake import Layout, definition
from tfbuild.bake_keras import keras_definition
from tfbuild.bake_serving import serving_definition
from tfbuild.bake_wheel import wheel_definition
from tfbuild.plan import Plan
from tfbuild.plan_parts import KerasPart, ServingPart, WheelPart


def definition_of(
    plan: Plan, layout: Layout, *, serving: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The definition; ``options`` as in :func:`tfbuild.bake.definition`, ``serving`` what only that product's
    has: :func:`tfbuild.bake_serving.serving_definition`."""
    if isinstance(plan.part, ServingPart):
        return serving_definition(plan, layout, **options, **(serving or {}))
    if isinstance(plan.part, KerasPart):
        return keras_definition(plan, layout, **options)
    if isinstance(plan.part, WheelPart):
        return wheel_definition(plan, layout, **options)
    return definition(plan, layout, **options)
