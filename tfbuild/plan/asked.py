"""From the words of the command line to a plan; reads files of the project, touches nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError, UsageError
from tfbuild.base.text import did_you_mean
from tfbuild.base.urls import VARIABLE, Mirror, parse_mirror_rules, parse_rule, planned
from tfbuild.base.values import Origin
from tfbuild.config.keys import BuildConfig
from tfbuild.config.load import DEFAULT_CONFIG, ResolvedConfig, load_config
from tfbuild.config.model import ConfigModel
from tfbuild.machine.files import hash_file
from tfbuild.plan.plan import Circumstances, Patch, Plan, Request, recipe_hash
from tfbuild.plan.roots import RECORDER
from tfbuild.plan.words import Words, parse_arch, parse_epoch, parse_jobs, parse_tag
from tfbuild.releases.keys import Release
from tfbuild.releases.load import (
    ReleaseKind,
    default_release,
    list_releases,
    load_release,
    release_origins,
    require_arch,
)

_POLICIES = "build_configs/policies"


def find_release(root: Path, kind: ReleaseKind, name: str, origin: str = "") -> Release:
    """The release ``name`` (or file, if it ends in .yaml); the default one when ``name`` is empty.

    ``origin`` is what ``--from`` said, source or wheel; :class:`UsageError` where the release is the other.
    """
    if origin not in {"", "source", "wheel"}:
        raise UsageError(f"--from takes 'source' or 'wheel', not '{origin}'")
    if not name:
        return default_release(list_releases(root, (kind,)), kind.product, wheels=origin == "wheel")
    release = load_release(root, kind, name)
    found = "source" if release.is_compiled else "wheel"
    if origin and origin != found:
        raise UsageError(
            f"{kind.product} {release.release} is built from {found}, not from {origin}",
            hint=f"--from {found}",
        )
    return release


def default_policy(release: Release, values: BuildConfig) -> str:
    """The policy that a configuration names, else the one for the product's kind of image."""
    return values.policy or f"{release.product}-{values.runtime.base}"


def _on_host(values: BuildConfig, target: Arch, host: Arch) -> Arch:
    del values, target
    return host


@dataclass(frozen=True)
class Rules:
    """What looking a request up has to know of its product.

    ``recipe`` are the folders and files that carry a build out, besides the plan; ``builds_on`` says which
    architecture builds for a target, on this host.
    """

    releases: ReleaseKind
    recipe: tuple[str, ...]
    policy: Callable[[Release, BuildConfig], str] = default_policy
    builds_on: Callable[[BuildConfig, Arch, Arch], Arch] = _on_host


@dataclass(frozen=True)
class Asked:
    """A request as it was typed, and what it is read with."""

    root: Path
    words: Words
    env: Mapping[str, str]
    build_arch: Arch
    config: ConfigModel


@dataclass(frozen=True)
class Resolved:
    """The words, looked up in the project's files."""

    request: Request
    config: ResolvedConfig
    release: Release
    lines: Mapping[str, Origin]
    circumstances: Circumstances


def resolve(asked: Asked, rules: Rules) -> Resolved:
    """Look up what was asked for. Raises the errors of words, configuration and release."""
    root, words = asked.root, asked.words
    jobs = parse_jobs(words.jobs)
    arch = parse_arch(words.arch, asked.build_arch)
    release = find_release(root, rules.releases, words.release, words.origin)
    require_arch(release, arch)
    config = load_config(root, words.config or DEFAULT_CONFIG, arch, words.sets, model=asked.config)
    build_arch = rules.builds_on(config.values, arch, asked.build_arch)
    _refuse_foreign_native(config, arch, build_arch)
    request = Request(
        product=release.product,
        release=release.release,
        config=config.name,
        arch=arch,
        build_arch=build_arch,
        sets=words.sets,
        jobs=jobs,
        tag=parse_tag(words.tag),
        output=words.output or "dist",
    )
    circumstances = Circumstances(
        patches=_read_patches(root, config.values.source.patches),
        policy_sha256=_policy_hash(root, rules.policy(release, config.values), config),
        recipe=recipe_hash(root, rules.recipe),
        revision=git_revision(root),
        source_date_epoch=parse_epoch(asked.env),
        mirrors=planned_mirrors(config, asked.env),
        recorder=hash_file(root / RECORDER),
    )
    return Resolved(request, config, release, release_origins(root, release), circumstances)


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


def _read_patches(root: Path, paths: Sequence[str]) -> tuple[Patch, ...]:
    return tuple(Patch(path, hashlib.sha256((root / path).read_bytes()).hexdigest()) for path in paths)


def _policy_hash(root: Path, name: str, config: ResolvedConfig) -> str:
    """Also finds out before the build that there is no such policy, rather than after it."""
    known = sorted(path.stem for path in (root / _POLICIES).glob("*.yaml"))
    if name not in known:
        where = config.origins.get("policy", "")
        raise NothingMatchesError(
            f"there is no policy '{name}'{did_you_mean(name, known)}",
            details=(f"named at {where}", f"there are: {', '.join(known)}"),
            hint=f"choose one of {_POLICIES}/, or put yours there",
        )
    return hashlib.sha256((root / _POLICIES / f"{name}.yaml").read_bytes()).hexdigest()


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


def output_folder(plan: Plan[Any]) -> Path:
    """Where the plan's files go: relative to the working folder, as the user typed it."""
    return Path(os.path.abspath(plan.output))  # noqa: PTH100 - resolve() would follow the user's links
