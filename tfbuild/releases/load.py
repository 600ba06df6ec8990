"""The releases that can be built, each a file that pins its bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem, NothingMatchesError
from tfbuild.base.text import did_you_mean
from tfbuild.base.values import Origin
from tfbuild.config.binding import bind
from tfbuild.config.yaml_source import (
    YamlDocument,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    read_yaml,
)
from tfbuild.releases.keys import Release, debian_of, source_of
from tfbuild.releases.lock import lock_path, read_lock
from tfbuild.releases.state import ReleaseLock

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


def _none(release: Release) -> Iterator[tuple[str, str]]:
    del release
    return iter(())


@dataclass(frozen=True, eq=False)
class ReleaseKind:
    """How the release files of one product are read: by the model of their provider.

    ``disagreements`` says what the types cannot: key and text. ``never_built_will_do``: the default may be a
    release that this project has only pinned.
    """

    product: str
    models: Mapping[str, type[Release]]
    disagreements: Callable[[Release], Iterator[tuple[str, str]]] = _none
    never_built_will_do: bool = False

    def model_of(self, document: YamlDocument) -> type[Release]:
        """The model for the provider that ``document`` names; the first one where it names none of them."""
        entry = document.root.get("provider")
        word = entry.value.text if entry and isinstance(entry.value, YamlScalar) else None
        return self.models.get(word or "", next(iter(self.models.values())))


def release_file(product: str, name: str) -> str:
    """The path of the release ``name``, relative to the project; a name that ends in .yaml is one itself.

    So a fork of upstream, or a source that is not public, is built from a release file of one's own.
    """
    return name if name.endswith(".yaml") else f"{RELEASE_FOLDER}/{product}/{name}.yaml"


def lock_command(release: Release) -> str:
    """What makes the lock of ``release``: a shipped one is called by its name, a user's by its file."""
    word = release.path if release.path != release_file(release.product, release.release) else ""
    return f"invoke lock --product {release.product} --release {word or release.release}"


def patches_folder(path: str) -> str:
    """Where the patches of the release file ``path`` are: beside it."""
    return f"{path.removesuffix('.yaml')}.patches"


def load_release(root: Path, kind: ReleaseKind, name: str) -> Release:
    """The release ``name`` of a product, or the one in the file ``name``, if that ends in .yaml.

    Raises :class:`NothingMatchesError` for an unknown one, :class:`ConfigError` for a broken file.
    """
    product = kind.product
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
    release, problems = _read(root, kind, name)
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
    what = f"this is a configuration: --config {file.stem}" if is_config else "this is not a release file"
    raise ConfigError((ConfigProblem(word, 1, 1, what),), hint="invoke list-releases; invoke list-configs")


def load_lock(root: Path, release: Release) -> ReleaseLock:
    """The lock of ``release``."""
    path = lock_path(release.path)
    return ReleaseLock(path, read_lock(root / path, path))


def release_origins(root: Path, release: Release) -> dict[str, Origin]:
    """The line of each key of the release's file, and of each macro as ``compile_defines.NAME``."""
    document = read_yaml(root / release.path, release.path)
    origins = {entry.key: entry.key_origin for entry in document.root.entries}
    entry = document.root.get("compile_defines")
    items = entry.value.items if entry and isinstance(entry.value, YamlSequence) else ()
    for item in items:
        key = item.get("name") if isinstance(item, YamlMapping) else None
        if key and isinstance(key.value, YamlScalar) and key.value.text:
            origins[f"compile_defines.{key.value.text}"] = key.key_origin
    for section in document.root.entries:
        if isinstance(section.value, YamlMapping):
            for each in section.value.entries:
                origins[f"{section.key}.{each.key}"] = each.key_origin
                origins |= _item_origins(f"{section.key}.{each.key}", each.value)
    return origins


def _item_origins(path: str, node: YamlNode) -> dict[str, Origin]:
    """The lines of what a key holds: of a list's items by number, of a map's entries by name."""
    if isinstance(node, YamlSequence):
        return {f"{path}.{number}": item.origin for number, item in enumerate(node.items)}
    if isinstance(node, YamlMapping):
        return {f"{path}.{each.key}": each.key_origin for each in node.entries}
    return {}


def list_releases(root: Path, kinds: Sequence[ReleaseKind]) -> tuple[Release, ...]:
    """All releases: in the order of ``kinds``, then by age, oldest first.

    :raises ConfigError: a file is broken.
    """
    found: list[Release] = []
    problems: list[ConfigProblem] = []
    for kind in kinds:
        for name in _names(root, kind.product):
            release, wrong = _read(root, kind, name)
            problems += wrong
            found += [release] if release else []
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(found)


def default_release(
    releases: Sequence[Release], product: str, *, wheels: bool = False, never_built: bool = False
) -> Release:
    """The newest release of ``product`` that this project has built and verified, and that is ``eligible``.

    ``never_built``: simply the newest will do, as with what takes more than most machines have; the plan says
    what was never done. ``wheels``: of those that come from official wheels, by their date, since their names
    changed; else of those that come from source, where the product has any.
    """
    own = [each for each in releases if each.product == product and each.eligible]
    compiled = [each for each in own if each.origin == "source"]
    if wheels:
        found = [each for each in own if each.origin == "wheel"]
    else:
        found = [each for each in compiled or own if never_built or each.status == "built"]
    if not found:
        raise NothingMatchesError(
            f"no {product} release has been built by this project yet",
            hint="name a pinned one with --release: invoke list-releases",
        )
    if wheels:
        return max(found, key=lambda each: each.source_date_epoch)
    return max(found, key=lambda each: release_key(each.release))


def require_arch(release: Release, arch: Arch, releases: Sequence[Release] = ()) -> None:
    """Raises :class:`NothingMatchesError` where ``release`` cannot be built for ``arch``.

    Of ``releases``, where they are given, those of its product that can are named; the newest that comes from
    where ``release`` does is the one to take.
    """
    if arch not in release.arches:
        able = ", ".join(map(str, release.arches))
        named = [each for each in releases if each.product == release.product and arch in each.arches]
        others = ", ".join(f"{each.release} (from {each.origin})" for each in named) or "none"
        alike = [each for each in named if each.origin == release.origin]
        take = (alike or named)[-1:]
        raise NothingMatchesError(
            f"{release.product} {release.release} cannot be built for {arch}",
            details=(f"it can for: {able}", *([f"releases for {arch}: {others}"] if releases else [])),
            hint=f"use --arch {release.arches[0]}"
            + "".join(f", or --from {each.origin} --release {each.release}" for each in take),
        )


def _names(root: Path, product: str) -> tuple[str, ...]:
    folder = root / RELEASE_FOLDER / str(product)
    return tuple(sorted((path.stem for path in folder.glob("*.yaml") if path.is_file()), key=release_key))


def _read(root: Path, kind: ReleaseKind, name: str) -> tuple[Release | None, tuple[ConfigProblem, ...]]:
    path = release_file(kind.product, name)
    document = read_yaml(root / path, path)
    if document.problems and not document.root.entries:
        return None, document.problems
    release, wrong = bind(document, kind.model_of(document))
    problems = [*document.problems, *wrong]
    if release is not None:
        release.read_from(path)
        problems += [_at(document, key, text) for key, text in _disagreements(release, kind, name)]
        problems += [_at(document, "patches", text) for text in _patch_disagreements(root, path, release)]
    return release, tuple(problems)


def _disagreements(release: Release, kind: ReleaseKind, name: str) -> Iterator[tuple[str, str]]:
    """What the types cannot say: the names agree with the folder, the arches with each other."""
    if release.product != kind.product:
        yield "product", f"the file is in the folder of '{kind.product}'"
    if release.provider not in kind.models:
        yield "provider", f"'{release.provider}' is none of {kind.product}: it has {', '.join(kind.models)}"
    stem = Path(name).name.removesuffix(".yaml")
    if release.release != stem:
        yield "release", f"the file is called '{stem}.yaml'"
    source = source_of(release)
    if source and source.sha256 is None and source.tree is None:
        yield "source", "the source has neither sha256 nor tree: nothing could be checked"
    if source and source.tree and source.subtrees:
        yield "source", "a tree is that of the whole source: it goes without subtrees"
    if debian := debian_of(release):
        named = {arch for each in debian.packages for arch in each.arches or ()}
        named |= {each.arch for each in debian.downloads}
        if strange := sorted(map(str, named - set(release.arches))):
            yield "debian", f"names {', '.join(strange)}, which the release's arches do not have"
    yield from kind.disagreements(release)


def _patch_disagreements(root: Path, path: str, release: Release) -> list[str]:
    """A patch that is named and not there, or there and not named, is one that nobody would miss."""
    folder = patches_folder(path)
    there = sorted(each.name for each in (root / folder).glob("*"))
    named = [each.file for each in release.patches]
    found = [f"there is no patch '{name}' in {folder}" for name in named if name not in there]
    found += [f"'{name}' in {folder} is not named" for name in there if name not in named]
    if len(set(named)) != len(named):
        found.append("a patch is named twice")
    if named and not release.is_compiled:
        found.append("nothing is compiled, so there is nothing to patch")
    return found


def _at(document: YamlDocument, key: str, message: str) -> ConfigProblem:
    entry = document.root.get(key)
    return document.problem(entry.key_origin if entry else Origin(document.path, 1, 1), message)
