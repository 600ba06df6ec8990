"""``invoke bundle``, between the words of the command line and what is printed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tfbuild import wiring
from tfbuild.bundle_file import BundleDocument
from tfbuild.errors import UsageError
from tfbuild.model import Product
from tfbuild.plan import Plan
from tfbuild.releases import load_release
from tfbuild.request import Words, host_arch, parse_product, plan_serving, plan_tflite
from tfbuild.ui import ConsoleReporter

_MAKERS = {Product.TFLITE: plan_tflite, Product.SERVING: plan_serving}


def write_file(product: str, words: dict[str, Any], file: str) -> BundleDocument:
    """Write what the plan of ``words`` needs to ``file``.

    :raises UsageError: there are no bundles of that product.
    """
    place = _place(file)
    plan = _plan(product, words)
    release = load_release(wiring.PROJECT, plan.product, words["release"] or plan.release)
    with ConsoleReporter() as reporter:
        found, sha256 = wiring.bundle(plan, release, place, reporter=reporter)
    return BundleDocument(status="written", file=str(place), sha256=sha256, bundle=found)


def load_file(file: str) -> BundleDocument:
    """Put what is in the bundle ``file`` into the cache."""
    place = _place(file)
    with ConsoleReporter() as reporter:
        found, sha256 = wiring.unbundle(place, reporter=reporter)
    return BundleDocument(status="loaded", file=str(place), sha256=sha256, bundle=found)


def _plan(word: str, words: dict[str, Any]) -> Plan:
    product = parse_product(word)
    if product not in _MAKERS:
        raise UsageError(f"there are no bundles of {product}, only of {' and '.join(_MAKERS)}")
    return _MAKERS[product](wiring.PROJECT, Words(**words), env=os.environ, build_arch=host_arch())


def _place(file: str) -> Path:
    return Path(os.path.abspath(file))  # noqa: PTH100 - resolve() would follow the user's links
