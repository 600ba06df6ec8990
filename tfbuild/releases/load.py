"""The releases that can be built, each a file that pins its bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.documents import fingerprint
from tfbuild.base.errors import ConfigError, ConfigProblem, NothingMatchesError
from tfbuild.base.text import did_you_mean
from tfbuild.base.values import Origin, Product
from tfbuild.config.binding import bind
from tfbuild.config.yaml_source import (
    YamlDocument,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    read_yaml,
)
from tfbuild.machine.files import hash_file
from tfbuild.plan.naming import Extra
from tfbuild.products.serving.release import ServingKeys
from tfbuild.releases.keys import Release
from tfbuild.releases.lock import lock_path, read_lock
from tfbuild.releases.state import ReleaseLock
from tfbuild.releases.wheels.lock import wheel_lock_path

RELEASE_FOLDER = "build_configs/releases"
_PARTS = re.compile(r"([0-9]+(?:\.[0-9]+)*)(?:-?rc([0-9]+))?(?:-(.+))?")


@dataclass(frozen=True, order=True)
class ReleaseKey:
    """Sorts releases by age: 2.9 < 2.14.1 < 2.14.1-debian < 2.20.0-rc1 < 2.20.0 < 2.21.0."""

    numbers: tuple[int, ...]
    is_final: bool
    candidate: int
    suffix: str


def release_key(name: str) -> ReleaseKey:
    """The sort key of a release name. A name that is no version sorts before all others."""
    match = _PARTS.fullmatch(name)
    if match is None:
        return ReleaseKey((), False, 0, name)
    numbers, candidate, suffix = match.groups()
    return ReleaseKey(
        numbers=tuple(int(part) for part in numbers.split(".")),
        is_final=candidate is None,
        candidate=int(candidate or 0),
        suffix=suffix or "",
    )


def release_file(product: Product, name: str) -> str:
    """The path of the release ``name``, relative to the project; a name that ends in .yaml is one itself.

    So a fork of upstream, or a source that is not public, is built from a release file of one's own.
    """
    return name if name.endswith(".yaml") else f"{RELEASE_FOLDER}/{product}/{name}.yaml"


def patches_folder(path: str) -> str:
    """Where the patches of the release file ``path`` are: beside it."""
    return f"{path.removesuffix('.yaml')}.patches"


def load_release(root: Path, product: Product, name: str) -> Release:
    """The release ``name`` of ``product``, or the one in the file ``name``, if that ends in .yaml.

    Raises :class:`NothingMatchesError` for an unknown one, :class:`ConfigError` for a broken file.
    """
    names = _names(root, product)
    if name.endswith(".yaml"):
        if not (root / name).is_file():
            raise NothingMatchesError(f"there is no release file '{name}'", hint="invoke list-releases")
        _refuse_config(root / name, name)
        names = (name,)
    if name not in names:
        what = f"there is no {product} release '{name}'{_suggestion(name, names)}"
        known = f"there are: {', '.join(names)}" if names else f"{product} has none yet"
        raise NothingMatchesError(what, details=(known,), hint="invoke list-releases")
    release, problems = _read(root, product, name)
    if release is None or problems:
        raise ConfigError(problems)
    return release


def _suggestion(name: str, names: Sequence[str]) -> str:
    """The nearest by number where ``name`` is one: letter by letter, 2.13.0 would be 2.20.0."""
    wanted = release_key(name)
    near = [each for each in map(release_key, names) if each.numbers[:1] == wanted.numbers[:1]]
    if wanted.suffix or not wanted.numbers or not near:
        return did_you_mean(name, names)

    def distance(name: str) -> tuple[list[int], bool]:
        key = release_key(name)
        pairs = zip_longest(key.numbers, wanted.numbers, fillvalue=0)
        return [abs(one - other) for one, other in pairs], bool(key.suffix)

    found = min((each for each in names if release_key(each) in near), key=distance)
    return f"; did you mean '{found}'?"


def _refuse_config(file: Path, word: str) -> None:
    """Raises :class:`ConfigError` where ``file`` has nothing of a release: it would be dozens of problems."""
    document = read_yaml(file, word)
    keys = {entry.key for entry in document.root.entries}
    if document.problems or keys & {"product", "release", "provider"}:
        return
    is_config = {"extends", "compile", "description"} & keys
    what = f"this is a configuration: --config {file.stem}" if is_config else "this is no release file"
    raise ConfigError((ConfigProblem(word, 1, 1, what),), hint="invoke list-releases; invoke list-configs")


def load_lock(root: Path, release: Release, word: str = "") -> ReleaseLock:
    """The lock of ``release``; ``word`` is the release as it was typed, which may be a file of the user's."""
    path = lock_path(release_file(release.product, word or release.release))
    return ReleaseLock(path, read_lock(root / path, path))


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


def release_origins(root: Path, product: Product, name: str) -> dict[str, Origin]:
    """The line of each key of the release's file, and of each macro as ``compile_defines.NAME``."""
    path = release_file(product, name)
    document = read_yaml(root / path, path)
    origins = {entry.key: entry.key_origin for entry in document.root.entries}
    entry = document.root.get("compile_defines")
    items = entry.value.items if entry and isinstance(entry.value, YamlSequence) else ()
    for item in items:
        key = item.get("name") if isinstance(item, YamlMapping) else None
        if key and isinstance(key.value, YamlScalar) and key.value.text:
            origins[f"compile_defines.{key.value.text}"] = key.key_origin
    for section in ("serving", "upstream"):
        keys = document.root.get(section)
        if keys and isinstance(keys.value, YamlMapping):
            for each in keys.value.entries:
                origins[f"{section}.{each.key}"] = each.key_origin
                origins |= _item_origins(f"{section}.{each.key}", each.value)
    return origins


def _item_origins(path: str, node: YamlNode) -> dict[str, Origin]:
    """The lines of what a key holds: of a list's items by number, of a map's entries by name."""
    if isinstance(node, YamlSequence):
        return {f"{path}.{number}": item.origin for number, item in enumerate(node.items)}
    if isinstance(node, YamlMapping):
        return {f"{path}.{each.key}": each.key_origin for each in node.entries}
    return {}


def list_releases(root: Path) -> tuple[Release, ...]:
    """All releases: by product, then by age, oldest first. Raises :class:`ConfigError` for broken files."""
    found: list[Release] = []
    problems: list[ConfigProblem] = []
    for product in Product:
        for name in _names(root, product):
            release, wrong = _read(root, product, name)
            problems += wrong
            found += [release] if release else []
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(found)


def default_release(releases: Sequence[Release], product: Product, *, wheels: bool = False) -> Release:
    """The newest release of ``product`` that this project has compiled and verified.

    ``wheels``: of those that are official wheels, by their date, since their names changed.

    Of the model server simply the newest: compiling one takes more than most machines have, and the plan
    says what was never done.
    """
    able = ("built", "pinned") if product is Product.SERVING or wheels else ("built",)
    built = [each for each in releases if each.product is product and each.status in able]
    if product is Product.TFLITE:
        built = [each for each in built if (each.provider == "wheels") == wheels]
    if not built:
        raise NothingMatchesError(
            f"no {product} release has been built by this project yet",
            hint="name a pinned one with --release: invoke list-releases",
        )
    if wheels:
        return max(built, key=lambda each: each.source_date_epoch)
    return max(built, key=lambda each: release_key(each.release))


def require_arch(release: Release, arch: Arch) -> None:
    """Raises :class:`NothingMatchesError` where ``release`` cannot be built for ``arch``."""
    if arch not in release.arches:
        able = ", ".join(map(str, release.arches))
        raise NothingMatchesError(
            f"{release.product} {release.release} cannot be built for {arch}",
            details=(f"it can for: {able}",),
            hint=f"use --arch {release.arches[0]}, or another release: invoke list-releases",
        )


def _names(root: Path, product: Product) -> tuple[str, ...]:
    folder = root / RELEASE_FOLDER / str(product)
    return tuple(sorted((path.stem for path in folder.glob("*.yaml") if path.is_file()), key=release_key))


def _read(root: Path, product: Product, name: str) -> tuple[Release | None, tuple[ConfigProblem, ...]]:
    path = release_file(product, name)
    document = read_yaml(root / path, path)
    if document.problems and not document.root.entries:
        return None, document.problems
    release, wrong = bind(document, Release)
    problems = [*document.problems, *wrong]
    if release is not None:
        problems += _disagreements(document, release, product, name)
        problems += [_at(document, "patches", text) for text in _patch_disagreements(root, path, release)]
    return release, tuple(problems)


def _disagreements(
    document: YamlDocument, release: Release, product: Product, name: str
) -> list[ConfigProblem]:
    """What the types cannot say: the names agree with the folder, the arches with each other."""
    found: list[ConfigProblem] = []
    if release.product is not product:
        found.append(_at(document, "product", f"the file is in the folder of '{product}'"))
    stem = Path(name).name.removesuffix(".yaml")
    if release.release != stem:
        found.append(_at(document, "release", f"the file is called '{stem}.yaml'"))
    found += [_at(document, key, text) for key, text in _origin_disagreements(release)]
    if (release.serving is None) == (release.product is Product.SERVING):
        found.append(
            _at(document, "serving", "the key 'serving' belongs to releases of serving, and to all of them")
        )
    if release.serving:
        found += [_at(document, "serving", text) for text in _serving_disagreements(release, release.serving)]
    if release.upstream and (release.provider != "upstream" or release.serving):
        text = "the key 'upstream' belongs to TFLite releases with the provider 'upstream'"
        found.append(_at(document, "upstream", text))
    if release.provider == "debian" and release.debian is None:
        found.append(_at(document, "provider", "the provider 'debian' needs the key 'debian'"))
    if release.debian:
        named = {arch for each in release.debian.packages for arch in each.arches or ()}
        named |= {each.arch for each in release.debian.downloads}
        if strange := sorted(map(str, named - set(release.arches))):
            text = f"names {', '.join(strange)}, which the release's arches do not have"
            found.append(_at(document, "debian", text))
    return found


def _origin_disagreements(release: Release) -> list[tuple[str, str]]:
    """What is wrong about where the bytes come from: key and text."""
    found: list[tuple[str, str]] = []
    source, wheels = release.source, release.wheels
    if (source is None) != (release.provider == "wheels"):
        found.append(("source", "the provider 'wheels' has no source, every other one has"))
    if release.provider == "wheels" and wheels is None:
        found.append(("provider", "the provider 'wheels' needs the key 'wheels'"))
    if source and source.sha256 is None and source.tree is None:
        found.append(("source", "the source has neither sha256 nor tree: nothing could be checked"))
    if source and source.tree and source.subtrees:
        found.append(("source", "a tree is that of the whole source: it goes without subtrees"))
    if wheels and (
        strange := sorted({str(each.arch) for each in wheels.sets} - set(map(str, release.arches)))
    ):
        found.append(("wheels", f"names {', '.join(strange)}, which the release's arches do not have"))
    if wheels and len({(each.variant, each.arch) for each in wheels.sets}) != len(wheels.sets):
        found.append(("wheels", "two sets are for the same variant and arch"))
    return found


def _patch_disagreements(root: Path, path: str, release: Release) -> list[str]:
    """A patch that is named and not there, or there and not named, is one that nobody would miss."""
    folder = patches_folder(path)
    there = sorted(each.name for each in (root / folder).glob("*"))
    named = [each.file for each in release.patches]
    found = [f"there is no patch '{name}' in {folder}" for name in named if name not in there]
    found += [f"'{name}' in {folder} is not named" for name in there if name not in named]
    if len(set(named)) != len(named):
        found.append("a patch is named twice")
    if named and release.source is None:
        found.append("nothing is compiled, so there is nothing to patch")
    return found


def _serving_disagreements(release: Release, serving: ServingKeys) -> list[str]:
    found: list[str] = []
    if bool(serving.bazel.binaries) == bool(serving.bazel.package):
        found.append("bazel comes from 'binaries' or from 'package', and from one of them")
    builders = {way.build_arch for way in serving.ways}
    if serving.bazel.binaries and (lacking := sorted(map(str, builders - set(serving.bazel.binaries)))):
        found.append(f"'ways' builds on {', '.join(lacking)}, and 'bazel.binaries' has none for it")
    if {way.arch for way in serving.ways} != set(release.arches):
        found.append("'ways' and 'arches' name different architectures")
    if serving.compiler.origin == "suite" and not serving.compiler.packages:
        found.append("a compiler of the suite comes from packages: 'compiler.packages' names none")
    if release.debian is None:
        found.append("the builder image is made of a Debian suite: the key 'debian' says which")
    return found


def _at(document: YamlDocument, key: str, message: str) -> ConfigProblem:
    entry = document.root.get(key)
    return document.problem(entry.key_origin if entry else Origin(document.path, 1, 1), message)
