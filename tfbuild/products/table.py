"""The products, by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError
from tfbuild.base.text import did_you_mean
from tfbuild.base.values import Product
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.keras.asked import plan_keras
from tfbuild.products.keras.bake import keras_definition
from tfbuild.products.keras.part import KerasPart
from tfbuild.products.serving.asked import plan_serving
from tfbuild.products.serving.bake import serving_definition
from tfbuild.products.serving.part import ServingPart
from tfbuild.products.tflite.asked import plan_tflite
from tfbuild.products.tflite.bake import definition
from tfbuild.products.tflite.part import WheelPart
from tfbuild.products.tflite.wheel.bake import wheel_definition


def parse_product(word: str) -> Product:
    """Raises :class:`NothingMatchesError` with the nearest name."""
    known = [str(each) for each in Product]
    if word not in known:
        raise NothingMatchesError(
            f"unknown product '{word}'{did_you_mean(word, known)}",
            details=(f"there are: {', '.join(known)}",),
        )
    return Product(word)


def plan_of(root: Path, product: str, words: Words, *, env: Mapping[str, str], build_arch: Arch) -> Plan:
    """The plan of a build of ``product``, as it was typed."""
    makers = {Product.TFLITE: plan_tflite, Product.SERVING: plan_serving, Product.KERAS: plan_keras}
    return makers[parse_product(product)](root, words, env=env, build_arch=build_arch)


def definition_of(
    plan: Plan, layout: Layout, *, serving: Mapping[str, Any] | None = None, **options: Any
) -> dict[str, Any]:
    """The definition; ``options`` as in :func:`tfbuild.products.tflite.bake.definition`, ``serving`` what
    only that product's
    has: :func:`tfbuild.products.serving.bake.serving_definition`."""
    if isinstance(plan.part, ServingPart):
        return serving_definition(plan, layout, **options, **(serving or {}))
    if isinstance(plan.part, KerasPart):
        return keras_definition(plan, layout, **options)
    if isinstance(plan.part, WheelPart):
        return wheel_definition(plan, layout, **options)
    return definition(plan, layout, **options)
