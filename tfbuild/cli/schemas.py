"""Writes the JSON schemas of the YAML files and of every document that a command prints or writes.

Those of inputs lie beside the files that they describe, in build_configs/; those of outputs lie in schemas/.

``python -m tfbuild.cli.schemas`` writes them, ``--check`` exits 1 where a stored one is out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from tfbuild.artifacts.elf.c_api import ApiList
from tfbuild.artifacts.platforms import Platforms
from tfbuild.build.bundle.file import Bundle, BundleDocument
from tfbuild.build.dist.folder import BuildDocument
from tfbuild.build.dist.manifest import Manifest, VerifyRecord
from tfbuild.build.several import IndexDocument, IndexManifest
from tfbuild.cli.lists import ConfigList, ReleaseList
from tfbuild.cli.supply import FetchResult
from tfbuild.config.compiler_cpus import CompilerCpus
from tfbuild.config.cpus import Cpus
from tfbuild.config.model import Kind
from tfbuild.diagnose.diagnose import DiagnoseReport
from tfbuild.diagnose.host import TargetHost
from tfbuild.diagnose.known import known_errors_schema
from tfbuild.doctor.doctor import DoctorReport
from tfbuild.machine.terminal import write_lines
from tfbuild.plan.document import PlanDocument
from tfbuild.plan.several import IndexPlanDocument
from tfbuild.products import table
from tfbuild.products.serving.upstream import UpstreamReport
from tfbuild.releases.lock import Lock
from tfbuild.verify.policy_file import policy_file_schema
from tfbuild.verify.report import VerifyReport

JsonObject = dict[str, Any]

# Each type of a JSON document with the name of its schema in schemas/ and its title.
_DOCUMENTS: tuple[tuple[Any, str, str], ...] = (
    (PlanDocument, "plan", "invoke build-tflite or build-serving --dry-run --json"),
    (BuildDocument, "build-result", "invoke build-tflite --json"),
    (IndexPlanDocument, "index-plan", "invoke build-tflite or build-serving --arch A,B --dry-run --json"),
    (IndexDocument, "index-result", "invoke build-tflite or build-serving --arch A,B --json"),
    (IndexManifest, "index-manifest", "manifest.json of the folder of an image of several platforms"),
    (Manifest, "manifest", "manifest.json of a dist folder"),
    (VerifyRecord, "dist-verify", "verify.json of a dist folder"),
    (VerifyReport, "verify", "invoke verify --json"),
    (ConfigList, "list-configs", "invoke list-configs --json"),
    (ReleaseList, "list-releases", "invoke list-releases --json"),
    (FetchResult, "fetch", "invoke fetch --json"),
    (Bundle, "bundle", "bundle.json in a bundle"),
    (BundleDocument, "bundle-result", "invoke bundle --json"),
    (UpstreamReport, "check-upstream", "invoke check-upstream --json"),
    (DoctorReport, "doctor", "invoke doctor --json"),
    (DiagnoseReport, "diagnose", "invoke diagnose --json"),
    (TargetHost, "host-facts", "invoke diagnose --host-facts"),
)


def config_schema() -> JsonObject:
    """The schema of ``build_configs/*.yaml``. Lists also have a ``key+`` form, which appends."""
    keys = table.model()
    schema = _schema_of(keys.file, "tfbuild configuration")
    groups = {"": [schema, schema["$defs"][keys.values.__name__]], **_groups(schema, keys.values, "")}
    for key in keys.keys.values():
        section, _, leaf = key.path.rpartition(".")
        if key.kind is Kind.LIST:
            for group in groups[section]:
                _add_append_form(group, leaf)
    return schema


def release_schema() -> JsonObject:
    """The schema of ``build_configs/releases/*/*.yaml``."""
    return _schema_of(Union[table.release_models()], "tfbuild release")  # noqa: UP007 - only known here


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


def documents() -> Mapping[str, str]:
    """The text of each schema file, by its path in the project."""
    return {
        "build_configs/schema.json": _text(config_schema()),
        "build_configs/releases/schema.json": _text(release_schema()),
        "build_configs/policies/schema.json": _text(policy_file_schema()),
        "build_configs/platforms/schema.json": _text(_schema_of(Platforms, "Linux platforms")),
        "build_configs/platforms/cpus.schema.json": _text(_schema_of(Cpus, "CPUs and what they have")),
        "build_configs/compilers/schema.json": _text(_schema_of(CompilerCpus, "CPUs that a compiler knows")),
        "build_configs/api/schema.json": _text(_schema_of(ApiList, "C functions of a release")),
        "build_configs/diagnoses/schema.json": _text(known_errors_schema()),
        "build_configs/releases/lock.schema.json": _text(document_schema(Lock, "tfbuild lock of a release")),
        **{
            f"schemas/{name}.schema.json": _text(document_schema(document, title))
            for document, name, title in _DOCUMENTS
        },
    }


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tfbuild.cli.schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when out of date")
    check = parser.parse_args(arguments).check
    root = Path(__file__).resolve().parents[2]
    stale = [path for path, text in documents().items() if _stored(root / path) != text]
    for path in stale:
        if check:
            write_lines([f"{path} is out of date: python -m tfbuild.cli.schemas"], sys.stderr)
        else:
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_text(documents()[path], encoding="utf-8")
            write_lines([f"wrote {path}"], sys.stderr)
    return 1 if check and stale else 0


def _schema_of(model: Any, title: str) -> JsonObject:
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


def _text(schema: JsonObject) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _stored(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
