"""The plan of an image with TensorFlow and Keras: which wheels, and whether they go together. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tfbuild.artifacts.platforms import Platforms
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem, NothingMatchesError, UsageError
from tfbuild.base.values import Origin
from tfbuild.config.keys import BuildConfig
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.assemble import Specifics, assemble
from tfbuild.plan.naming import Extra, as_text, model_extra, python_extra
from tfbuild.plan.plan import Plan, Request, Resolved
from tfbuild.plan.roots import Root, root_of, unpacked
from tfbuild.products.keras.keys import LEFT_OUT, AppKeys, KerasKeys
from tfbuild.products.keras.part import AppFolder, KerasModel, KerasPart
from tfbuild.products.keras.release import KerasRelease
from tfbuild.products.keras.trial import labels_of
from tfbuild.releases.load import lock_command
from tfbuild.releases.wheels.keys import WheelKeys, WheelPython, WheelSet
from tfbuild.releases.wheels.lock import LockedWheel, LockFile, require_environment
from tfbuild.releases.wheels.rules import Conflict, Wanted, closure, marker_environment


def describe(part: KerasPart) -> Iterator[str]:
    versions = ", ".join(f"{name} {version}" for name, version in part.versions)
    yield f"  wheels    {part.variant}, Python {part.python}: {versions}"
    yield f"  left out  {', '.join(part.left_out) or 'nothing'}"
    if part.app:
        own = f", {len(part.app_wheels)} wheels of its own" if part.app_wheels else ""
        yield f"  app       {part.app.path} as /app{own}"
    if part.command:
        yield f"  command   {shlex.join(part.command)}"
    for name, value in part.environment:
        yield f"  variable  {name}={value}"
    if part.healthcheck:
        yield f"  health    {shlex.join(part.healthcheck)}"
    if part.model:
        yield f"  model     {part.model.path} as /models/{part.model.name} ({part.model.kind})"


_STEPS = ("fetch", "root", "install", "image", "verify", "dist")
# pip reads wheels; eu-strip knows every architecture, which binutils' strip does not.
_BUILDER = ("elfutils", "python3-pip")
_RUNTIME = ("base-files", "ca-certificates")


@dataclass(frozen=True)
class AskedLine:
    """A line of requirements.txt."""

    requirement: str
    origin: Origin


@dataclass(frozen=True)
class KerasCircumstances:
    """What only an image of Keras depends on. ``asked`` are the lines of the application's requirements, and
    ``app_lock`` the lock of what they need besides TensorFlow's own wheels. ``platforms`` knows suites."""

    lock: LockFile
    platforms: Platforms
    app: AppFolder | None = None
    asked: tuple[AskedLine, ...] = ()
    app_lock: LockFile | None = None
    model: KerasModel | None = None
    run: AppKeys | None = None  # None: as the configuration says
    run_unset: AppKeys | None = None  # the same without --set


def make_keras_plan(found: Resolved[KerasRelease], more: KerasCircumstances) -> Plan[KerasPart]:
    """The plan.

    :raises NothingMatchesError: there are no wheels for the variant, the Python or the architecture.
    :raises ConfigError: versions that are asked for do not go together; every one of them.
    """
    request, config, keys = found.request, found.config, found.release.wheels
    values = config.values
    python = _python(keys, config, found.lines)
    asked = _set(keys, request, config, found.lines)
    chosen, extra = _chosen(found, more, python, asked)
    variant = values.of(KerasKeys).variant
    run = more.run or values.of(AppKeys)
    part = KerasPart(
        product="keras",
        variant=variant,
        python=python.version,
        versions=tuple((each.name, each.version) for each in chosen if _is_listed(each)),
        wheels=tuple(each.filename for each in chosen),
        app_wheels=tuple(each.filename for each in extra),
        requirements=tuple(
            f"{each.name}=={each.version} --hash=sha256:{each.sha256}" for each in (*chosen, *extra)
        ),
        left_out=tuple(name for name in LEFT_OUT if name not in values.of(KerasKeys).keep),
        app=more.app,
        model=more.model,
        command=run.command,
        environment=tuple(sorted(run.environment.items())),
        healthcheck=run.healthcheck,
    )
    root, runtime_root = _roots(found, python, more.platforms)
    specifics = Specifics(
        title="",
        image_title="TensorFlow and Keras",
        flags=(),
        part=part,
        notes=tuple(_notes(part)),
        pins=tuple(each.pin for each in (*chosen, *extra)),
        compiled_from=(part.wheels, part.python, part.left_out, runtime_root),
        image_from=(
            part.app_wheels,
            replace(part.app, path="") if part.app else None,
            replace(part.model, path="") if part.model else None,
            part.command,
            part.environment,
            part.healthcheck,
        ),
        verified_by=(part.versions,),
        roots=(root, runtime_root),
        steps=_STEPS,
        labels=tuple(labels_of(run.environment)),
        beyond=python_extra("keras.python", python, keys.python(config.named.of(KerasKeys).python))
        + tuple(_beyond(part, more, run, more.run_unset or config.named.of(AppKeys))),
    )
    return assemble(found, specifics)


def policy_name(values: BuildConfig) -> str:
    """The policy that a configuration names, else the one for the variant and the base."""
    kind = "gpu-" if values.of(KerasKeys).variant == "gpu" else ""
    return values.policy or f"keras-{kind}{values.runtime.base}"


def _beyond(part: KerasPart, more: KerasCircumstances, run: AppKeys, plain: AppKeys) -> Iterator[Extra]:
    """What is in the image belongs to its name."""
    if part.variant == "gpu":
        yield Extra("keras.variant", part.variant, part.variant)
    yield from _app_extras(more.app, run, plain)
    if more.model:
        yield model_extra(model_word(more.model.name), more.model.id, more.model.path)


def model_word(name: str) -> str:
    """What names call a model: without the ending that tells its kind."""
    path = PurePath(name)
    return path.stem if path.suffix in {".keras", ".h5", ".hdf5"} else name


def _app_extras(app: AppFolder | None, run: AppKeys, plain: AppKeys) -> Iterator[Extra]:
    """A program, and how it runs: ``plain`` as the configuration and the program's own file say."""
    if app:
        # A folder whose name cannot be one of an image has the user's own word for it.
        yield Extra("--app", app.tree, app.name, app.path, late=True)
    for key in type(run).model_fields:
        if getattr(run, key) != getattr(plain, key):
            yield Extra(f"app.{key}", as_text(getattr(run, key)), late=True)


def _is_listed(wheel: LockedWheel) -> bool:
    return wheel.name in {"tensorflow", "tensorflow-cpu", "keras", "numpy"}


def _python(keys: WheelKeys, config: ResolvedConfig, lines: Mapping[str, Origin]) -> WheelPython:
    wanted = config.values.of(KerasKeys).python
    found = keys.python(wanted)
    if found is None:
        able = ", ".join(each.version for each in keys.pythons)
        raise NothingMatchesError(
            f"there are no wheels of this release for Python {wanted}",
            details=(
                f"keras.python is {wanted} at {config.origins.get('keras.python', '')}",
                f"{lines.get('wheels', '')} has: {able}",
            ),
            hint=f"--set keras.python={keys.pythons[0].version}, or another release: invoke list-releases",
        )
    return found


def _set(keys: WheelKeys, request: Request, config: ResolvedConfig, lines: Mapping[str, Origin]) -> WheelSet:
    variant = config.values.of(KerasKeys).variant
    found = keys.find(variant, request.arch)
    if found is None:
        able = ", ".join(f"{each.variant} on {each.arch}" for each in keys.sets)
        raise NothingMatchesError(
            f"there are no wheels of {request.product} {request.release} for {variant} on {request.arch}",
            details=(
                f"keras.variant is {variant} at {config.origins.get('keras.variant', '')}",
                f"{lines.get('wheels', '')} has: {able}",
            ),
            hint="--variant cpu, or --arch amd64",
        )
    return found


def _chosen(
    resolved: Resolved[KerasRelease], more: KerasCircumstances, python: WheelPython, asked: WheelSet
) -> tuple[tuple[LockedWheel, ...], tuple[LockedWheel, ...]]:
    """TensorFlow's wheels, and those that only the application needs; all of them go together."""
    arch, config = resolved.request.arch, resolved.config
    environment = require_environment(more.lock, python.version, arch, asked.variant)
    base = {each.name: each for each in more.lock.lock.wheels_for(environment)}
    wanted = [Wanted(each, str(Origin(more.lock.path))) for each in asked.requirements]
    for index, text in enumerate(config.values.of(KerasKeys).requirements):
        wanted.append(Wanted(text, str(config.origins.get(f"keras.requirements.{index}", "--set"))))
    wanted += [Wanted(each.requirement, str(each.origin)) for each in more.asked]
    extra = _app_wheels(more, python, arch, asked.variant, base)
    found = closure(wanted, {**extra, **base}, marker_environment(python.version, arch))
    problems = [*conflict_problems(found.conflicts, base, more), *_missing(found.missing, more)]
    if problems:
        hint = "change one of the two, or take another release: invoke list-releases"
        if found.missing and more.app:
            hint = f"{lock_command(resolved.release)} --app {more.app.path}"
        raise ConfigError(tuple(problems), hint=hint)
    needed = set(found.names)
    return tuple(base.values()), tuple(each for name, each in sorted(extra.items()) if name in needed)


def _app_wheels(
    more: KerasCircumstances,
    python: WheelPython,
    arch: Arch,
    variant: str,
    base: Mapping[str, LockedWheel],
) -> dict[str, LockedWheel]:
    if more.app_lock is None:
        return {}
    environment = more.app_lock.lock.environment(python.version, arch, variant)
    if environment is None:
        return {}
    found = {each.name: each for each in more.app_lock.lock.wheels_for(environment)}
    return {name: each for name, each in found.items() if name not in base}


def conflict_problems(
    conflicts: tuple[Conflict, ...], base: Mapping[str, LockedWheel], more: KerasCircumstances
) -> Iterator[ConfigProblem]:
    """Each conflict, with both sides and where they are written."""
    for each in conflicts:
        if each.wanted is None:
            text = f"{each.wheel.name} {each.wheel.version} is for Python {each.wheel.requires_python}"
            yield _problem(str(_place(each.wheel.filename, more)), text)
            continue
        wanted, place = each.wanted, _place(each.wheel.filename, more)
        who = f"{wanted.by} requires" if wanted.wheel else "you asked for"
        yield _problem(
            str(_place(wanted.wheel, more)) if wanted.wheel else wanted.by,
            f"{who} {_bare(wanted.requirement)}, but the locked wheel is {each.wheel.name} "
            f"{each.wheel.version} ({place}){_reason(each.wheel, base, more)}",
        )


def _reason(wheel: LockedWheel, base: Mapping[str, LockedWheel], more: KerasCircumstances) -> str:
    """Which of TensorFlow's wheels wants which version of ``wheel``: the other side of the conflict."""
    wanting = [
        (each, Requirement(text))
        for each in base.values()
        for text in each.requires_dist
        if canonicalize_name(Requirement(text).name) == wheel.name
    ]
    said = [(each, found) for each, found in wanting if found.specifier]
    said.sort(key=lambda pair: (not pair[0].name.startswith("tensorflow"), pair[0].name))
    if not said:
        return ""
    by, found = said[0]
    place = _place(by.filename, more)
    return f"; {by.name} {by.version} requires {found.name}{found.specifier} ({place})"


def _bare(requirement: str) -> str:
    """Without the marker, which holds or it would not be told."""
    return requirement.partition(";")[0].strip()


def _missing(missing: tuple[Wanted, ...], more: KerasCircumstances) -> Iterator[ConfigProblem]:
    for each in missing:
        lock = more.app_lock.path if more.app_lock else "an application's lock"
        yield _problem(
            each.by if not each.wheel else str(_place(each.wheel, more)),
            f"{each.requirement} is neither among TensorFlow's wheels ({more.lock.path}) nor in {lock}",
        )


def _place(filename: str, more: KerasCircumstances) -> Origin:
    if more.app_lock and filename in more.app_lock.lines:
        return more.app_lock.origin(filename)
    return more.lock.origin(filename)


def _problem(place: str, text: str) -> ConfigProblem:
    path, _, line = place.rpartition(":")
    return ConfigProblem(path, int(line), 1, text) if line.isdecimal() else ConfigProblem(place, 0, 0, text)


def _roots(found: Resolved[KerasRelease], python: WheelPython, platforms: Platforms) -> tuple[Root, Root]:
    """The builder's root, and what the image is made of."""
    request, config, values = found.request, found.config, found.config.values
    foreign = request.arch is not request.build_arch
    if foreign and values.runtime.base == "debian":
        raise UsageError(
            f"runtime.base=debian cannot be made for {request.arch} on {request.build_arch}",
            details=(
                "installing Python into it would run programs of that architecture",
                f"runtime.base is debian at {config.origins.get('runtime.base', '')}",
            ),
            hint="--set runtime.base=scratch",
        )
    emulator = platforms.require_suite(python.suite).emulator
    include = (*_BUILDER, *((emulator,) if foreign and emulator else ()))
    root = root_of(values, python.suite, request.build_arch, include=include)
    packages = tuple(sorted({*python.packages, *_RUNTIME}))
    if values.runtime.base == "debian":
        epoch = found.circumstances.epoch_of(found.release)
        return root, replace(root, include=packages, source_date_epoch=epoch)
    return root, unpacked(root, request.arch, packages, found.circumstances.recorder)


def _notes(part: KerasPart) -> Iterator[str]:
    if part.variant == "gpu":
        yield "the GPU variant has never been run on a GPU by this project"
    if part.command and not part.app:
        yield "app.command is set without --app: the image has none of your files but the model"
    if part.app and not part.command:
        yield "app.command is not set: a container starts a Python prompt"
