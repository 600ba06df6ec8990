"""From the words of ``build-serving`` to a plan: reads the configuration and the release."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.project import PROJECT
from tfbuild.config.cpus import load_cpus
from tfbuild.config.keys import BuildConfig
from tfbuild.plan.asked import Asked, Rules, resolve
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import split_raw
from tfbuild.products.saved_model import read_model
from tfbuild.products.serving.bazel.flags import tf_revision_refused
from tfbuild.products.serving.keys import ServingKeys
from tfbuild.products.serving.part import ServingPart
from tfbuild.products.serving.plan import ServingCircumstances, make_serving_plan
from tfbuild.products.serving.release import RELEASES, ServingRelease
from tfbuild.products.serving.rules import compiler_of, key_rules
from tfbuild.releases.load import load_lock

_BUILD_FILES = "toolchains/bazel/overrides"


def _builds_on(values: BuildConfig, target: Arch, host: Arch) -> Arch:
    return target if values.of(ServingKeys).build_on == "target" else host


RULES = Rules(
    releases=RELEASES,
    keys=lambda release: key_rules(release, load_cpus(PROJECT)),
    recipe=("dockerfiles/common", "dockerfiles/debian", "dockerfiles/serving", "toolchains/bazel"),
    builds_on=_builds_on,
    compiler=compiler_of,
)


def plan_serving(asked: Asked) -> Plan[ServingPart]:
    """The plan of ``invoke build-serving``.

    :raises UsageError: also where TF_REVISION is set, --model is no model, or a word after -- no option.
    """
    root, words = asked.root, asked.words
    if asked.env.get("TF_REVISION"):
        raise tf_revision_refused("in the environment")
    found = resolve(asked, RULES)
    release = found.release
    if not isinstance(release, ServingRelease):
        raise TypeError(f"{release.path} is not a release of the model server")
    lock = load_lock(root, release)
    more = ServingCircumstances(
        load_cpus(PROJECT),
        raw=split_raw(words.raw),
        model=read_model(Path(words.model)) if words.model else None,
        lock=lock.path,
        seen=lock.seen(release),
        build_files=_build_files(root),
        compiler=compiler_of(release),
    )
    return make_serving_plan(
        found.request,
        found.config,
        release,
        release_lines=found.lines,
        circumstances=found.circumstances,
        more=more,
    )


def _build_files(root: Path) -> dict[str, str]:
    files = sorted((root / _BUILD_FILES).glob("*"))
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files if each.is_file()}
