"""The published JSON schemas say what the loaders say."""

from __future__ import annotations

import copy
import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.plans import PROJECT
from tfbuild.cli import schemas
from tfbuild.cli.reference import json_schema
from tfbuild.config.binding import bind
from tfbuild.config.layers import drop_append_marks
from tfbuild.config.yaml_source import parse_yaml
from tfbuild.products import table
from tfbuild.products.table import model

CONFIG = jsonschema.Draft202012Validator(json_schema.config_schema())
RELEASE = jsonschema.Draft202012Validator(json_schema.release_schema())


def schema_accepts(validator: Any, text: str) -> bool:
    return bool(validator.is_valid(yaml.safe_load(text)))


def config_loader_accepts(text: str) -> bool:
    document = parse_yaml(text, "f.yaml")
    plain, marks = drop_append_marks(document, model())
    _, problems = bind(document, model().file, plain)
    return not (document.problems or marks or problems)


def release_loader_accepts(text: str) -> bool:
    document = parse_yaml(text, "f.yaml")
    kind = next(each for each in table.release_kinds() if each.product == "tflite")
    return not (document.problems or bind(document, kind.model_of(document))[1])


def test_the_stored_schemas_are_the_generated_ones() -> None:
    for path, text in schemas.documents().items():
        assert (PROJECT / path).read_text(encoding="utf-8") == text, "run: python -m tfbuild.cli.schemas"
    assert schemas.main(["--check"]) == 0


@pytest.mark.parametrize("path", schemas.documents())
def test_the_schemas_are_schemas(path: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(schemas.documents()[path]))


def test_no_schema_is_there_that_nothing_writes() -> None:
    stored = {
        path.relative_to(PROJECT).as_posix()
        for folder in ("build_configs", "schemas")
        for path in (PROJECT / folder).rglob("*schema.json")
    }
    assert stored == set(schemas.documents())


def test_a_schema_is_marked_as_generated() -> None:
    lines = (PROJECT / ".gitattributes").read_text(encoding="utf-8").splitlines()
    marked = [line.split()[0] for line in lines if "linguist-generated" in line.split()]
    for path in schemas.documents():
        assert any(fnmatchcase(path, pattern.removeprefix("/")) for pattern in marked), path


# What is written, not read: outputs, and the lock, which a command makes.
WRITTEN = [path for path in schemas.documents() if path.startswith("schemas/") or "lock.schema" in path]


@pytest.mark.parametrize("path", WRITTEN)
def test_every_document_has_a_version_and_no_field_by_chance(path: str) -> None:
    schema = json.loads(schemas.documents()[path])
    assert schema["properties"]["version"]["const"] == 1
    for each in (schema, *schema.get("$defs", {}).values()):
        if "properties" in each:
            assert each["additionalProperties"] is False
            assert set(each["required"]) == set(each["properties"])


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "build_configs").glob("*.yaml")), ids=lambda path: path.stem
)
def test_the_shipped_configs_satisfy_their_schema_and_name_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    CONFIG.validate(yaml.safe_load(text))
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize(
    "path", sorted((PROJECT / "build_configs" / "releases").rglob("*.yaml")), ids=lambda path: path.stem
)
def test_the_shipped_releases_satisfy_their_schema_and_name_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    RELEASE.validate(yaml.safe_load(text))
    assert text.startswith("# yaml-language-server: $schema=../schema.json\n")


GOOD = [
    "description: d",
    "description: 5",
    "description: d\nextends: base\nabstract: yes\narches: [amd64, riscv64]",
    "description: d\nextends: null\narches: null\npolicy:",
    "description: d\ncompile: {lto: on}",
    "description: d\ncompile: {lto: 'on'}",
    "description: d\ncompile: {lto: 'Off', optimisation: 3}",
    "description: d\ncompile: {optimisation: '3', march: x86-64-v3, mtune: null}",
    "description: d\ncompile: {optimisation: s}",
    "description: d\ncompile: {march: armv8.2-a+fp16}",
    "description: d\ncompile: {cflags: [-fa, -fb], cxxflags+: []}",
    "description: d\ncompile: {defines: {A: 1, B: , C: 2.20, D: on, E: x y}}",
    "description: d\ntflite: {cmake_definitions: {FETCHCONTENT_SOURCE_DIR_ABSEIL-CPP: /x}}",
    "description: d\nresources: {jobs: 8}",
    "description: d\nresources: {jobs: '8', memory_per_job_mib: 1}",
    "description: d\nresources: {jobs: null}",
    "description: d\nruntime: {base: debian, user: 1, labels: {org.example/a: 1}}",
    "description: d\nsource: {patches+: [a.patch]}",
    "description: d\ndebian: {mirror: 'http://m.example/debian', snapshot: 20261030T080801Z}",
    "description: d\narch: {arm64: {compile: {march: armv8-a, ldflags+: ['-Wl,-x']}, policy: p}}",
    "description: d\narch: {}",
]
BAD = [
    "extends: base",
    "description: d\ncompile:",
    "description: d\ncompile: []",
    "description: d\ncompile: {lto: 1}",
    "description: d\ncompile: {lto: maybe}",
    "description: d\ncompile: {lto: null}",
    "description: d\ncompile: {optimisation: 4}",
    "description: d\ncompile: {optimisation: fast}",
    "description: d\ncompile: {march: -march=x}",
    "description: d\ncompile: {march: 'a b'}",
    "description: d\ncompile: {march: 8}",
    "description: d\ncompile: {march+: x}",
    "description: d\ncompile: {cflags: -fa}",
    "description: d\ncompile: {cflags: null}",
    "description: d\ncompile: {cflags: [-Wl,-z]}",
    "description: d\ncompile: {cflags: ['']}",
    "description: d\ncompile: {cflags: [null]}",
    'description: d\ncompile: {cflags: ["a\\nb"]}',
    "description: d\ncompile: {cflags: [-fa], cflags+: [-fb]}",
    "description: d\ncompile: {defines: {1A: x}}",
    "description: d\ncompile: {defines: [A]}",
    "description: d\ncompile: {defines: {A: [x]}}",
    "description: d\ncompile: {mrach: x}",
    "description: d\ntflite: {cmake_definitions: {A: null}}",
    "description: d\nresources: {jobs: 0}",
    "description: d\nresources: {jobs: '0'}",
    "description: d\nresources: {jobs: -1}",
    "description: d\nresources: {jobs: 1.5}",
    "description: d\nresources: {jobs: yes}",
    "description: d\nruntime: {base: alpine}",
    "description: d\nruntime: {user: root}",
    "description: d\ndebian: {mirror: 'ftp://m'}",
    "description: d\ndebian: {snapshot: yesterday}",
    "description: d\narch: {x86_64: {}}",
    "description: d\narch: {amd64: {extends: x}}",
    "description: d\narch: {amd64: {compile: {lot: on}}}",
    "description: d\narches: [x86]",
    "description: d\narches: amd64",
    "description: d\nextends: ../x",
    "description: d\npolicy: [p]",
    "description: d\nunknown: 1",
    "description: d\ndistributable: 2",
]


@pytest.mark.parametrize("text", GOOD)
def test_both_accept(text: str) -> None:
    assert (schema_accepts(CONFIG, text), config_loader_accepts(text)) == (True, True)


@pytest.mark.parametrize("text", BAD)
def test_both_refuse(text: str) -> None:
    assert (schema_accepts(CONFIG, text), config_loader_accepts(text)) == (False, False)


_ATOMS: list[Any] = [
    "on",
    "x",
    "",
    "3",
    3,
    0,
    -1,
    True,
    None,
    [],
    ["-fa"],
    ["-Wl"],
    {},
    {"A": "1"},
    {"A": None},
    1.5,
]
_SECTIONS = {
    "compile": ["march", "lto", "optimisation", "cflags", "cflags+", "defines", "debug_info", "lto+"],
    "tflite": ["xnnpack", "cmake_definitions", "ruy+"],
    "resources": ["jobs", "memory_per_job_mib"],
    "runtime": ["base", "user", "labels"],
    "source": ["patches", "patches+"],
}
_section = st.sampled_from(sorted(_SECTIONS)).flatmap(
    lambda name: st.dictionaries(st.sampled_from(_SECTIONS[name]), st.sampled_from(_ATOMS), max_size=2).map(
        lambda keys: {name: keys}
    )
)


@settings(max_examples=400, deadline=None)
@given(_section, st.booleans(), st.sampled_from([{}, {"policy": None}, {"abstract": "no"}, {"arches": []}]))
def test_both_agree_on_any_mixture(section: dict[str, Any], in_arch: bool, more: dict[str, Any]) -> None:
    tree = {"description": "d", **more, **({"arch": {"arm64": section}} if in_arch else section)}
    text = yaml.safe_dump(tree)
    assert schema_accepts(CONFIG, text) == config_loader_accepts(text), text


_RELEASE_FILE = PROJECT / "build_configs" / "releases" / "tflite" / "2.14.1-debian.yaml"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("status",), "done"),
        (("status",), None),
        (("release",), "latest"),
        (("revision",), "v2"),
        (("arches",), []),
        (("source", "sha256"), "0" * 63),
        (("source", "urls"), []),
        (("source", "urls"), ["http://example.org/x"]),
        (("source", "urls"), ["https://example.org/../x"]),
        (("source", "filename"), "../x"),
        (("source", "subtrees"), ["/etc"]),
        (("source", "subtrees"), ["a//b"]),
        (("source", "subtrees"), ["a/../b"]),
        (("source", "size"), 0),
        (("debian", "snapshot"), "2026"),
        (("debian", "packages"), [{"name": "Upper", "version": "1"}]),
        (("debian", "packages"), [{"name": "lib"}]),
        (("compile_defines",), [{"name": "A", "reason": "r", "extra": 1}]),
        (("quirks",), [{"id": "a", "text": "t", "threads": ["https://example.org/1"]}]),
        (("evidence",), []),
        (("source_date_epoch",), "yesterday"),
    ],
)
def test_both_refuse_a_wrong_release(path: tuple[str, ...], value: object) -> None:
    tree = yaml.safe_load(_RELEASE_FILE.read_text(encoding="utf-8"))
    assert schema_accepts(RELEASE, yaml.safe_dump(tree))
    assert release_loader_accepts(yaml.safe_dump(tree))
    broken = copy.deepcopy(tree)
    group = broken
    for key in path[:-1]:
        group = group[key]
    group[path[-1]] = value
    text = yaml.safe_dump(broken)
    assert (schema_accepts(RELEASE, text), release_loader_accepts(text)) == (False, False)
