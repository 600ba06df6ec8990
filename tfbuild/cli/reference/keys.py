"""The reference of configuration keys, from the models that read them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from tfbuild.cli.reference.markdown import code, page, table
from tfbuild.cli.schemas import config_schema
from tfbuild.config.model import ConfigModel, Kind
from tfbuild.products import table as products

_NAMES = {
    "array": Kind.LIST.value,
    "object": Kind.MAP.value,
    "boolean": "true, false",
    "integer": "number",
}
_HEAD = ("key", "value", "default", "meaning")


def keys_page() -> str:
    """``docs/reference/configuration-keys.md``"""
    return page("Configuration keys", _lines(products.model()))


def _lines(model: ConfigModel) -> Iterator[str]:
    yield "Files in `build_configs/` and `--set KEY=VALUE` take these keys. A list also has the form `KEY+`,"
    yield "which appends to the list of the configuration that is extended; a map is merged entry by entry."
    yield "[Configurations](../configurations.md) explains how the layers work."
    yield ""
    schema = config_schema()
    definitions = schema["$defs"]
    yield "## The file itself"
    yield ""
    yield "`--set` does not take these."
    yield ""
    own = {name: schema["properties"][name] for name in model.file.model_fields if name in model.file_only}
    yield from table(_HEAD, [(code(name), *_facts(each, definitions)) for name, each in own.items()])
    for section, paths in _sections(model).items():
        yield f"## {section}" if section else "## Top level"
        yield ""
        about = _about(model, section)
        if about:
            yield about
            yield ""
        rows = [(path, _property(model.values, path, definitions)) for path in paths]
        yield from table(_HEAD, [(code(path), *_facts(each, definitions)) for path, each in rows])


def _sections(model: ConfigModel) -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in sorted(model.keys, key=lambda path: path.count(".") > 0):
        found.setdefault(path.rpartition(".")[0], []).append(path)
    return found


def _about(model: ConfigModel, section: str) -> str:
    group: type[BaseModel] = model.values
    text = ""
    for name in filter(None, section.split(".")):
        field = group.model_fields[name]
        inner = field.annotation
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            raise TypeError(f"{section} is no section")
        text, group = field.description or (inner.__doc__ or "").strip(), inner
    command = next((each.command for each in model.products if each.name == section), "")
    return f"{text} Read by `{command}`." if command else text


def _property(values: type[BaseModel], path: str, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    *sections, leaf = path.split(".")
    group: Any = values
    for name in sections:
        group = group.model_fields[name].annotation
    found: Mapping[str, Any] = definitions[group.__name__]["properties"][leaf]
    return found


def _facts(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[str, str, str]:
    kind = _kind(schema, definitions)
    empty: Any = {Kind.LIST.value: [], Kind.MAP.value: {}}.get(kind)
    default = schema.get("default", empty)
    shown = "" if default is None else code(json.dumps(default, ensure_ascii=False).strip('"'))
    return kind, shown, str(schema.get("description", ""))


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """What may stand there, in a few words."""
    if "$ref" in schema:
        return _kind(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    choices = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    if len(choices) > 1:
        kinds = dict.fromkeys(_kind(each, definitions) for each in choices)
        return _joined(kinds)
    (only,) = choices
    if only is not schema:
        return _kind(only, definitions)
    if "enum" in only:
        return _words(only["enum"])
    # A list of types is text, whatever YAML would call it.
    return _NAMES.get(str(only.get("type")), "text")


def _joined(kinds: Mapping[str, None]) -> str:
    # Text that a number or a truth value may be written as says nothing further.
    for only in ("true, false", "number"):
        if only in kinds:
            return only
    return " or ".join(kinds)


def _words(values: list[Any]) -> str:
    texts = [each for each in values if isinstance(each, str)]
    return "true, false" if "off" in texts else ", ".join(texts)
