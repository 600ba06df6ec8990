"""JSON schemas of what is read and written, from the types that read and write it. Pure."""

from __future__ import annotations

from typing import Any, Union

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from tfbuild.config.model import Kind
from tfbuild.products import table

JsonObject = dict[str, Any]


def config_schema() -> JsonObject:
    """The schema of ``build_configs/*.yaml``. Lists also have a ``key+`` form, which appends."""
    keys = table.model()
    schema = schema_of(keys.file, "tfbuild configuration")
    groups = {"": [schema, schema["$defs"][keys.values.__name__]], **_groups(schema, keys.values, "")}
    for key in keys.keys.values():
        section, _, leaf = key.path.rpartition(".")
        if key.kind is Kind.LIST:
            for group in groups[section]:
                _add_append_form(group, leaf)
    return schema


def release_schema() -> JsonObject:
    """The schema of ``build_configs/releases/*/*.yaml``."""
    return schema_of(Union[table.release_models()], "tfbuild release")  # noqa: UP007 - only known here


def document_schema(document: Any, title: str) -> JsonObject:
    """The schema of what :func:`tfbuild.base.documents.dump` makes of ``document``: all keys, and no
    others."""
    if (
        hasattr(document, "__parameters__") and document.__parameters__
    ):  # of a plan's part: that of any product
        document = document[Union[table.parts()]]  # noqa: UP007 - the types are only known here
    schema: JsonObject = TypeAdapter(document).json_schema(
        mode="serialization", schema_generator=_AllKeysPresent
    )
    head = {"$schema": GenerateJsonSchema.schema_dialect, "title": title}
    return {**head, **_close_objects(_without_titles(schema))}


def schema_of(model: Any, title: str) -> JsonObject:
    """The schema of a YAML file that is read with ``model``."""
    schema = _close_maps(_without_titles(TypeAdapter(model).json_schema()))
    head = {"$schema": GenerateJsonSchema.schema_dialect, "title": title}
    return {**head, **schema}


def _groups(schema: JsonObject, model: type[BaseModel], prefix: str) -> dict[str, list[JsonObject]]:
    """The definition of each section, by its dotted path."""
    found: dict[str, list[JsonObject]] = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found[prefix + name] = [schema["$defs"][inner.__name__]]
            found |= _groups(schema, inner, f"{prefix}{name}.")
    return found


def _add_append_form(group: JsonObject, leaf: str) -> None:
    plain = group["properties"][leaf]
    appended = {key: value for key, value in plain.items() if key != "default"}
    appended["description"] = f"Appends to '{leaf}' of the layers below."
    group["properties"][f"{leaf}+"] = appended
    both = {"required": [leaf, f"{leaf}+"]}
    group.setdefault("allOf", []).append({"not": both})


def _without_titles(node: Any) -> Any:
    """pydantic titles every key with its own name; an editor shows that anyway."""
    if isinstance(node, list):
        return [_without_titles(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _without_titles(each) for name, each in value.items()}
        if key in {"properties", "$defs"}
        else _without_titles(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str))
    }


def _close_maps(node: Any) -> Any:
    """A map with constrained names refuses the others, as the loader does."""
    if isinstance(node, list):
        return [_close_maps(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _close_maps(value) for key, value in node.items()}
    if "patternProperties" in closed:
        closed.setdefault("additionalProperties", False)
    return closed


class _AllKeysPresent(GenerateJsonSchema):
    """What is written always has every key, also those that have a default."""

    def field_is_required(self, field: Any, total: bool) -> bool:
        del field, total
        return True


def _close_objects(node: Any) -> Any:
    """Fields of a document are part of the interface: none appears without a new version."""
    if isinstance(node, list):
        return [_close_objects(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {key: _close_objects(value) for key, value in node.items()}
    if node.get("type") == "object" and "properties" in node:
        closed["additionalProperties"] = False
    return closed
