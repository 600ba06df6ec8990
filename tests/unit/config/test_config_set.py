"""``--set``: it reaches every key, and says what is wrong with a value."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.configs import Folder
from tests.support.keys import EXAMPLES, NEEDED
from tests.support.patches import write_patch
from tfbuild.base.arch import Arch
from tfbuild.config.load import ResolvedConfig
from tfbuild.products.table import load_config, model

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def _leaves(schema: dict[str, Any], node: dict[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, each in node["properties"].items():
        if name.endswith("+") or name in model().file_only:
            continue
        if "$ref" in each:
            inner = schema["$defs"][each["$ref"].rsplit("/", 1)[1]]
            found |= _leaves(schema, inner, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = each
    return found


SCHEMA = json.loads((PROJECT / "build_configs" / "schema.json").read_text(encoding="utf-8"))
LEAVES = _leaves(SCHEMA, SCHEMA)


def test_there_is_an_example_for_every_key() -> None:
    assert set(EXAMPLES) == set(LEAVES)


@pytest.mark.parametrize("key", sorted(LEAVES))
def test_set_reaches_every_key(folder: Folder, key: str) -> None:
    folder.write(mine="description: m\n")
    write_patch(folder.root / "fix.patch")
    text, expected = EXAMPLES[key]

    def value(config: ResolvedConfig) -> object:
        found: object = config.values
        for part in key.split("."):
            found = getattr(found, part)
        return found

    config = folder.load("mine", Arch.AMD64, *NEEDED.get(key, ()), f"{key}={text}")
    assert value(config) == expected
    assert value(folder.load()) != expected
    assert str(config.origins[key]) == f"--set {key}={text}"


@pytest.mark.parametrize("key", sorted(LEAVES))
def test_every_key_says_what_it_is_for(key: str) -> None:
    assert len(LEAVES[key].get("description", "")) > 10


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("compile.march", "expected KEY=VALUE"),
        ("march=x", "unknown key 'march'; did you mean 'compile.march'?"),
        ("compile.define.A=1", "unknown key 'compile.define.A'; did you mean 'compile.defines'?"),
        ("zzz=1", "unknown key 'zzz'"),
        ("extends=opt", "'extends' belongs to a config file and cannot be set"),
        ("compile.march+=x", "'compile.march' is not a list: write it without '+'"),
        ("compile.defines=A", "expected compile.defines.NAME=VALUE, or compile.defines={NAME: VALUE}"),
        (
            "compile.cflags=[-fa",
            "not YAML: expected ',' or ']', but got '<stream end>' while parsing a flow sequence",
        ),
        (
            "compile.cflags=-fa,-Wl,-z",
            "the comma of -Wl, -Wa or -Wp also ends a list item: write [a, '-Wl,b']",
        ),
        ("compile.defines.A-B=1", "'A-B' does not match ^[A-Za-z_][A-Za-z0-9_]*$"),
        ("debian.mirror=ftp://x", "'ftp://x' does not match ^https?://[^\\s]+$"),
        ("source=x", "'source' holds keys, not a value: source.patches"),
    ],
)
def test_a_wrong_set_says_what_is_wrong(folder: Folder, text: str, expected: str) -> None:
    folder.write(mine="description: m\n")
    assert folder.problems("mine", Arch.AMD64, text) == [f"--set {text}: {expected}"]


def test_the_last_set_wins_and_an_empty_one_unsets(folder: Folder) -> None:
    folder.write(mine="description: m\ncompile: {march: x86-64}\n")
    assert folder.load("mine", Arch.AMD64, "compile.march=a", "compile.march=b").values.compile.march == "b"
    assert folder.load("mine", Arch.AMD64, "compile.march=").values.compile.march is None


def test_a_key_file_is_looked_for_beside_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("description: x\nextends: opt\nsigning:\n  key: keys/release.pem\n")
    found = load_config(PROJECT, str(tmp_path / "own.yaml"), Arch.AMD64)
    assert found.values.signing.key == str(tmp_path / "keys" / "release.pem")
