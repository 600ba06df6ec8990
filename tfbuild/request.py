"""From the words of the command line to a plan; reads files of the project, touches nothing else."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from tfbuild.bazel_flags import tf_revision_refused
from tfbuild.binding import bind
from tfbuild.config import DEFAULT_CONFIG, ResolvedConfig, load_config
from tfbuild.config_effect import require_possible
from tfbuild.config_types import MAX_JOBS
from tfbuild.errors import ConfigError, NothingMatchesError, UsageError
from tfbuild.image_names import parse_tag
from tfbuild.keras_inputs import (
    APP_LOCK,
    REQUIREMENTS,
    read_app,
    read_keras_model,
    require_files,
    run_settings,
    run_settings_unset,
)
from tfbuild.lock_state import locked_pins
from tfbuild.mirrors import VARIABLE, Mirror, parse_mirror_rules, parse_rule, planned
from tfbuild.model import Arch, Origin, Pin, Product, Unhashed
from tfbuild.naming import BUILD_ON, Extra, parse_name
from tfbuild.patches import asked_patches, release_patches
from tfbuild.path_words import shown
from tfbuild.plan import Circumstances, Plan, Request, policy_name, recipe_hash
from tfbuild.plan_keras import KerasCircumstances, conflict_problems, make_keras_plan
from tfbuild.plan_roots import RECORDER
from tfbuild.plan_serving import ServingCircumstances, make_serving_plan
from tfbuild.plan_tflite import make_tflite_plan
from tfbuild.plan_wheel import make_wheel_plan
from tfbuild.policy import Policy
from tfbuild.release_schema import Release
from tfbuild.releases import (
    default_release,
    list_releases,
    load_lock,
    load_release,
    own_release,
    release_file,
    release_origins,
    require_arch,
)
from tfbuild.saved_model import read_model
from tfbuild.store import hash_file
from tfbuild.suggest import did_you_mean
from tfbuild.wheel_lock import WheelLock, read_wheel_lock, require_environment, wheel_lock_path
from tfbuild.wheel_rules import Wanted, closure, marker_environment
from tfbuild.yaml_source import read_yaml

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
VARIANTS = ("cpu", "gpu")
DEFAULT_VARIANT = VARIANTS[0]
_BUILD_FILES = "toolchains/bazel/overrides"
_POLICIES = "build_configs/policies"


@dataclass(frozen=True)
class Words:
    """The arguments of a build command as they were typed."""

    release: str = ""
    config: str = ""
    arch: str = ""
    sets: tuple[str, ...] = ()
    jobs: str = ""
    tag: str = ""
    output: str = ""
    model: str = ""
    origin: str = ""  # source or wheel, where the command has the choice
    app: str = ""
    variant: str = ""
    raw: str = ""  # all that stood after --
    name: str = ""


def host_arch() -> Arch:
    """The architecture that builds: this machine's, where it is one that we know."""
    return Arch.parse(platform.machine()) or Arch.AMD64


def parse_arch(word: str, default: Arch) -> Arch:
    """Raises :class:`NothingMatchesError` with the nearest name."""
    if not word:
        return default
    arch = Arch.parse(word)
    if arch is None:
        known = [str(each) for each in Arch]
        raise NothingMatchesError(
            f"unknown arch '{word}'{did_you_mean(word, known)}",
            details=(f"there are: {', '.join(known)}",),
            hint="invoke list-releases tells which release can be built for which",
        )
    return arch


def parse_jobs(word: str) -> int | None:
    """Raises :class:`UsageError` for anything but a positive whole number, and for too large a one."""
    if not word:
        return None
    digits = word.lstrip("0")
    if not re.fullmatch("[0-9]+", word) or not digits:
        raise UsageError(
            f"--jobs takes a positive whole number, not '{shown(word)}'", hint="for example --jobs 4"
        )
    # Compared by digits: Python refuses to convert some thousands of them.
    if len(digits) > len(str(MAX_JOBS)) or int(digits) > MAX_JOBS:
        raise UsageError(f"--jobs takes at most {MAX_JOBS}, not '{shown(word)}'", hint="for example --jobs 4")
    return int(digits)


def parse_product(word: str) -> Product:
    """Raises :class:`NothingMatchesError` with the nearest name."""
    known = [str(each) for each in Product]
    if word not in known:
        raise NothingMatchesError(
            f"unknown product '{word}'{did_you_mean(word, known)}",
            details=(f"there are: {', '.join(known)}",),
        )
    return Product(word)


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


def plan_tflite(root: Path, words: Words, *, env: Mapping[str, str], build_arch: Arch) -> Plan:
    """The plan of ``invoke build-tflite``. Raises the errors of configuration, all at once where possible."""
    found = _resolve(root, Product.TFLITE, words, env, build_arch)
    if found.release.provider == "wheels":
        shown = wheel_lock_path(release_file(Product.TFLITE, words.release or found.release.release))
        return make_wheel_plan(
            found.request,
            found.config,
            found.release,
            circumstances=found.circumstances,
            lock=read_wheel_lock(root / shown, shown),
        )
    return make_tflite_plan(
        found.request,
        found.config,
        found.release,
        release_lines=found.lines,
        circumstances=found.circumstances,
        lock=load_lock(root, found.release, words.release),
    )


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


def plan_of(root: Path, product: str, words: Words, *, env: Mapping[str, str], build_arch: Arch) -> Plan:
    """The plan of a build of ``product``, as it was typed."""
    makers = {Product.TFLITE: plan_tflite, Product.SERVING: plan_serving, Product.KERAS: plan_keras}
    return makers[parse_product(product)](root, words, env=env, build_arch=build_arch)


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


def downloads_of(
    root: Path, release: Release, word: str, arch: Arch, build_arch: Arch, variant: str = ""
) -> tuple[tuple[Pin, ...], Unhashed | None]:
    """What ``invoke fetch`` gets; ``word`` is the release as it was typed.

    Of a release that is made of wheels: those of ``variant`` (cpu where it is empty) for its default Python.
    """
    if release.provider == "wheels":
        return wheel_pins(root, release, word, arch, variant=variant or DEFAULT_VARIANT), None
    if variant:
        raise UsageError(f"{release.product} {release.release} has no variants", hint="leave --variant out")
    lock = load_lock(root, release, word)
    seen = lock.seen(release)
    pins = (*release.pins(arch, build_arch, seen), *locked_pins(release, lock.lock, arch))
    return pins, release.unhashed(lock.path, seen)


def wheel_pins(
    root: Path, release: Release, word: str, arch: Arch, *, variant: str, python: str | None = None
) -> tuple[Pin, ...]:
    """The wheels of ``release`` (typed as ``word``) in its lock; ``python`` None is its default one.

    :raises NothingMatchesError: there is no lock, or none of its environments is this one.
    """
    shown = wheel_lock_path(release_file(release.product, word or release.release))
    found = release.wheels.python(python) if release.wheels else None
    if found is None:
        raise NothingMatchesError(
            f"{release.product} {release.release} has no Python {python or ''}".rstrip()
        )
    file = read_wheel_lock(root / shown, shown)
    environment = require_environment(file, found.version, arch, variant)
    return tuple(each.pin for each in file.lock.wheels_for(environment))


def split_raw(text: str) -> tuple[str, ...]:
    """The words after ``--``. Invoke joins them with spaces: a value with spaces has to keep its quotes."""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(
            f"the words after -- cannot be told apart: {error}", hint="close the quotes"
        ) from None


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


def _build_files(root: Path) -> dict[str, str]:
    files = sorted((root / _BUILD_FILES).glob("*"))
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files if each.is_file()}


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


def _epoch(env: Mapping[str, str]) -> int | None:
    text = env.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    # 12 digits reach beyond the year 30000.
    if not re.fullmatch("[0-9]{1,12}", text):
        raise UsageError(f"SOURCE_DATE_EPOCH is '{text}', which is not a number of seconds since 1970")
    return int(text)


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
