"""Which models ``benchmarks.inference`` runs, and what is expected of each release; needs no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Kinds of each family; make_models.py makes them.
MODELS: Mapping[str, tuple[str, ...]] = {
    "mobilenet_v2": ("float32", "int8", "dynamic"),
    "resnet50": ("float32", "int8"),
    "efficientnet_b0": ("float32", "int8"),
    "lstm": ("float32",),
    "transformer": ("float32", "dynamic"),
}
NAMES = tuple(f"{family}-{kind}" for family, kinds in MODELS.items() for kind in kinds)

# How far outputs may be apart, as a part of the range of the wheel's: kernels sum up in another order, and
# quantised values are rounded after each layer.
SAME_OUTPUT: Mapping[str, float] = {"float32": 0.001, "dynamic": 0.05, "int8": 0.1}


@dataclass(frozen=True)
class Limits:
    """How long inferences may take, as ratios to the wheel: the median of all models, and the slowest."""

    median: float | None
    worst: float | None = None


# Two threads where CPUs are short, by a quota or by neighbours: a pool that spins is a hundred times as slow.
SHORT_OF_CPUS = Limits(None, 1.3)


def limits_of(provider: str, version: str) -> Limits:
    """The targets of a release: LiteRT, the newest, is to be faster than the wheel, never slower; older ones
    of upstream as fast; with Debian's libraries not much slower."""
    if provider == "debian":
        return Limits(1.10, 1.25)
    if version.endswith("-litert"):
        return Limits(0.95, 1.02)
    return Limits(1.05)
