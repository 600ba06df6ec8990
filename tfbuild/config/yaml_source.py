"""YAML that knows where each key and value stands.

Files are read with ``yaml.compose``: the nodes keep line, column and the raw text of a scalar, where
``yaml.safe_load`` would turn the release ``2.20`` into the number 2.2 and silently drop the first of
two equal keys. Types are decided later, by the models. All problems of a file are collected.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml

from tfbuild.base.errors import ConfigProblem
from tfbuild.base.urls import CREDENTIALS, safe_url
from tfbuild.base.values import Origin

# What YAML 1.1 and 1.2 both read as null when it stands without quotes: https://yaml.org/type/null.html
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_STANDARD_TAG = "tag:yaml.org,2002:"
# YAML's line breaks; str.splitlines() knows more of them and would count other lines than PyYAML does.
_LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
# Our largest file has a few hundred nodes; aliases of aliases reach millions in ten lines.
_MAX_NODES = 20_000
# Far above what a configuration needs, and far below Python's recursion limit.
_MAX_DEPTH = 50

Plain: TypeAlias = "str | list[Plain] | dict[str, Plain] | None"


@dataclass(frozen=True)
class YamlScalar:
    """A leaf with its raw text; None is an unquoted null."""

    text: str | None
    origin: Origin


@dataclass(frozen=True)
class YamlSequence:
    items: tuple[YamlNode, ...]
    origin: Origin


@dataclass(frozen=True)
class YamlEntry:
    key: str
    key_origin: Origin
    value: YamlNode


@dataclass(frozen=True)
class YamlMapping:
    entries: tuple[YamlEntry, ...]
    origin: Origin

    def get(self, key: str) -> YamlEntry | None:
        return next((entry for entry in self.entries if entry.key == key), None)


YamlNode: TypeAlias = YamlScalar | YamlSequence | YamlMapping


@dataclass(frozen=True)
class YamlDocument:
    """A parsed file. ``root`` holds what could be read even when there are ``problems``."""

    path: str
    root: YamlMapping
    lines: tuple[str, ...]
    problems: tuple[ConfigProblem, ...] = field(default=())

    def problem(self, origin: Origin, message: str) -> ConfigProblem:
        """``message`` at ``origin``, with the line it is about."""
        return _problem(self.path, self.lines, origin.line, origin.column, message)


def read_yaml(file: Path, path: str) -> YamlDocument:
    """The YAML of ``file``; ``path`` is its name in messages and origins.

    An unreadable file is a problem at its first line, not an exception.
    """
    try:
        return parse_yaml(file.read_bytes().decode("utf-8-sig"), path)
    except UnicodeDecodeError as error:
        message = f"not UTF-8 text (byte {error.start})"
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
    return _empty(path, (), (ConfigProblem(path, 1, 1, message),))


@functools.lru_cache(maxsize=256)
def parse_yaml(text: str, path: str) -> YamlDocument:
    """Reads one YAML document whose root is a mapping. Never raises for bad input.

    The document is frozen, so a text is parsed once: a plan for several platforms reads each release file for
    each of them.
    """
    lines = tuple(_LINE_BREAK.split(text))
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        return _empty(path, lines, (_syntax_problem(path, lines, error),))
    except yaml.reader.ReaderError as error:
        line, column = _locate(text, error.position)
        message = f"character {_show(error.character)} is not allowed in YAML"
        return _empty(path, lines, (_problem(path, lines, line, column, message),))
    except RecursionError:
        return _empty(path, lines, (_problem(path, lines, 1, 1, "nested too deeply"),))
    if node is None:
        return _empty(path, lines, (_problem(path, lines, 1, 1, "the file is empty"),))
    reader = _Reader(path, lines)
    root = reader.convert(node)
    if not isinstance(root, YamlMapping):
        reader.report(node, f"expected 'key: value' lines at the top, found {kind_of(root)}")
        root = YamlMapping((), Origin(path, 1, 1))
    return YamlDocument(path, root, lines, tuple(reader.problems))


def kind_of(node: YamlNode) -> str:
    """What ``node`` is, in a user's words."""
    if isinstance(node, YamlMapping):
        return "a mapping"
    if isinstance(node, YamlSequence):
        return "a list"
    return "nothing" if node.text is None else f"the value {safe_url(node.text)!r}"


def to_plain(node: YamlNode) -> Plain:
    """``node`` as str, None, list and dict, for a model to validate."""
    if isinstance(node, YamlMapping):
        return {entry.key: to_plain(entry.value) for entry in node.entries}
    if isinstance(node, YamlSequence):
        return [to_plain(item) for item in node.items]
    return node.text


class _Reader:
    """Turns PyYAML's nodes into ours and collects what is wrong with them."""

    def __init__(self, path: str, lines: tuple[str, ...]) -> None:
        self.path = path
        self.lines = lines
        self.problems: list[ConfigProblem] = []
        self._count = 0
        self._open: set[int] = set()

    def convert(self, node: yaml.Node) -> YamlNode:
        origin = self.origin(node)
        self._count += 1
        if refusal := self._refusal(node):
            self.report(node, refusal)
            return YamlScalar(None, origin)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return YamlMapping(tuple(self._entries(node)), origin)
            if isinstance(node, yaml.SequenceNode):
                return YamlSequence(tuple(self.convert(item) for item in node.value), origin)
        finally:
            self._open.discard(id(node))
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        return YamlScalar(None if plain and node.value in _NULLS else node.value, origin)

    def _refusal(self, node: yaml.Node) -> str | None:
        if id(node) in self._open:
            return "an alias that contains itself"
        if len(self._open) >= _MAX_DEPTH:
            return "nested too deeply"
        if self._count == _MAX_NODES:
            return f"more than {_MAX_NODES} values: aliases of aliases?"
        if self._count > _MAX_NODES:
            return None if isinstance(node, yaml.ScalarNode) else "too many values"
        if not node.tag.startswith(_STANDARD_TAG):
            return f"the tag {node.tag!r} is not supported; remove it"
        return None

    def _entries(self, node: yaml.MappingNode) -> Iterator[YamlEntry]:
        first: dict[str, Origin] = {}
        for key, value in node.value:
            origin = self.origin(key)
            if not isinstance(key, yaml.ScalarNode):
                self.report(key, "a key must be a single word")
            elif key.value == "<<" and key.style is None:
                self.report(key, "merge keys ('<<') are not supported; use 'extends'")
            elif key.value in first:
                before = first[key.value]
                self.report(key, f"duplicate key '{key.value}' (first at line {before.line})")
            else:
                first[key.value] = origin
                yield YamlEntry(key.value, origin, self.convert(value))

    def origin(self, node: yaml.Node) -> Origin:
        return Origin(self.path, node.start_mark.line + 1, node.start_mark.column + 1)

    def report(self, node: yaml.Node, message: str) -> None:
        at = self.origin(node)
        self.problems.append(_problem(self.path, self.lines, at.line, at.column, message))


def _empty(path: str, lines: tuple[str, ...], problems: tuple[ConfigProblem, ...]) -> YamlDocument:
    return YamlDocument(path, YamlMapping((), Origin(path, 1, 1)), lines, problems)


def _problem(path: str, lines: tuple[str, ...], line: int, column: int, message: str) -> ConfigProblem:
    source = lines[line - 1] if 0 < line <= len(lines) else ""
    # One column per character, and nothing that a terminal would obey; the caret stays in place.
    snippet = "".join(char if char.isprintable() else " " if char == "\t" else "\ufffd" for char in source)
    # Same length, so that the caret stays in place.
    snippet = CREDENTIALS.sub(lambda found: f"//{'*' * (len(found[0]) - 3)}@", snippet)
    return ConfigProblem(path, line, column, message, snippet.rstrip())


def _syntax_problem(path: str, lines: tuple[str, ...], error: yaml.MarkedYAMLError) -> ConfigProblem:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return _problem(path, lines, 1, 1, f"not YAML: {error}")
    line, column = mark.line + 1, mark.column + 1
    message = error.problem or error.context or "not YAML"
    if "\\t" in message:
        message = "a tab cannot indent or separate here; use spaces"
    elif isinstance(error, yaml.composer.ComposerError) and "but found another document" in message:
        message = "a second document starts here; a file holds one"
    else:
        context = f" {error.context}" if error.context and error.context != message else ""
        message = f"not YAML: {message}{context}"
    return _problem(path, lines, line, column, message)


def _locate(text: str, position: int) -> tuple[int, int]:
    before = _LINE_BREAK.split(text[:position])
    return len(before), len(before[-1]) + 1


def _show(character: object) -> str:
    return f"U+{character:04X}" if isinstance(character, int) else repr(character)
