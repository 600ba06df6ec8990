"""``invoke list-keys``: what a configuration may say, from the models that read it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel

from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, NothingMatchesError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import did_you_mean
from tfbuild.cli.reference.json_schema import config_schema
from tfbuild.config.model import Kind
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.products import table

_NAMES = {
    "array": Kind.LIST.value,
    "object": Kind.MAP.value,
    "boolean": "true, false",
    "integer": "number",
}
_NOTHING = ("", "[]", "{}")


@dataclass(frozen=True, kw_only=True)
class KeyEntry:
    """A key; ``value`` says in a few words what may stand there, ``default`` is empty where there is none.

    ``products`` read it, in at least one of their releases; ``set`` takes it, else only a file does.
    """

    key: str
    value: str
    default: str
    meaning: str
    products: tuple[str, ...]
    set: bool


@dataclass(frozen=True, kw_only=True)
class KeyList:
    """``invoke list-keys --json``"""

    version: Literal[1] = 1
    keys: tuple[KeyEntry, ...]


def list_keys(prefix: str, *, as_json: bool) -> int:
    """``invoke list-keys``"""
    entries = below(prefix, keys())
    if as_json:
        write_json(dump(KeyList(keys=entries)))
    else:
        write_lines(key_lines(entries))
    return ExitCode.OK


def below(prefix: str, entries: Sequence[KeyEntry]) -> tuple[KeyEntry, ...]:
    """The keys that begin with ``prefix``; all without one.

    :raises NothingMatchesError: there is none.
    """
    found = tuple(each for each in entries if each.key.startswith(prefix))
    if found:
        return found
    names = [each.key for each in entries]
    sections = sorted({name.rpartition(".")[0] for name in names} - {""})
    raise NothingMatchesError(
        f"no key begins with '{prefix}'{did_you_mean(prefix, (*names, *sections))}",
        details=(f"sections: {', '.join(sections)}",),
        hint="invoke list-keys",
    )


def key_lines(entries: Sequence[KeyEntry]) -> Iterator[str]:
    """Two lines for each key: its name, type, default and products; what it does."""
    everybody = set(table.names())
    width = max(len(each.key) for each in entries)
    for each in entries:
        default = f" [{each.default}]" if each.default not in _NOTHING else ""
        some = set(each.products) != everybody
        only = f"  ({', '.join(each.products)})" if some else ""
        where = "" if each.set else "  (in files only)"
        yield f"{each.key:<{width}}  {each.value}{default}{only}{where}"
        yield f"    {each.meaning}"


def keys() -> tuple[KeyEntry, ...]:
    """Every key of a file and of ``--set``: those of the file itself first, then by section."""
    model = table.model()
    schema = config_schema()
    definitions = schema["$defs"]
    own = (name for name in model.file.model_fields if name in model.file_only)
    of_file = tuple(
        _entry(name, schema["properties"][name], definitions, table.names(), settable=False) for name in own
    )
    readers = _readers()
    return (
        *of_file,
        *(
            _entry(
                path, _property(model.values, path, definitions), definitions, readers[path], settable=True
            )
            for section in sections().values()
            for path in section
        ),
    )


def sections() -> Mapping[str, list[str]]:
    """The settable keys by the section that they stand in; those at the top level first."""
    found: dict[str, list[str]] = {}
    for path in sorted(table.model().keys, key=lambda path: path.count(".") > 0):
        found.setdefault(path.rpartition(".")[0], []).append(path)
    return found


@cache
def _readers() -> Mapping[str, tuple[str, ...]]:
    """Which products read each key, by what the rules of their releases say."""
    model, releases = table.model(), table.list_releases(PROJECT)
    rules = [(each.product, table.key_rules(each)) for each in releases]
    return {
        path: tuple(
            product
            for product in table.names()
            if any(name == product and of.reads(path, model) for name, of in rules)
        )
        for path in model.keys
    }


def _entry(
    name: str,
    schema: Mapping[str, Any],
    definitions: Mapping[str, Any],
    products: tuple[str, ...],
    *,
    settable: bool,
) -> KeyEntry:
    kind = _kind(schema, definitions)
    empty: Any = {Kind.LIST.value: [], Kind.MAP.value: {}}.get(kind)
    default = schema.get("default", empty)
    shown = "" if default is None else json.dumps(default, ensure_ascii=False).strip('"')
    meaning = str(schema.get("description", ""))
    return KeyEntry(key=name, value=kind, default=shown, meaning=meaning, products=products, set=settable)


def _property(values: type[BaseModel], path: str, definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    *above, leaf = path.split(".")
    group: Any = values
    for name in above:
        group = group.model_fields[name].annotation
    found: Mapping[str, Any] = definitions[group.__name__]["properties"][leaf]
    return found


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
