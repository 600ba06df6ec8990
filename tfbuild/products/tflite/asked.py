"""From the words of ``build-tflite`` to a plan: reads the configuration and the release."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.values import Product
from tfbuild.plan.asked import _resolve
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.tflite.plan import make_tflite_plan
from tfbuild.products.tflite.wheel.plan import make_wheel_plan
from tfbuild.releases.load import load_lock, release_file
from tfbuild.releases.wheels.lock import read_wheel_lock, wheel_lock_path


def plan_tflite(root: Path, words: Words, *, env: Mapping[str, str], build_arch: Arch) -> Plan:
    """The plan of ``invoke build-tflite``. Raises the errors of configuration, all at once where possible."""
    found = _resolve(root, Product.TFLITE, words, env, build_arch)
    if found.release.provider == "wheels":
        shown = wheel_lock_path(release_file(Product.TFLITE, words.release or found.release.release))
        return make_wheel_plan(
            found.request,
            found.config,
            found.release,
            circumstances=found.circumstances,
            lock=read_wheel_lock(root / shown, shown),
        )
    return make_tflite_plan(
        found.request,
        found.config,
        found.release,
        release_lines=found.lines,
        circumstances=found.circumstances,
        lock=load_lock(root, found.release, words.release),
    )
