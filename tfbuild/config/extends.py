"""YAML files that say ``extends: NAME``, or ``extends: PATH.yaml``, and then only what differs.

Maps merge by key; a scalar or a list replaces what was there; ``key+`` appends to a list of the file below.
Every node keeps the place that it was written at, so that a complaint names the right file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path

from tfbuild.base.errors import ConfigProblem
from tfbuild.base.places import is_path
from tfbuild.base.text import did_you_mean
from tfbuild.base.values import Origin
from tfbuild.config.yaml_source import (
    YamlDocument,
    YamlEntry,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    read_yaml,
)

EXTENDS = "extends"


@dataclass(frozen=True)
class MergedDocument(YamlDocument):
    """Several files as one; each complaint is made at the file that it is about."""

    parts: Mapping[str, YamlDocument] = field(default_factory=dict, compare=False)

    def problem(self, origin: Origin, message: str) -> ConfigProblem:
        """``message`` at ``origin``, with the line of that file."""
        part = self.parts.get(origin.path)
        return part.problem(origin, message) if part else super().problem(origin, message)


@dataclass(frozen=True)
class Chain:
    """A file with all that it extends, the file itself last."""

    files: tuple[Path, ...]
    documents: tuple[YamlDocument, ...]
    problems: tuple[ConfigProblem, ...]

    def merged(self, own: frozenset[str]) -> MergedDocument:
        """The chain as one document without ``extends``. The keys ``own`` are not inherited."""
        last = self.documents[-1]
        problems = list(self.problems)
        roots = [_without(each.root, own | {EXTENDS}) for each in self.documents[:-1]]
        roots.append(_without(last.root, frozenset({EXTENDS})))
        parts = {each.path: each for each in self.documents}
        merged = MergedDocument(last.path, YamlMapping((), last.root.origin), last.lines, (), parts)
        root = reduce(lambda base, over: _merge(base, over, merged, problems), roots, merged.root)
        return replace(merged, root=root, problems=tuple(problems))


def read_chain(file: Path, shown: str, folder: Path, shown_folder: str) -> Chain:
    """``file`` and what it extends: files NAME.yaml of ``folder``, or those at a path from the file itself.

    ``shown`` and ``shown_folder`` are their names in messages. A broken file, a name that is not there and a
    circle are problems of the chain, not exceptions.
    """
    files, documents = [file], [read_yaml(file, shown)]
    problems: list[ConfigProblem] = [*documents[0].problems]
    while entry := documents[-1].root.get(EXTENDS):
        value, last = entry.value, documents[-1]
        name = value.text if isinstance(value, YamlScalar) else None
        own = is_path(name or "")
        path = Path(os.path.normpath(files[-1].parent / str(name))) if own else folder / f"{name}.yaml"
        names = sorted(each.stem for each in folder.glob("*.yaml"))
        if name is None:
            problems.append(last.problem(entry.key_origin, f"'{EXTENDS}' takes one name"))
        elif path in files:
            circle = " -> ".join(each.stem for each in (*files[files.index(path) :], path))
            problems.append(last.problem(value.origin, f"'{EXTENDS}' goes in a circle: {circle}"))
        elif own and not path.is_file():
            message = f"there is no file '{name}' to extend (looked for {path})"
            problems.append(last.problem(value.origin, message))
        elif not own and name not in names:
            message = f"there is no '{name}' in {shown_folder} to extend{did_you_mean(name, names)}"
            problems.append(last.problem(value.origin, message))
        else:
            files.append(path)
            documents.append(read_yaml(path, str(path) if own else f"{shown_folder}/{path.name}"))
            problems += documents[-1].problems
            continue
        break
    return Chain(tuple(reversed(files)), tuple(reversed(documents)), tuple(problems))


def _without(root: YamlMapping, keys: frozenset[str]) -> YamlMapping:
    return replace(root, entries=tuple(each for each in root.entries if each.key not in keys))


def _merge(
    base: YamlMapping, over: YamlMapping, document: YamlDocument, problems: list[ConfigProblem]
) -> YamlMapping:
    entries = {each.key: each for each in base.entries}
    for each in over.entries:
        name = each.key.removesuffix("+")
        before = entries.get(name)
        if name != each.key:
            if complaint := _no_list(name, each, before, over):
                problems.append(document.problem(each.key_origin, complaint))
            elif before and isinstance(before.value, YamlSequence) and isinstance(each.value, YamlSequence):
                items = (*before.value.items, *each.value.items)
                entries[name] = replace(before, value=replace(before.value, items=items))
        else:
            entries[name] = replace(each, value=_over(before, each.value, document, problems))
    return YamlMapping(tuple(entries.values()), over.origin)


def _over(
    before: YamlEntry | None, value: YamlNode, document: YamlDocument, problems: list[ConfigProblem]
) -> YamlNode:
    if not isinstance(value, YamlMapping):
        return value
    inner = before.value if before else None
    base = inner if isinstance(inner, YamlMapping) else YamlMapping((), value.origin)
    return _merge(base, value, document, problems)


def _no_list(name: str, entry: YamlEntry, before: YamlEntry | None, over: YamlMapping) -> str | None:
    """Why ``name+`` cannot append."""
    if over.get(name):
        return f"'{name}' and '{entry.key}' in one place: keep one"
    if not isinstance(entry.value, YamlSequence) or (before and not isinstance(before.value, YamlSequence)):
        return f"'{name}' is not a list: write it without '+'"
    if before is None:
        return f"nothing that this file extends has a list '{name}': write it without '+'"
    return None
