"""Plans of images with Keras, of the shipped releases and locks."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.plans import PROJECT, resolved, some
from tests.support.products import Product, load_release
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.base.arch import Arch
from tfbuild.plan.plan import Plan, Request
from tfbuild.products.keras.app import APP_LOCK, read_app, run_settings, run_settings_unset
from tfbuild.products.keras.asked import RULES
from tfbuild.products.keras.part import KerasModel
from tfbuild.products.keras.plan import KerasCircumstances, make_keras_plan
from tfbuild.products.table import load_config
from tfbuild.releases.load import release_file
from tfbuild.releases.wheels.lock import LockFile, read_wheel_lock, wheel_lock_path

RELEASE = "2.21.0"
RELEASES = ("2.18.1", "2.19.1", "2.20.0", "2.21.0")


@cache
def lock_of(release: str) -> LockFile:
    shown = wheel_lock_path(release_file(Product.KERAS, release))
    return read_wheel_lock(PROJECT / shown, shown)


def make_plan(
    release: str = RELEASE,
    arch: Arch = Arch.AMD64,
    *sets: str,
    config: str = "opt",
    build_arch: Arch = Arch.AMD64,
    app: Path | None = None,
    model: KerasModel | None = None,
    recipe: str = "recipe",
) -> Plan[Any]:
    """A plan of the project's own files, with stand-ins for what changes with every commit."""
    read = read_app(app) if app else None
    config_found = load_config(PROJECT, config, arch, sets)
    lock = app / APP_LOCK if app else None
    request = Request(Product.KERAS, release, config, arch, build_arch, sets)
    found = load_release(PROJECT, Product.KERAS, release)
    return make_keras_plan(
        resolved(RULES, request, config_found, found, some(recipe)),
        KerasCircumstances(
            lock=lock_of(release),
            platforms=load_platforms(PROJECT),
            app=replace(read.folder, path=read.folder.name) if read else None,
            asked=read.asked if read else (),
            run=run_settings(config_found, read.settings) if read else None,
            run_unset=run_settings_unset(config_found, read.settings) if read else None,
            app_lock=read_wheel_lock(lock, str(lock)) if lock and lock.is_file() else None,
            model=model,
        ),
    )
