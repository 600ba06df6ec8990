"""Binds a YAML document to a pydantic model, with each complaint at the place it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tfbuild.base.errors import ConfigError, ConfigProblem
from tfbuild.base.text import did_you_mean
from tfbuild.base.values import Origin
from tfbuild.config.types import Keys
from tfbuild.config.yaml_source import (
    Plain,
    YamlDocument,
    YamlEntry,
    YamlMapping,
    YamlNode,
    YamlScalar,
    YamlSequence,
    kind_of,
    to_plain,
)

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[int | str, ...]


def bound(document: YamlDocument, model: type[Model], elsewhere: Iterable[str] = ()) -> Model:
    """The model; ``elsewhere`` as for :func:`bind`.

    :raises ConfigError: all that is wrong with the document. One that could not be read lacks keys, and that
        is not what is wrong with it.
    """
    found, problems = bind(document, model, elsewhere=elsewhere)
    if found is None or document.problems:
        raise ConfigError(document.problems or problems)
    return found


def bind(
    document: YamlDocument, model: type[Model], plain: Plain = None, elsewhere: Iterable[str] = ()
) -> tuple[Model | None, tuple[ConfigProblem, ...]]:
    """The model, or None and everything that is wrong with the document.

    ``plain`` replaces the document's own content where the caller has rewritten it; ``elsewhere``
    are dotted keys to suggest when an unknown key has no similar neighbour.
    """
    try:
        return model.model_validate(to_plain(document.root) if plain is None else plain), ()
    except ValidationError as error:
        told = [each for each in error.errors() if not _follows(each)]
        found = {_problem(document, model, each, tuple(elsewhere)): None for each in told}
        return None, tuple(found)


def _follows(error: ErrorDetails) -> bool:
    """Whether a list is only too short because its items are wrong: each of those is told by itself."""
    return error["type"] == "too_short" and error["ctx"]["actual_length"] < len(error["input"])


def explain(error: ErrorDetails, model: type[BaseModel], elsewhere: tuple[str, ...] = ()) -> str:
    """pydantic's ``error`` in a user's words."""
    kind, loc, value = error["type"], error["loc"], error.get("input")
    context = error.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(model, loc, elsewhere)
    if kind == "missing":
        return f"missing key '{loc[-1]}'"
    if kind in {"literal_error", "enum"}:
        expected = str(context.get("expected", ""))
        hint = did_you_mean(str(value), re.findall(r"'([^']*)'", expected))
        return f"expected {expected}, found {_show(value)}{hint}"
    if kind == "string_pattern_mismatch":
        return f"{_show(value)} does not match {context.get('pattern', '')}"
    if kind == "too_short":
        items = "1 item" if context["min_length"] == 1 else f"{context['min_length']} items"
        return f"expected at least {items}, found {len(value) or 'none'}"
    if kind == "value_error":
        return f"{str(error['msg']).removeprefix('Value error, ')}, found {_show(value)}"
    expected = _EXPECTED.get(kind, "").format(**context) or str(error["msg"]).removeprefix("Input should be ")
    return f"expected {expected}, found {_show(value)}"


# With the words of pydantic's context: docs.pydantic.dev/latest/errors/validation_errors/
_EXPECTED = {
    "string_type": "text",
    "string_too_short": "text of {min_length} or more characters",
    "tuple_type": "a list",
    "list_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "keys",
    "mapping_type": "keys",
    "model_type": "keys",
    "model_attributes_type": "keys",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}


def _problem(
    document: YamlDocument, model: type[BaseModel], error: ErrorDetails, elsewhere: tuple[str, ...]
) -> ConfigProblem:
    about_key = error["type"] == "extra_forbidden" or "[key]" in error["loc"]
    origin = _position(document.root, error["loc"], about_key)
    return document.problem(origin, explain(error, model, elsewhere))


def _position(root: YamlMapping, loc: Loc, about_key: bool) -> Origin:
    """Where ``loc`` stands; the nearest thing around it where it does not exist."""
    node: YamlNode = root
    origin = root.origin
    for part in loc:
        if isinstance(node, YamlMapping):
            entry = _entry(node, part)
            if entry is None:
                break
            node = entry.value
            # Nothing stands behind the colon: the key is what can be seen.
            empty = isinstance(node, YamlScalar) and node.text is None
            origin = entry.key_origin if about_key or empty else node.origin
        elif isinstance(node, YamlSequence) and isinstance(part, int) and part < len(node.items):
            node = node.items[part]
            origin = node.origin
    return origin


def _entry(node: YamlMapping, part: int | str) -> YamlEntry | None:
    return node.get(str(part)) or node.get(f"{part}+")


def _unknown_key(model: type[BaseModel], loc: Loc, elsewhere: tuple[str, ...]) -> str:
    word = str(loc[-1])
    inside = _model_at(model, loc[:-1])
    if issubclass(inside, Keys) and (new := inside.renamed.get(word)):
        return f"'{word}' is called {new} now"
    hint = did_you_mean(word, inside.model_fields) or did_you_mean(word, elsewhere)
    return f"unknown key '{word}'{hint}"


def _model_at(model: type[BaseModel], loc: Loc) -> type[BaseModel]:
    for part in loc:
        field = model.model_fields.get(str(part))
        inner = _model_in(field.annotation) if field else None
        model = inner or model  # an index or the key of a map leads to no other model
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each))), None)


def _show(value: object) -> str:
    if isinstance(value, dict):
        return "keys"
    if isinstance(value, (list, tuple)):
        return "a list"
    return kind_of(YamlScalar(None if value is None else str(value), Origin(""))).removeprefix("the value ")
