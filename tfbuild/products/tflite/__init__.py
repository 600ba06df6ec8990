"""TFLite: libraries for C and C++, a Python wheel, or the official wheel; as an image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tfbuild.base.values import Origin
from tfbuild.build.product import Product
from tfbuild.build.run import Recipe
from tfbuild.config.keys import BuildConfig
from tfbuild.plan.plan import Plan
from tfbuild.products.tflite import bake, keys, steps
from tfbuild.products.tflite.asked import RULES, plan_tflite
from tfbuild.products.tflite.materials import materials, wheel_materials
from tfbuild.products.tflite.part import TflitePart, WheelPart
from tfbuild.products.tflite.selection import select
from tfbuild.products.tflite.smoke.run import smoke
from tfbuild.products.tflite.trial import TRIAL
from tfbuild.products.tflite.wheel import bake as wheel_bake
from tfbuild.products.tflite.wheel import plan as wheel_plan
from tfbuild.products.tflite.wheel import steps as wheel_steps

NATIVE = Recipe[TflitePart](
    definition=bake.definition,
    steps={"fetch": steps.fetch, "compile": steps.compile_},
    smoke=smoke,
    tests="inferences",
    artifacts=steps.ARTIFACTS,
    causes=steps.CAUSES,
    materials=materials,
    exports=lambda part: {"c-library": ("TfLiteXNNPackDelegateCreate",)} if part.xnnpack else {},
)
PYTHON = Recipe[TflitePart](
    definition=bake.definition,
    steps={"fetch": steps.fetch, "compile": steps.compile_, "wheel": steps.wheel},
    smoke=smoke,
    tests="inferences",
    artifacts=steps.PYTHON_ARTIFACTS,
    causes=steps.CAUSES,
    materials=materials,
)
WHEEL = Recipe[WheelPart](
    definition=wheel_bake.wheel_definition,
    steps={"fetch": wheel_steps.fetch, "builder": wheel_steps.builder, "image": wheel_steps.image},
    smoke=smoke,
    tests="inferences",
    artifacts=wheel_steps.ARTIFACTS,
    describe=wheel_plan.describe,
    materials=wheel_materials,
)


def recipe(plan: Plan[Any]) -> Recipe[Any]:
    """What carries out ``plan``, one of this product."""
    if isinstance(plan.part, WheelPart):
        return WHEEL
    return PYTHON if plan.part.python else NATIVE


def _contradictions(values: BuildConfig, origins: Mapping[str, Origin]) -> Iterator[tuple[Origin, str]]:
    yield from keys.contradictions(values, origins)
    yield from select.contradictions(values, origins)


PRODUCT = Product(
    rules=RULES,
    sections=keys.SECTIONS,
    contradictions=_contradictions,
    parts=(TflitePart, WheelPart),
    plan=plan_tflite,
    recipe=recipe,
    takes=frozenset({"from"}),
    out_of_reach=(
        "take --release 2.14.1-debian, which needs nothing but a Debian mirror (amd64, arm64; on Debian 13)"
    ),
    trial=TRIAL,
)
