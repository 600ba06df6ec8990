"""The releases that can be built, each a file that pins its bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.binding import bind
from tfbuild.documents import ReleaseEntry, ReleaseList, SourceEntry, dump
from tfbuild.errors import ConfigError, ConfigProblem, NothingMatchesError
from tfbuild.model import Arch, Origin, Product
from tfbuild.release_schema import Release
from tfbuild.suggest import did_you_mean
from tfbuild.yaml_source import YamlDocument, YamlMapping, YamlScalar, YamlSequence, read_yaml

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


def load_release(root: Path, product: Product, name: str) -> Release:
    """The release ``name`` of ``product``.

    Raises :class:`NothingMatchesError` for an unknown one, :class:`ConfigError` for a broken file.
    """
    names = _names(root, product)
    if name not in names:
        what = f"there is no {product} release '{name}'{did_you_mean(name, names)}"
        known = f"there are: {', '.join(names)}" if names else f"{product} has none yet"
        raise NothingMatchesError(what, details=(known,), hint="invoke list-releases")
    release, problems = _read(root, product, name)
    if release is None or problems:
        raise ConfigError(problems)
    return release


def release_origins(root: Path, product: Product, name: str) -> dict[str, Origin]:
    """The line of each key of the release's file, and of each macro as ``compile_defines.NAME``."""
    path = f"{RELEASE_FOLDER}/{product}/{name}.yaml"
    document = read_yaml(root / path, path)
    origins = {entry.key: entry.key_origin for entry in document.root.entries}
    entry = document.root.get("compile_defines")
    items = entry.value.items if entry and isinstance(entry.value, YamlSequence) else ()
    for item in items:
        key = item.get("name") if isinstance(item, YamlMapping) else None
        if key and isinstance(key.value, YamlScalar) and key.value.text:
            origins[f"compile_defines.{key.value.text}"] = key.key_origin
    return origins


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


def default_release(releases: Sequence[Release], product: Product) -> Release:
    """The newest release of ``product`` that this project has compiled and verified."""
    built = [each for each in releases if each.product is product and each.status == "built"]
    if not built:
        raise NothingMatchesError(
            f"no {product} release has been built by this project yet",
            hint="name a pinned one with --release: invoke list-releases",
        )
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


def list_releases_json(releases: Sequence[Release]) -> dict[str, Any]:
    """The document of ``list-releases --json``; its form is part of the interface."""
    entries = tuple(
        ReleaseEntry(
            product=each.product,
            release=each.release,
            status=each.status,
            arches=each.arches,
            description=each.description,
            library_version=each.version,
            provider=each.provider,
            tag=each.tag,
            revision=each.revision,
            source=SourceEntry(urls=each.source.urls, sha256=each.source.sha256),
        )
        for each in releases
    )
    return dump(ReleaseList(releases=entries))


def _names(root: Path, product: Product) -> tuple[str, ...]:
    folder = root / RELEASE_FOLDER / str(product)
    return tuple(sorted((path.stem for path in folder.glob("*.yaml") if path.is_file()), key=release_key))


def _read(root: Path, product: Product, name: str) -> tuple[Release | None, tuple[ConfigProblem, ...]]:
    path = f"{RELEASE_FOLDER}/{product}/{name}.yaml"
    document = read_yaml(root / path, path)
    if document.problems and not document.root.entries:
        return None, document.problems
    release, wrong = bind(document, Release)
    problems = [*document.problems, *wrong]
    if release is not None:
        problems += _disagreements(document, release, product, name)
    return release, tuple(problems)


def _disagreements(
    document: YamlDocument, release: Release, product: Product, name: str
) -> list[ConfigProblem]:
    """What the types cannot say: the names agree with the folder, the arches with each other."""
    found: list[ConfigProblem] = []
    if release.product is not product:
        found.append(_at(document, "product", f"the file is in the folder of '{product}'"))
    if release.release != name:
        found.append(_at(document, "release", f"the file is called '{name}.yaml'"))
    if release.provider == "debian" and release.debian is None:
        found.append(_at(document, "provider", "the provider 'debian' needs the key 'debian'"))
    if release.debian:
        named = {arch for each in release.debian.packages for arch in each.arches or ()}
        named |= {each.arch for each in release.debian.downloads}
        if strange := sorted(map(str, named - set(release.arches))):
            text = f"names {', '.join(strange)}, which the release's arches do not have"
            found.append(_at(document, "debian", text))
    return found


def _at(document: YamlDocument, key: str, message: str) -> ConfigProblem:
    entry = document.root.get(key)
    return document.problem(entry.key_origin if entry else Origin(document.path, 1, 1), message)
