"""From the words of ``build-serving`` to a plan: reads the configuration and the release."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.values import Product
from tfbuild.plan.asked import _resolve
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words, split_raw
from tfbuild.products.saved_model import read_model
from tfbuild.products.serving.bazel import tf_revision_refused
from tfbuild.products.serving.plan import ServingCircumstances, make_serving_plan
from tfbuild.releases.load import load_lock

_BUILD_FILES = "toolchains/bazel/overrides"


def plan_serving(root: Path, words: Words, *, env: Mapping[str, str], build_arch: Arch) -> Plan:
    """The plan of ``invoke build-serving``.

    :raises UsageError: also where TF_REVISION is set, --model is no model, or a word after -- no option.
    """
    if env.get("TF_REVISION"):
        raise tf_revision_refused("in the environment")
    found = _resolve(root, Product.SERVING, words, env, build_arch)
    release = found.release
    lock = load_lock(root, release, words.release)
    more = ServingCircumstances(
        raw=split_raw(words.raw),
        model=read_model(Path(words.model)) if words.model else None,
        lock=lock.path,
        seen=lock.seen(release),
        build_files=_build_files(root),
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
