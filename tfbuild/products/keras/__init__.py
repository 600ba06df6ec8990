"""Application images with TensorFlow and Keras preloaded."""

from __future__ import annotations

from tfbuild.build.product import Product
from tfbuild.build.run import Recipe
from tfbuild.plan.plan import Plan
from tfbuild.products.keras import bake, keys, steps
from tfbuild.products.keras.asked import RULES, plan_keras
from tfbuild.products.keras.materials import materials
from tfbuild.products.keras.part import KerasPart
from tfbuild.products.keras.plan import describe
from tfbuild.products.keras.trial import TRIAL


def _config_words(plan: Plan[KerasPart]) -> str:
    part = plan.part
    return f"{plan.asked.config} --variant {part.variant}{f' --app {part.app.path}' if part.app else ''}"


WHEELS = Recipe[KerasPart](
    definition=bake.keras_definition,
    steps={"fetch": steps.fetch, "install": steps.install, "image": steps.image},
    smoke=steps.smoke,
    tests="answers",
    artifacts=steps.ARTIFACTS,
    builders=(),
    binaries=False,
    describe=describe,
    materials=materials,
    config_words=_config_words,
)
PRODUCT = Product(
    rules=RULES,
    sections=keys.SECTIONS,
    parts=(KerasPart,),
    plan=plan_keras,
    recipe=lambda _plan: WHEELS,
    trial=TRIAL,
    takes=frozenset({"variant", "app", "model"}),
)
