"""TensorFlow Serving's model server, and its image."""

from __future__ import annotations

from typing import Any

from tfbuild.build.buildkit.secrets import java_secret
from tfbuild.build.product import Product
from tfbuild.build.run import Recipe
from tfbuild.plan.plan import Plan
from tfbuild.products.serving import files, keys
from tfbuild.products.serving.asked import RULES, plan_serving
from tfbuild.products.serving.bazel import bake, steps
from tfbuild.products.serving.bazel.plan import describe
from tfbuild.products.serving.materials import bazel_materials, wheel_materials
from tfbuild.products.serving.part import ServingPart, WheelServerPart
from tfbuild.products.serving.preflight import require_architecture
from tfbuild.products.serving.smoke import run as smoke_run
from tfbuild.products.serving.trial import TRIAL
from tfbuild.products.serving.wheel import bake as wheel_bake
from tfbuild.products.serving.wheel import plan as wheel_plan
from tfbuild.products.serving.wheel import steps as wheel_steps

BAZEL = Recipe[ServingPart](
    definition=bake.serving_definition,
    steps={"fetch": steps.fetch, "fetch-deps": steps.fetch_dependencies},
    smoke=smoke_run.smoke,
    tests="questions",
    artifacts=steps.ARTIFACTS,
    builders=bake.BUILDERS,
    causes=steps.CAUSES,
    demand=require_architecture,
    describe=describe,
    materials=bazel_materials,
    needs=lambda part: part.needs,
    secrets=java_secret,
    ingredients=steps.repositories,
)
WHEEL = Recipe[WheelServerPart](
    definition=wheel_bake.definition,
    steps={"fetch": wheel_steps.fetch},
    smoke=smoke_run.smoke,
    tests="questions",
    artifacts=wheel_steps.ARTIFACTS,
    builders=wheel_bake.BUILDERS,
    demand=require_architecture,
    describe=wheel_plan.describe,
    materials=wheel_materials,
    needs=lambda part: part.needs,
)


def recipe(plan: Plan[Any]) -> Recipe[Any]:
    """What carries out ``plan``, one of this product."""
    return WHEEL if isinstance(plan.part, WheelServerPart) else BAZEL


PRODUCT = Product(
    rules=RULES,
    sections=keys.SECTIONS,
    contradictions=files.contradictions,
    parts=(ServingPart, WheelServerPart),
    plan=plan_serving,
    recipe=recipe,
    takes_raw=True,
    trial=TRIAL,
    takes=frozenset({"from", "model"}),
)
