"""From the words of the command line to a plan; reads files of the project, touches nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError, UsageError
from tfbuild.base.image_names import parse_tag
from tfbuild.base.text import did_you_mean
from tfbuild.base.urls import VARIABLE, Mirror, parse_mirror_rules, parse_rule, planned
from tfbuild.base.values import Origin, Product
from tfbuild.config.binding import bind
from tfbuild.config.load import DEFAULT_CONFIG, ResolvedConfig, load_config
from tfbuild.config.yaml_source import read_yaml
from tfbuild.machine.files import hash_file
from tfbuild.plan.effect import require_possible
from tfbuild.plan.naming import BUILD_ON, Extra, parse_name
from tfbuild.plan.patches import asked_patches, release_patches
from tfbuild.plan.plan import Circumstances, Request, policy_name, recipe_hash
from tfbuild.plan.roots import RECORDER
from tfbuild.plan.words import Words, _epoch, parse_arch, parse_jobs
from tfbuild.releases.keys import Release
from tfbuild.releases.load import (
    default_release,
    list_releases,
    load_release,
    own_release,
    release_origins,
    require_arch,
)
from tfbuild.verify.policy import Policy

# What carries a build out, besides the plan.
_RECIPES = {
    Product.TFLITE: (
        "dockerfiles/common",
        "dockerfiles/debian",
        "dockerfiles/tflite",
        "dockerfiles/wheel",
        "toolchains/cmake",
    ),
    Product.KERAS: ("dockerfiles/debian", "dockerfiles/keras"),
    Product.SERVING: ("dockerfiles/common", "dockerfiles/debian", "dockerfiles/serving", "toolchains/bazel"),
}
_POLICIES = "build_configs/policies"


def find_release(root: Path, product: Product, name: str, origin: str = "") -> Release:
    """The release ``name`` (or file, if it ends in .yaml); the default one when ``name`` is empty.

    ``origin`` is what ``--from`` said, source or wheel; :class:`UsageError` where the release is the other.
    """
    if origin not in {"", "source", "wheel"}:
        raise UsageError(f"--from takes 'source' or 'wheel', not '{origin}'")
    if not name:
        return default_release(list_releases(root), product, wheels=origin == "wheel")
    release = load_release(root, product, name)
    found = "wheel" if release.provider == "wheels" else "source"
    if origin and origin != found:
        raise UsageError(
            f"{product} {release.release} is built from {found}, not from {origin}", hint=f"--from {found}"
        )
    return release


@dataclass(frozen=True)
class _Resolved:
    """The words, looked up in the project's files."""

    request: Request
    config: ResolvedConfig
    release: Release
    lines: Mapping[str, Origin]
    circumstances: Circumstances


def _resolve(
    root: Path, product: Product, words: Words, env: Mapping[str, str], build_arch: Arch
) -> _Resolved:
    jobs = parse_jobs(words.jobs)
    arch = parse_arch(words.arch, build_arch)
    release = find_release(root, product, words.release, words.origin)
    require_arch(release, arch)
    config = load_config(root, words.config or DEFAULT_CONFIG, arch, words.sets)
    beyond = own_release(root, release, words.release)
    if product is Product.SERVING and config.values.serving.build_on == "target":
        if build_arch is not arch and config.named.serving.build_on != "target":
            beyond = (*beyond, Extra(BUILD_ON, "target"))
        build_arch = arch
    _refuse_foreign_native(config, arch, build_arch)
    require_possible(config, release, arch)
    request = Request(
        product=product,
        release=release.release,
        config=config.name,
        arch=arch,
        build_arch=build_arch,
        sets=words.sets,
        jobs=jobs,
        tag=parse_tag(words.tag),
        output=words.output or "dist",
        name=parse_name(words.name),
        beyond=beyond,
    )
    circumstances = Circumstances(
        patches=(
            *release_patches(root, release, words.release),
            *asked_patches(root, config),
        ),
        policy_sha256=_policy_hash(root, release, config),
        recipe=recipe_hash(root, _RECIPES[product]),
        revision=git_revision(root),
        source_date_epoch=_epoch(env),
        mirrors=planned_mirrors(config, env),
        recorder=hash_file(root / RECORDER),
    )
    lines = release_origins(root, product, words.release or release.release)
    return _Resolved(request, config, release, lines, circumstances)


def planned_mirrors(config: ResolvedConfig, env: Mapping[str, str]) -> tuple[Mirror, ...]:
    """The mirrors of TFBUILD_MIRRORS and then those of the configuration: who calls knows the network best.

    :raises UsageError: TFBUILD_MIRRORS cannot be understood.
    """
    variable = (planned(rule, VARIABLE) for rule in parse_mirror_rules(env.get(VARIABLE, "")))
    keys = (
        planned(parse_rule(text), str(config.origins[f"mirrors.{index}"]))
        for index, text in enumerate(config.values.mirrors)
    )
    return (*variable, *keys)


def _refuse_foreign_native(config: ResolvedConfig, arch: Arch, build_arch: Arch) -> None:
    if config.values.compile.march == "native" and arch is not build_arch:
        where = config.origins.get("compile.march", "")
        raise NothingMatchesError(
            f"-march=native cannot be cross-compiled from {build_arch} to {arch}",
            details=(f"compile.march is native at {where}",),
            hint=f"run the build on an {arch} machine, or take another config: invoke list-configs",
        )


def _policy_hash(root: Path, release: Release, config: ResolvedConfig) -> str:
    """Also finds out before the build that there is no such policy, or a broken one, rather than after it."""
    name = policy_name(release, config.values)
    known = sorted(path.stem for path in (root / _POLICIES).glob("*.yaml"))
    if name not in known:
        where = config.origins.get("policy", "")
        raise NothingMatchesError(
            f"there is no policy '{name}'{did_you_mean(name, known)}",
            details=(f"named at {where}", f"there are: {', '.join(known)}"),
            hint=f"choose one of {_POLICIES}/, or put yours there",
        )
    path = f"{_POLICIES}/{name}.yaml"
    document = read_yaml(root / path, path)
    policy, problems = bind(document, Policy)
    if policy is None or document.problems:
        raise ConfigError(document.problems or problems)
    return hashlib.sha256((root / path).read_bytes()).hexdigest()


def git_revision(root: Path) -> str:
    """The commit of this project, from its .git folder; empty where there is none."""
    try:
        head = (root / ".git" / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        loose = root / ".git" / name
        if loose.exists():
            return loose.read_text().strip()
        packed = (root / ".git" / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""


class HasOutput(Protocol):
    """A plan of a build or of an index."""

    @property
    def output(self) -> str: ...


def output_folder(plan: HasOutput) -> Path:
    """Where the plan's files go: relative to the working folder, as the user typed it."""
    return Path(os.path.abspath(plan.output))  # noqa: PTH100 - resolve() would follow the user's links
