"""What one layer of a configuration gives, and how layers merge. Pure; reads no file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from tfbuild.base.errors import ConfigProblem
from tfbuild.base.text import did_you_mean
from tfbuild.base.values import Origin
from tfbuild.config.binding import explain
from tfbuild.config.model import ConfigModel, Key, Kind
from tfbuild.config.yaml_source import (
    Plain,
    YamlDocument,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    parse_yaml,
    to_plain,
)

BUILT_IN = Origin("built-in default")
# Flags that carry their argument after a comma, so a comma does not end them.
_COMMA_FLAG = re.compile(r"-W[lap],")


@dataclass(frozen=True)
class Setting:
    """One key that a layer gives. ``entry`` is the name in a map; lists carry ``items`` instead of a value.

    ``path`` is a key of :attr:`ConfigModel.keys`.
    """

    path: str
    origin: Origin
    value: Plain = None
    entry: str | None = None
    items: tuple[tuple[str | None, Origin], ...] = ()
    append: bool = False

    def with_items(self, items: tuple[tuple[str | None, Origin], ...]) -> Setting:
        return replace(self, items=items)


class Layers:
    """The merged result of settings, in their order, over the built-in defaults."""

    def __init__(self, settings: Iterable[Setting], model: ConfigModel) -> None:
        self._model = model
        self.origins: dict[str, Origin] = {}
        self._values: dict[str, Any] = {}
        built_in = model.values()
        for key in model.keys.values():
            self._default(key, built_in)
        for setting in settings:
            self._apply(setting)

    def nested(self) -> dict[str, Any]:
        """The values that layers gave, in the shape that the model takes."""
        result: dict[str, Any] = {}
        for path, value in self._values.items():
            *sections, leaf = path.split(".")
            group = result
            for section in sections:
                group = group.setdefault(section, {})
            group[leaf] = value
        return result

    def _default(self, key: Key, built_in: Any) -> None:
        value = built_in
        for part in key.path.split("."):
            value = getattr(value, part)
        self.origins[key.path] = BUILT_IN
        if key.kind is Kind.LIST:
            self.origins |= {f"{key.path}.{index}": BUILT_IN for index in range(len(value))}
        elif key.kind is Kind.MAP:
            self.origins |= {f"{key.path}.{name}": BUILT_IN for name in value}

    def _apply(self, setting: Setting) -> None:
        path = setting.path
        self.origins[path] = setting.origin
        kind = self._model.keys[path].kind
        if kind is Kind.LIST:
            self._apply_list(setting)
        elif kind is Kind.MAP:
            entries = self._values.setdefault(path, {})
            if setting.entry is not None:
                entries[setting.entry] = setting.value
                self.origins[f"{path}.{setting.entry}"] = setting.origin
        else:
            self._values[path] = setting.value

    def _apply_list(self, setting: Setting) -> None:
        kept: list[str | None] = list(self._values.get(setting.path, [])) if setting.append else []
        if not setting.append:
            prefix = f"{setting.path}."
            self.origins = {at: origin for at, origin in self.origins.items() if not at.startswith(prefix)}
        for index, (text, origin) in enumerate(setting.items, start=len(kept)):
            kept.append(text)
            self.origins[f"{setting.path}.{index}"] = origin
        self._values[setting.path] = kept


def drop_append_marks(
    document: YamlDocument, model: ConfigModel
) -> tuple[dict[str, Plain], tuple[ConfigProblem, ...]]:
    """The document's content with ``key+`` as ``key``, and every ``+`` that does not belong."""
    problems: list[ConfigProblem] = []
    plain = _without_marks(document, document.root, "", problems, model)
    arch = document.root.get("arch")
    if arch and isinstance(arch.value, YamlMapping):
        plain["arch"] = {
            each.key: _without_marks(document, each.value, "", problems, model)
            if isinstance(each.value, YamlMapping)
            else to_plain(each.value)
            for each in arch.value.entries
        }
    return plain, tuple(problems)


def _without_marks(
    document: YamlDocument,
    node: YamlMapping,
    prefix: str,
    problems: list[ConfigProblem],
    model: ConfigModel,
) -> dict[str, Plain]:
    result: dict[str, Plain] = {}
    for entry in node.entries:
        name = entry.key.removesuffix("+")
        key = model.keys.get(prefix + name)
        if name != entry.key and key is None:
            name = entry.key  # the model reports it as unknown
        elif name != entry.key and key and key.kind is not Kind.LIST:
            text = f"'{name}' is not a list: write it without '+'"
            problems.append(document.problem(entry.key_origin, text))
        elif name != entry.key and node.get(name):
            text = f"'{name}' and '{entry.key}' in one place: keep one"
            problems.append(document.problem(entry.key_origin, text))
        inner = f"{prefix}{name}."
        if isinstance(entry.value, YamlMapping) and inner[:-1] in model.sections:
            result[name] = _without_marks(document, entry.value, inner, problems, model)
        else:
            result[name] = to_plain(entry.value)
    return result


def settings_of(node: YamlNode, model: ConfigModel, section: str | None = None) -> list[Setting]:
    """The settings of a mapping, or of the mapping under its key ``section``.

    What does not fit the model is left out: it has been reported, and nothing is built from it.
    """
    if section is not None:
        entry = node.get(section) if isinstance(node, YamlMapping) else None
        return settings_of(entry.value, model) if entry else []
    return list(_settings(node, "", model)) if isinstance(node, YamlMapping) else []


def _settings(node: YamlMapping, prefix: str, model: ConfigModel) -> Iterable[Setting]:
    for entry in node.entries:
        path = prefix + entry.key.removesuffix("+")
        key = model.keys.get(path)
        if key is None:
            if path in model.sections and isinstance(entry.value, YamlMapping):
                yield from _settings(entry.value, f"{path}.", model)
        else:
            yield from _of_value(key, entry.value, entry.key.endswith("+"))


def _of_value(key: Key, node: YamlNode, append: bool) -> Iterable[Setting]:
    if key.kind is Kind.LIST:
        if isinstance(node, YamlSequence):
            leaves = [item for item in node.items if isinstance(item, YamlScalar)]
            items = tuple((leaf.text, leaf.origin) for leaf in leaves)
            yield Setting(key.path, node.origin, items=items, append=append)
    elif key.kind is Kind.MAP:
        if isinstance(node, YamlMapping):
            yield Setting(key.path, node.origin)
            for each in node.entries:
                if isinstance(each.value, YamlScalar):
                    yield Setting(key.path, each.key_origin, each.value.text, entry=each.key)
    elif isinstance(node, YamlScalar):
        yield Setting(key.path, node.origin, node.text)


def parse_set(text: str, origin: Origin, model: ConfigModel) -> tuple[list[Setting], list[str]]:
    """The settings of one ``--set KEY=VALUE``, and what is wrong with it.

    A list is comma separated or YAML (``[a, b]``), ``KEY+=VALUE`` appends to it; an entry of a map
    is ``compile.defines.NAME=value``, the whole map ``{A: 1, B: 2}``.
    """
    name, equals, value = text.partition("=")
    if not equals:
        return [], ["expected KEY=VALUE"]
    append = name.endswith("+")
    name = name.removesuffix("+")
    key, entry = _find_key(name, model)
    if key is None:
        return [], [_unknown_set(name, model)]
    if append and key.kind is not Kind.LIST:
        return [], [f"'{name}' is not a list: write it without '+'"]
    if key.kind is Kind.LIST:
        return _set_list(key, value, origin, append)
    if key.kind is Kind.MAP and entry is None:
        return _set_map(key, value, origin)
    return [Setting(key.path, origin, _scalar(value), entry=entry)], []


def check_settings(settings: Iterable[Setting], model: ConfigModel) -> list[str]:
    """What the model says against the settings, each taken for itself."""
    try:
        model.values.model_validate(Layers(settings, model).nested())
    except ValidationError as error:
        return [explain(each, model.values) for each in error.errors()]
    return []


def _find_key(name: str, model: ConfigModel) -> tuple[Key | None, str | None]:
    if found := model.keys.get(name):
        return found, None
    for key in model.keys.values():
        if key.kind is Kind.MAP and name.startswith(f"{key.path}.") and len(name) > len(key.path) + 1:
            return key, name[len(key.path) + 1 :]
    return None, None


def _unknown_set(name: str, model: ConfigModel) -> str:
    if name in model.sections:
        inside = [path for path in model.keys if path.startswith(f"{name}.")]
        return f"'{name}' holds keys, not a value: {', '.join(inside)}"
    if name.partition(".")[0] in model.file_only:
        return f"'{name}' belongs to a config file and cannot be set"
    if new := model.renamed.get(name):
        return f"'{name}' is called {new} now"
    return f"unknown key '{name}'{did_you_mean(name, model.keys)}"


def _scalar(value: str) -> str | None:
    return None if value in {"", "~", "null"} else value


def _set_list(key: Key, value: str, origin: Origin, append: bool) -> tuple[list[Setting], list[str]]:
    if value.startswith("["):
        node, wrong = _flow(key, value)
        if not isinstance(node, YamlSequence) or any(not isinstance(each, YamlScalar) for each in node.items):
            return [], wrong or ["expected a list of plain values, as in [a, b]"]
        texts: list[str | None] = [each.text for each in node.items if isinstance(each, YamlScalar)]
    elif _COMMA_FLAG.match(value):
        texts = [value]
    elif _COMMA_FLAG.search(value):
        return [], ["the comma of -Wl, -Wa or -Wp also ends a list item: write [a, '-Wl,b']"]
    else:
        texts = [each.strip() for each in value.split(",")] if value else []
    return [Setting(key.path, origin, items=tuple((each, origin) for each in texts), append=append)], []


def _set_map(key: Key, value: str, origin: Origin) -> tuple[list[Setting], list[str]]:
    node, wrong = _flow(key, value) if value.startswith("{") else (None, [])
    if not isinstance(node, YamlMapping):
        return [], wrong or [f"expected {key.path}.NAME=VALUE, or {key.path}={{NAME: VALUE}}"]
    if any(not isinstance(each.value, YamlScalar) for each in node.entries):
        return [], ["the values of the map must be plain"]
    return [
        Setting(key.path, origin, each.value.text, entry=each.key)
        for each in node.entries
        if isinstance(each.value, YamlScalar)
    ], []


def _flow(key: Key, value: str) -> tuple[YamlNode | None, list[str]]:
    document = parse_yaml(f"{key.path}: {value}", "--set")
    if document.problems:
        return None, [problem.message for problem in document.problems]
    entry = document.root.get(key.path)
    return (entry.value if entry else None), []
