"""The products, a row each. Only the command line asks for it; all else gets what it needs handed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError
from tfbuild.base.places import NOWHERE, UserPlaces
from tfbuild.base.text import did_you_mean
from tfbuild.build.buildkit.bake import BakeFile, BakeOptions
from tfbuild.build.layout import Layout
from tfbuild.build.product import Product
from tfbuild.build.run import Recipe
from tfbuild.build.trial import Trial
from tfbuild.config import load, rules
from tfbuild.config.load import ConfigInfo, ResolvedConfig
from tfbuild.config.model import ConfigModel, config_model
from tfbuild.engine.facts import ImageFacts
from tfbuild.plan import asked
from tfbuild.plan.asked import Asked
from tfbuild.plan.effect import KeyRules
from tfbuild.plan.plan import Plan
from tfbuild.plan.show import text
from tfbuild.plan.words import Words
from tfbuild.products import keras, serving, tflite
from tfbuild.releases import load as releases
from tfbuild.releases.keys import Release
from tfbuild.releases.load import ReleaseKind

PRODUCTS: tuple[Product, ...] = (serving.PRODUCT, tflite.PRODUCT, keras.PRODUCT)


@cache
def _model(products: tuple[Product, ...]) -> ConfigModel:
    own = (each.contradictions for each in products if each.contradictions)
    return config_model(
        tuple(section for each in products for section in each.sections), (rules.contradictions, *own)
    )


def model() -> ConfigModel:
    """The keys of all products."""
    return _model(PRODUCTS)


def parts() -> tuple[type, ...]:
    """The types of what only one kind of plan has."""
    return tuple(part for each in PRODUCTS for part in each.parts)


def release_models() -> tuple[type[Release], ...]:
    """The types of release files."""
    return tuple(model for each in PRODUCTS for model in each.releases.models.values())


def release_kinds() -> tuple[ReleaseKind, ...]:
    """How the release files of each product are read."""
    return tuple(each.releases for each in PRODUCTS)


def names() -> tuple[str, ...]:
    """The products, in the order in which they are listed."""
    return tuple(each.name for each in PRODUCTS)


def parse_product(word: str) -> Product:
    """Raises :class:`NothingMatchesError` with the nearest name."""
    found = next((each for each in PRODUCTS if each.name == word), None)
    if found is None:
        raise NothingMatchesError(
            f"unknown product '{word}'{did_you_mean(word, names())}",
            details=(f"there are: {', '.join(names())}",),
        )
    return found


def plan_of(root: Path, product: str, words: Words, *, env: Mapping[str, str], build_arch: Arch) -> Plan[Any]:
    """The plan of a build of ``product``, as it was typed."""
    return parse_product(product).plan(Asked(root, words, env, build_arch, model()))


def recipe_of(plan: Plan[Any]) -> Recipe[Any]:
    """What carries ``plan`` out."""
    return parse_product(plan.product).recipe(plan)


def definition_of(plan: Plan[Any], layout: Layout, options: BakeOptions | None = None) -> BakeFile:
    """The ``docker buildx bake`` definition of ``plan``."""
    return recipe_of(plan).definition(plan, layout, options or BakeOptions())


def plan_text(plan: Plan[Any], replaces: str = "") -> str:
    """``plan`` as ``--dry-run`` prints it; ``replaces`` says of what it takes the place."""
    return text.plan_text(plan, recipe_of(plan).describe(plan.part), replaces)


def find_release(root: Path, product: str, name: str, origin: str = "") -> Release:
    """:func:`tfbuild.plan.asked.find_release` of the product called ``product``."""
    return asked.find_release(root, parse_product(product).releases, name, origin)


def load_release(root: Path, product: str, name: str) -> Release:
    """The release ``name`` of ``product``."""
    return releases.load_release(root, parse_product(product).releases, name)


def key_rules(release: Release) -> KeyRules:
    """What the keys of a configuration are to a build of ``release``."""
    return parse_product(release.product).keys(release)


def list_releases(root: Path) -> tuple[Release, ...]:
    """All releases of all products."""
    return releases.list_releases(root, release_kinds())


def load_config(
    root: Path,
    word: str,
    arch: Arch,
    sets: Sequence[str] = (),
    *,
    to_build: bool = True,
    user: UserPlaces = NOWHERE,
) -> ResolvedConfig:
    """:func:`tfbuild.config.load.load_config` with the keys of all products."""
    return load.load_config(root, word, arch, sets, model=model(), to_build=to_build, user=user)


def list_configs(root: Path, user: UserPlaces = NOWHERE) -> tuple[ConfigInfo, ...]:
    """:func:`tfbuild.config.load.list_configs` with the keys of all products."""
    return load.list_configs(root, model=model(), user=user)


def trial_of(image: ImageFacts) -> tuple[str, Trial] | None:
    """The product that recognises the image, and how its images are tried; None where nobody does."""
    found = ((each.name, each.trial) for each in PRODUCTS if each.trial)
    return next(((name, trial) for name, trial in found if trial.recognises(image)), None)
