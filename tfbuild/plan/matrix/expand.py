"""From a matrix to the words of each of its builds, with the places in the file that asked for them; pure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem
from tfbuild.base.places import is_path
from tfbuild.base.values import Origin
from tfbuild.config.yaml_source import YamlDocument, YamlEntry, YamlMapping, YamlNode, YamlSequence
from tfbuild.plan.matrix.file import Axes, Exclusion, NamedBuild, ReadMatrix
from tfbuild.plan.words import Words

# A slip in a list should not start a week of work.
MOST_BUILDS = 1000
NOTHING = Exclusion()
# Keys that not every product takes.
OWN = ("app", "model", "variant")


@dataclass(frozen=True)
class Wanted:
    """A build that a matrix asks for: the words of its command, and where it is asked for.

    ``label`` is its own name, empty where it has none. ``places`` are where single words of it stand.
    """

    product: str
    words: Words
    origin: Origin
    label: str = ""
    places: tuple[tuple[str, Origin], ...] = ()

    def place_of(self, message: str) -> Origin:
        """Where the word stands that ``message`` is about, as far as it can be told."""
        told = message.replace("'", " ").replace(",", " ").replace(";", " ").split()
        return next((origin for word, origin in self.places if word in told), self.origin)


def expand(read: ReadMatrix, base: Words, host: Arch) -> tuple[Wanted, ...]:
    """Every build of the matrix, in the order of the file. ``base`` has the words that all of them have;
    ``host`` is the architecture where none is named.

    :raises ConfigError: with every exclusion that leaves nothing out, or where too much is asked for.
    """
    wanted: list[Wanted] = []
    used: set[int] = set()
    size = sum(map(_size, read.matrix.matrix)) + len(read.matrix.builds)
    if size > MOST_BUILDS:
        problem = read.document.problem(
            read.document.root.origin, f"{size} combinations; at most {MOST_BUILDS} are built at once"
        )
        raise ConfigError((problem,))
    for number, axes in enumerate(read.matrix.matrix):
        for each in _combined(axes, _at(read.document, "matrix", number), read, base, host):
            hits = {at for at, one in enumerate(read.matrix.exclude) if _excludes(one, each, read.folder)}
            used |= hits
            if not hits:
                wanted.append(each)
    idle = [_idle(read, at) for at, one in enumerate(read.matrix.exclude) if at not in used or one == NOTHING]
    if idle:
        raise ConfigError(tuple(idle))
    section = read.document.root.get("builds")
    for label, build in read.matrix.builds.items():
        entry = section.value.get(label) if section and isinstance(section.value, YamlMapping) else None
        wanted.append(_named(label, build, entry, read, base, host))
    return tuple(wanted)


def _size(axes: Axes) -> int:
    lists: tuple[Sequence[object], ...] = (axes.products, axes.releases, axes.configs, axes.arches)
    size = 1
    for each in lists:
        size *= max(1, len(each))
    return size


def _combined(axes: Axes, node: YamlNode, read: ReadMatrix, base: Words, host: Arch) -> Iterator[Wanted]:
    for product, release, config, arch in combinations(
        axes.products, axes.releases or ("",), axes.configs or ("",), axes.arches or (host,)
    ):
        words = replace(
            base,
            release=_path(release, read.folder),
            config=_path(config, read.folder),
            arch=str(arch),
            origin=axes.origin or "",
            sets=(*base.sets, *axes.set),
        )
        asked = (("configs", config), ("arches", str(arch)), ("releases", release), ("products", product))
        items = (*((key, text) for key, text in asked), *(("set", text) for text in axes.set))
        yield Wanted(product, words, node.origin, places=tuple(_places(node, items)))


def _named(
    label: str, build: NamedBuild, entry: YamlEntry | None, read: ReadMatrix, base: Words, host: Arch
) -> Wanted:
    words = replace(
        base,
        release=_path(build.release or "", read.folder),
        config=_path(build.config or "", read.folder),
        arch=str(build.arch or host),
        origin=build.origin or "",
        variant=build.variant or "",
        sets=(*base.sets, *build.set),
        app=_beside(build.app, read.folder),
        model=_beside(build.model, read.folder),
        name=build.name or "",
        tag=build.tag or "",
    )
    node = entry.value if entry else read.document.root
    asked = (("config", build.config), ("arch", build.arch), ("release", build.release))
    items = [(key, str(text)) for key, text in (*asked, ("product", build.product)) if text]
    own = node.entries if isinstance(node, YamlMapping) else ()
    keys = [(each.key, each.key_origin) for each in own if each.key in OWN]
    places = (*keys, *_places(node, (*items, *(("set", text) for text in build.set))))
    return Wanted(build.product, words, entry.key_origin if entry else node.origin, label, places)


def _path(word: str, folder: Path) -> str:
    return _beside(word, folder) if is_path(word) else word


def _beside(word: str | None, folder: Path) -> str:
    """A path that is meant from the matrix's folder; it need not be there."""
    if not word or word.startswith(("~", "/")):
        return word or ""
    return os.path.normpath(folder / word)


def _excludes(exclusion: Exclusion, wanted: Wanted, folder: Path) -> bool:
    words = wanted.words
    pairs: tuple[tuple[Sequence[str], str], ...] = (
        (exclusion.products, wanted.product),
        ([_path(each, folder) for each in exclusion.releases], words.release),
        ([_path(each, folder) for each in exclusion.configs], words.config),
        ([str(each) for each in exclusion.arches], words.arch),
    )
    return all(not asked or word in asked for asked, word in pairs)


def _idle(read: ReadMatrix, number: int) -> ConfigProblem:
    message = "leaves nothing out: no combination of 'matrix' is like this"
    if read.matrix.exclude[number] == NOTHING:
        message = "names nothing, and so would leave out all of 'matrix'"
    return read.document.problem(_at(read.document, "exclude", number).origin, message)


def _at(document: YamlDocument, key: str, number: int) -> YamlNode:
    entry = document.root.get(key)
    if entry and isinstance(entry.value, YamlSequence):
        return entry.value.items[number]
    return document.root


def _places(node: YamlNode, asked: Sequence[tuple[str, str]]) -> Iterator[tuple[str, Origin]]:
    """Where in ``node`` each word stands, behind its key; in a list the item counts."""
    if not isinstance(node, YamlMapping):
        return
    for key, word in asked:
        entry = node.get(key)
        if entry is None or not word:
            continue
        items = entry.value.items if isinstance(entry.value, YamlSequence) else (entry.value,)
        found = (item.origin for item in items if getattr(item, "text", None) == word)
        yield word, next(found, entry.key_origin)
