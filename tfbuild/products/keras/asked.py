"""From the words of ``build-keras`` to a plan: reads the configuration, the release and the application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, UsageError
from tfbuild.base.values import Product
from tfbuild.plan.asked import _resolve
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.keras.app import (
    APP_LOCK,
    REQUIREMENTS,
    read_app,
    read_keras_model,
    require_files,
    run_settings,
    run_settings_unset,
)
from tfbuild.products.keras.plan import KerasCircumstances, conflict_problems, make_keras_plan
from tfbuild.releases.keys import Release
from tfbuild.releases.load import release_file
from tfbuild.releases.wheels.lock import WheelLock, read_wheel_lock, wheel_lock_path
from tfbuild.releases.wheels.rules import Wanted, closure, marker_environment

VARIANTS = ("cpu", "gpu")
DEFAULT_VARIANT = VARIANTS[0]


def plan_keras(root: Path, words: Words, *, env: Mapping[str, str], build_arch: Arch) -> Plan:
    """The plan of ``invoke build-keras``.

    :raises UsageError: also where --app or --model is not what it should be.
    :raises ConfigError: versions that are asked for do not go together, all of them.
    """
    if words.variant:
        if words.variant not in VARIANTS:
            raise UsageError(
                f"--variant takes {' or '.join(VARIANTS)}, not '{words.variant}'", hint="--variant cpu"
            )
        words = replace(words, sets=(*words.sets, f"keras.variant={words.variant}"))
    found = _resolve(root, Product.KERAS, words, env, build_arch)
    shown = wheel_lock_path(release_file(Product.KERAS, words.release or found.release.release))
    app = read_app(Path(words.app), named=bool(words.name)) if words.app else None
    app_lock = Path(words.app) / APP_LOCK
    run = run_settings(found.config, app.settings if app else None)
    require_files(found.config, app, run)
    more = KerasCircumstances(
        lock=read_wheel_lock(root / shown, shown),
        app=app.folder if app else None,
        asked=app.asked if app else (),
        app_lock=read_wheel_lock(app_lock, str(app_lock)) if app and app_lock.is_file() else None,
        model=read_keras_model(Path(words.model)) if words.model else None,
        run=run,
        run_unset=run_settings_unset(found.config, app.settings) if app else None,
    )
    return make_keras_plan(
        found.request,
        found.config,
        found.release,
        release_lines=found.lines,
        circumstances=found.circumstances,
        more=more,
    )


def application_to_lock(
    root: Path, release: Release, word: str, folder: Path
) -> tuple[Path, WheelLock, tuple[str, ...]]:
    """Where the lock of the application in ``folder`` goes, the lock that it builds on, and its requirements.

    :raises ConfigError: the requirements contradict TensorFlow's wheels; both sides are named.
    :raises UsageError: it has no requirements.
    """
    shown = wheel_lock_path(release_file(release.product, word or release.release))
    file = read_wheel_lock(root / shown, shown)
    app = read_app(folder)
    if not app.asked:
        raise UsageError(
            f"{folder} has no {REQUIREMENTS}: there is nothing to lock", hint="build it as it is"
        )
    for each in file.lock.environments:
        base = {wheel.name: wheel for wheel in file.lock.wheels_for(each)}
        wanted = [Wanted(line.requirement, str(line.origin)) for line in app.asked]
        found = closure(wanted, base, marker_environment(each.python, each.arch))
        problems = tuple(conflict_problems(found.conflicts, base, KerasCircumstances(file, app.folder)))
        if problems:
            raise ConfigError(problems, hint="change the requirement, or take another release")
    return folder / APP_LOCK, file.lock, app.folder.requirements
