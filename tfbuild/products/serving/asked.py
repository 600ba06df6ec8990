"""From the words of ``build-serving`` to a plan: reads the configuration and the release."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.errors import UsageError
from tfbuild.base.project import PROJECT
from tfbuild.config.compilers.cpus import CompilerCpus
from tfbuild.config.compilers.options import compiler_options
from tfbuild.config.cpus import load_cpus
from tfbuild.config.keys import BuildConfig
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.asked import Asked, Rules, default_policy, resolve
from tfbuild.plan.effect import KeyRules
from tfbuild.plan.plan import Plan, Resolved
from tfbuild.plan.words import split_raw
from tfbuild.products.saved_model import read_model
from tfbuild.products.serving.bazel.flags import tf_revision_refused
from tfbuild.products.serving.bazel.plan import ServingCircumstances, make_serving_plan
from tfbuild.products.serving.bazel.release import ServingRelease
from tfbuild.products.serving.bazel.release import disagreements as bazel_disagreements
from tfbuild.products.serving.bazel.rules import compiler_of, key_rules
from tfbuild.products.serving.keys import ServingKeys
from tfbuild.products.serving.part import ServingPart, WheelServerPart
from tfbuild.products.serving.wheel import plan as wheel_plan
from tfbuild.products.serving.wheel import rules as wheel_rules
from tfbuild.products.serving.wheel.operators import read_operators
from tfbuild.products.serving.wheel.release import ServingWheelRelease
from tfbuild.products.serving.wheel.release import disagreements as wheel_disagreements
from tfbuild.products.serving.wheel.sources import read_list
from tfbuild.releases.keys import Release
from tfbuild.releases.load import ReleaseKind, load_lock

_BUILD_FILES = "toolchains/bazel/overrides"


def _builds_on(values: BuildConfig, target: Arch, host: Arch) -> Arch:
    return target if values.of(ServingKeys).build_on == "target" else host


def _disagreements(release: Release) -> Iterator[tuple[str, str]]:
    yield from bazel_disagreements(release)
    yield from wheel_disagreements(release)


def _keys(release: Release) -> KeyRules:
    if isinstance(release, ServingWheelRelease):
        return wheel_rules.key_rules(release)
    return key_rules(release, load_cpus(PROJECT))


def _policy(release: Release, values: BuildConfig) -> str:
    named = wheel_plan.policy_name if isinstance(release, ServingWheelRelease) else default_policy
    return named(release, values)


def _compiler(root: Path, release: Release, config: ResolvedConfig) -> CompilerCpus | None:
    del root
    if isinstance(release, ServingWheelRelease):
        return wheel_rules.compiler_of(release, config.arch)
    return compiler_of(release)


RULES = Rules(
    releases=ReleaseKind(
        "serving",
        {"upstream": ServingRelease, "wheels": ServingWheelRelease},
        _disagreements,
        never_built_will_do=True,
    ),
    keys=_keys,
    toolchains=("toolchains/bazel",),
    policy=_policy,
    builds_on=_builds_on,
    compiler=_compiler,
)


def plan_serving(asked: Asked) -> Plan[Any]:
    """The plan of ``invoke build-serving``.

    :raises UsageError: also where TF_REVISION is set, --model is no model, or a word after -- no option.
    """
    if asked.env.get("TF_REVISION"):
        raise tf_revision_refused("in the environment")
    found = resolve(asked, RULES)
    if isinstance(found.release, ServingWheelRelease):
        return _with_wheel(asked, found.of(ServingWheelRelease))
    return _with_bazel(asked, found.of(ServingRelease))


def _with_wheel(asked: Asked, found: Resolved[ServingWheelRelease]) -> Plan[WheelServerPart]:
    root, words, release = asked.root, asked.words, found.release
    if words.raw:
        raise UsageError(
            f"words after -- go to Bazel, and {release.product} {release.release} is not built by it",
            hint="--set serving.copts=... reaches the compiler, --set serving.linkopts=... the linker",
        )
    wheel_plan.require_wheel(release, found.request.arch, found.lines)
    keys = found.config.values.of(ServingKeys)
    operators = read_operators(
        root, found.config, keys.op_libraries, found.request.arch, release.wheel.tensorflow.version
    )
    lock = load_lock(root, release)
    return wheel_plan.make_wheel_server_plan(
        found,
        wheel_plan.WheelCircumstances(
            sources=read_list(root / release.sources_path, release.sources_path),
            listed_in=release.sources_path,
            lock=lock.path,
            seen=lock.seen(release),
            model=read_model(Path(words.model)) if words.model else None,
            operators=operators,
        ),
    )


def _with_bazel(asked: Asked, found: Resolved[ServingRelease]) -> Plan[ServingPart]:
    root, words = asked.root, asked.words
    lock = load_lock(root, found.release)
    compiler = compiler_of(found.release)
    more = ServingCircumstances(
        load_cpus(PROJECT),
        raw=split_raw(words.raw),
        model=read_model(Path(words.model)) if words.model else None,
        lock=lock.path,
        seen=lock.seen(found.release),
        build_files=_build_files(root),
        compiler=compiler,
        options=compiler_options(compiler),
    )
    return make_serving_plan(found, more)


def _build_files(root: Path) -> dict[str, str]:
    files = sorted((root / _BUILD_FILES).glob("*"))
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files if each.is_file()}
