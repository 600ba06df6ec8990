"""From the words of ``build-keras`` to a plan: reads the configuration, the release and the application."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tfbuild.artifacts.platforms import load_platforms
from tfbuild.base.errors import ConfigError, UsageError
from tfbuild.plan.asked import Asked, Rules, resolve
from tfbuild.plan.plan import Plan
from tfbuild.products.keras.app import (
    APP_LOCK,
    REQUIREMENTS,
    read_app,
    read_keras_model,
    require_files,
    run_settings,
    run_settings_unset,
)
from tfbuild.products.keras.part import KerasPart
from tfbuild.products.keras.plan import KerasCircumstances, conflict_problems, make_keras_plan, policy_name
from tfbuild.products.keras.release import RELEASES, KerasRelease
from tfbuild.products.keras.rules import key_rules
from tfbuild.releases.wheels.keys import DEFAULT_VARIANT, WheelRelease
from tfbuild.releases.wheels.lock import WheelLock, read_lock_of, read_wheel_lock
from tfbuild.releases.wheels.rules import Wanted, closure, marker_environment

VARIANTS = (DEFAULT_VARIANT, "gpu")


RULES = Rules(
    releases=RELEASES,
    keys=key_rules,
    policy=lambda _, values: policy_name(values),
)


def plan_keras(asked: Asked) -> Plan[KerasPart]:
    """The plan of ``invoke build-keras``.

    :raises UsageError: also where --app or --model is not what it should be.
    :raises ConfigError: versions that are asked for do not go together, all of them.
    """
    root, words = asked.root, asked.words
    if words.variant:
        if words.variant not in VARIANTS:
            raise UsageError(
                f"--variant takes {' or '.join(VARIANTS)}, not '{words.variant}'", hint="--variant cpu"
            )
        words = replace(words, sets=(*words.sets, f"keras.variant={words.variant}"))
    found = resolve(replace(asked, words=words), RULES).of(KerasRelease)
    app = read_app(Path(words.app), named=bool(words.name)) if words.app else None
    app_lock = Path(words.app) / APP_LOCK
    run = run_settings(found.config, app.settings if app else None)
    require_files(found.config, app, run)
    more = KerasCircumstances(
        lock=read_lock_of(root, found.release),
        platforms=load_platforms(root),
        app=app.folder if app else None,
        asked=app.asked if app else (),
        app_lock=read_wheel_lock(app_lock, str(app_lock)) if app and app_lock.is_file() else None,
        model=read_keras_model(Path(words.model)) if words.model else None,
        run=run,
        run_unset=run_settings_unset(found.config, app.settings) if app else None,
    )
    return make_keras_plan(found, more)


def application_to_lock(
    root: Path, release: WheelRelease, folder: Path
) -> tuple[Path, WheelLock, tuple[str, ...]]:
    """Where the lock of the application in ``folder`` goes, the lock that it builds on, and its requirements.

    :raises ConfigError: the requirements contradict TensorFlow's wheels; both sides are named.
    :raises UsageError: it has no requirements.
    """
    file = read_lock_of(root, release)
    more = KerasCircumstances(file, load_platforms(root))
    app = read_app(folder)
    if not app.asked:
        raise UsageError(
            f"{folder} has no {REQUIREMENTS}: there is nothing to lock", hint="build it as it is"
        )
    for each in file.lock.environments:
        base = {wheel.name: wheel for wheel in file.lock.wheels_for(each)}
        wanted = [Wanted(line.requirement, str(line.origin)) for line in app.asked]
        found = closure(wanted, base, marker_environment(each.python, each.arch))
        problems = tuple(conflict_problems(found.conflicts, base, replace(more, app=app.folder)))
        if problems:
            raise ConfigError(problems, hint="change the requirement, or take another release")
    return folder / APP_LOCK, file.lock, app.folder.requirements
