"""From the words of ``build-tflite`` to a plan: reads the configuration and the release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tfbuild.artifacts.isa.march import emulated_cpu
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.config.keys import BuildConfig
from tfbuild.plan.asked import Asked, Rules, resolve
from tfbuild.plan.effect import KeyRules
from tfbuild.plan.plan import Plan
from tfbuild.products.tflite.plan import make_tflite_plan, policy_name
from tfbuild.products.tflite.profile import read_profile
from tfbuild.products.tflite.release import RELEASES, DebianRelease, TfliteWheelRelease, UpstreamRelease
from tfbuild.products.tflite.rules import clang_of, compiler_of, on_suite, source_rules, wheel_rules
from tfbuild.products.tflite.selection.select import read_selection
from tfbuild.products.tflite.wheel.plan import make_wheel_plan
from tfbuild.products.tflite.wheel.plan import policy_name as wheel_policy_name
from tfbuild.releases.keys import Release, suite_of
from tfbuild.releases.load import load_lock
from tfbuild.releases.wheels.keys import WheelRelease
from tfbuild.releases.wheels.lock import read_lock_of


def _policy(release: Release, values: BuildConfig) -> str:
    return wheel_policy_name(values) if isinstance(release, WheelRelease) else policy_name(values, release)


def _keys(release: Release) -> KeyRules:
    return wheel_rules() if isinstance(release, WheelRelease) else source_rules()


RULES = Rules(
    releases=RELEASES,
    keys=_keys,
    toolchains=("toolchains/cmake",),
    policy=_policy,
    compiler=compiler_of,
    on_suite=on_suite,
)


def promised_cpu(root: Path, values: BuildConfig, release: Release) -> str:
    """The weakest CPU that a foreign build has to run on, in words of the builder's QEMU; reads files."""
    suite = load_platforms(root).require_suite(suite_of(release))
    return emulated_cpu(values.compile.march, suite.qemu)


def plan_tflite(asked: Asked) -> Plan[Any]:
    """The plan of ``invoke build-tflite``. Raises the errors of configuration, all at once where possible."""
    found = resolve(asked, RULES)
    release = found.release
    if isinstance(release, TfliteWheelRelease):
        return make_wheel_plan(found.of(TfliteWheelRelease), lock=read_lock_of(asked.root, release))
    return make_tflite_plan(
        found.of(DebianRelease, UpstreamRelease),
        lock=load_lock(asked.root, release),
        promised=promised_cpu(asked.root, found.config.values, release),
        selection=read_selection(asked.root, found.config),
        clang=clang_of(asked.root, release),
        profile=read_profile(asked.root, found.config, release, found.lines),
    )
