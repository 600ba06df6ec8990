"""From the words of the command line to a plan; reads files of the project, touches nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tfbuild.base.arch import Arch
from tfbuild.base.documents import fingerprint
from tfbuild.base.errors import NothingMatchesError, UsageError
from tfbuild.base.image_names import parse_tag
from tfbuild.base.places import is_path
from tfbuild.base.text import did_you_mean
from tfbuild.base.urls import VARIABLE, Mirror, parse_mirror_rules, parse_rule, planned
from tfbuild.config.compilers.cpus import CompilerCpus
from tfbuild.config.compilers.options import compiler_options
from tfbuild.config.cpus import load_cpus
from tfbuild.config.keys import BuildConfig
from tfbuild.config.load import DEFAULT_CONFIG, ResolvedConfig, load_config
from tfbuild.config.model import ConfigModel
from tfbuild.machine.files import hash_file
from tfbuild.plan.effect import KeyRules, require_possible
from tfbuild.plan.naming import Extra, parse_name
from tfbuild.plan.patches import asked_patches, release_patches
from tfbuild.plan.plan import Circumstances, Request, Resolved
from tfbuild.plan.roots import RECORDER
from tfbuild.plan.words import Words, parse_arch, parse_epoch, parse_jobs
from tfbuild.releases.keys import Release
from tfbuild.releases.load import (
    ReleaseKind,
    default_release,
    list_releases,
    load_release,
    release_file,
    release_origins,
    require_arch,
)
from tfbuild.releases.lock import lock_path
from tfbuild.releases.wheels.lock import wheel_lock_path
from tfbuild.verify.policy_file import POLICY_FOLDER, policy_names, read_policy


def find_release(root: Path, kind: ReleaseKind, name: str, origin: str = "") -> Release:
    """The release ``name`` (or file, if it ends in .yaml); the default one when ``name`` is empty.

    ``origin`` is what ``--from`` said, source or wheel; :class:`UsageError` where the release is the other.
    """
    if origin not in {"", "source", "wheel"}:
        raise UsageError(f"--from takes 'source' or 'wheel', not '{origin}'")
    if not name:
        return default_release(
            list_releases(root, (kind,)),
            kind.product,
            wheels=origin == "wheel",
            never_built=kind.never_built_will_do,
        )
    release = load_release(root, kind, name)
    found = release.origin
    if origin and origin != found:
        raise UsageError(
            f"{kind.product} {release.release} is built from {found}, not from {origin}",
            hint=f"--from {found}",
        )
    return release


def default_policy(release: Release, values: BuildConfig) -> str:
    """The policy that a configuration names, else the one for the product's kind of image."""
    return values.policy or f"{release.product}-{values.runtime.base}"


def own_section(release: Release) -> KeyRules:
    """The build reads all keys, the common ones and those of the section that has the product's name."""
    return KeyRules(sections=(release.product,))


def _on_host(values: BuildConfig, target: Arch, host: Arch) -> Arch:
    del values, target
    return host


def _unknown(root: Path, release: Release, config: ResolvedConfig) -> None:
    del root, release, config


def _on_its_own(root: Path, release: Release, config: ResolvedConfig) -> Release:
    del root, config
    return release


@dataclass(frozen=True)
class Rules:
    """What looking a request up has to know of its product.

    ``toolchains`` are the folders that carry a build out besides those in ``dockerfiles/``; ``builds_on``
    says which architecture builds for a target, on this host. ``keys`` says what the keys of a configuration
    are to it, ``policy`` what its image is judged by, ``compiler`` which CPUs the compiler knows, as far as
    somebody has asked it: it reads files. ``on_suite`` is the release on the Debian that the configuration
    asks for.
    """

    releases: ReleaseKind
    keys: Callable[[Release], KeyRules] = own_section
    policy: Callable[[Release, BuildConfig], str] = default_policy
    builds_on: Callable[[BuildConfig, Arch, Arch], Arch] = _on_host
    compiler: Callable[[Path, Release, ResolvedConfig], CompilerCpus | None] = _unknown
    on_suite: Callable[[Path, Release, ResolvedConfig], Release] = _on_its_own
    toolchains: tuple[str, ...] = ()

    @property
    def recipe(self) -> tuple[str, ...]:
        """All folders that carry a build out."""
        own = f"dockerfiles/{self.releases.product}"
        return ("dockerfiles/common", "dockerfiles/debian", own, *self.toolchains)


@dataclass(frozen=True)
class Asked:
    """A request as it was typed, and what it is read with."""

    root: Path
    words: Words
    env: Mapping[str, str]
    build_arch: Arch
    config: ConfigModel


def resolve(asked: Asked, rules: Rules) -> Resolved[Release]:
    """Look up what was asked for. Raises the errors of words, configuration and release."""
    root, words = asked.root, asked.words
    jobs = parse_jobs(words.jobs)
    arch = parse_arch(words.arch, asked.build_arch)
    release = find_release(root, rules.releases, words.release, words.origin)
    if arch not in release.arches:
        require_arch(release, arch, list_releases(root, (rules.releases,)))
    config = load_config(
        root, words.config or DEFAULT_CONFIG, arch, words.sets, model=asked.config, user=words.places
    )
    release = rules.on_suite(root, release, config)
    build_arch = rules.builds_on(config.values, arch, asked.build_arch)
    named_arch = rules.builds_on(config.named, arch, asked.build_arch)
    beyond = own_release(root, release, words.release)
    if build_arch is not named_arch:
        beyond = (*beyond, Extra("build-arch", str(build_arch)))
    _refuse_foreign_native(config, arch, build_arch)
    compiler = rules.compiler(root, release, config)
    options = compiler_options(compiler)
    keys, policy = rules.keys(release), rules.policy(release, config.values)
    require_possible(config, release, keys, arch, compiler, options, build_arch, load_cpus(asked.root))
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
        name=parse_name(words.name),
        beyond=beyond,
    )
    circumstances = Circumstances(
        patches=(*release_patches(root, release), *asked_patches(root, config)),
        policy_sha256=_policy_hash(root, policy, config),
        recipe=recipe_hash(root, rules.recipe),
        revision=git_revision(root),
        source_date_epoch=parse_epoch(asked.env),
        mirrors=planned_mirrors(config, asked.env),
        recorder=hash_file(root / RECORDER),
    )
    lines = release_origins(root, release)
    return Resolved(request, config, release, lines, circumstances, keys, policy)


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


def _policy_hash(root: Path, name: str, config: ResolvedConfig) -> str:
    """Also finds out before the build that there is no such policy, or a broken one, rather than after it."""
    known = policy_names(root)
    if name not in known and not is_path(name):
        where = config.origins.get("policy", "")
        raise NothingMatchesError(
            f"there is no policy '{name}'{did_you_mean(name, known)}",
            details=(f"named at {where}", f"there are: {', '.join(known)}"),
            hint=f"choose one of {POLICY_FOLDER}/, put yours there, or give its path: own.yaml",
        )
    return read_policy(root, name).sha256


def git_revision(root: Path) -> str:
    """The commit of this project, from its .git folder, or that of the worktree that it is; empty where there
    is none.

    https://git-scm.com/docs/gitrepository-layout
    """
    folder = root / ".git"
    try:
        if folder.is_file():
            folder = root / folder.read_text().strip().removeprefix("gitdir: ")
        head = (folder / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        common = folder / "commondir"  # branches of a worktree are with the main one's
        shared = folder / common.read_text().strip() if common.exists() else folder
        if (shared / name).exists():
            return (shared / name).read_text().strip()
        packed = (shared / "packed-refs").read_text().splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""


def own_release(root: Path, release: Release, word: str) -> tuple[Extra, ...]:
    """What a build of a release file of the user's has beyond its name: its content, and that of its locks.

    In names only where a shipped release has the same one, and another content.
    """
    if not word.endswith(".yaml"):
        return ()
    own, shipped = root / word, root / release_file(release.product, release.release)
    content = _content_with_locks(own)
    if content == _content_with_locks(shipped):
        return ()
    return (Extra("--release", content, None if shipped.is_file() else "", word),)


def _content_with_locks(file: Path) -> str:
    locks = (Path(lock_path(str(file))), Path(wheel_lock_path(str(file))))
    return fingerprint([hash_file(each) for each in (file, *locks) if each.is_file()])


class HasOutput(Protocol):
    """A plan of a build or of an index."""

    @property
    def output(self) -> str: ...


def output_folder(plan: HasOutput) -> Path:
    """Where the plan's files go: relative to the working folder, as the user typed it."""
    return Path(os.path.abspath(plan.output))  # noqa: PTH100 - resolve() would follow the user's links


def recipe_hash(root: Path, folders: tuple[str, ...]) -> str:
    """A hash of the files below ``folders``: their names, whether they are executable, and their bytes.

    Without Python's own ``__pycache__``, which pip makes where it installs a wheel.
    """
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file() and path.parent.name != "__pycache__":
                digest.update(f"{path.relative_to(root)}\0{path.stat().st_mode & 0o100}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
