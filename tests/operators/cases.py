"""All models of the suite, in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.operators import elementwise, layers, shapes, survival
from tests.operators.graph import Case

_FAMILIES: tuple[Callable[[], Iterator[Case]], ...] = (
    elementwise.unary,
    elementwise.leaky_relu,
    elementwise.prelu,
    elementwise.binary,
    elementwise.constants,
    elementwise.fused,
    elementwise.quotients,
    elementwise.conversions,
    layers.conv_2d,
    layers.depthwise,
    layers.transpose_conv,
    layers.pools,
    layers.fully_connected,
    layers.batch_matmul,
    shapes.reductions,
    shapes.centred,
    shapes.reshapes,
    shapes.transposes,
    shapes.joins,
    shapes.pads,
    shapes.slices,
    shapes.strided_slices,
    shapes.resizes,
    shapes.blocks,
    shapes.softmaxes,
    survival.survivals,
)


def all_cases() -> tuple[Case, ...]:
    """Every model once. Raises :class:`ValueError` for two of one name."""
    cases = tuple(case for family in _FAMILIES for case in family())
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two models are called {', '.join(twice)}")
    return cases
