"""``invoke bundle`` as it is typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.bundles import CONTENTS, bundle_of, write
from tests.support.plans import PROJECT
from tfbuild.base.errors import ExitCode
from tfbuild.build.bundle.file import Bundle
from tfbuild.cli import supply, wiring
from tfbuild.cli.run import run_command
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words

WORDS = Words(release="2.14.1-debian")
NONE = Words()
Bundled = Callable[..., int]


@pytest.fixture
def bundle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bundled:
    """The command in this process, with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))

    def run(product: str, words: Words, file: str = "", load: str = "", *, as_json: bool = False) -> int:
        return run_command(lambda: supply.bundle(product, words, file, load, as_json=as_json))

    return run


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """What was asked to be written, and where."""
    asked: list[tuple[str, Path]] = []

    def make(plan: Plan[Any], release: object, target: Path, *, reporter: object) -> tuple[Bundle, str]:
        del release, reporter
        asked.append((plan.build_id, target))
        return bundle_of(CONTENTS), "0" * 64

    monkeypatch.setattr(wiring, "bundle", make)
    return asked


def test_what_was_written_is_told_with_its_hash(
    bundle: Bundled, written: list[tuple[str, Path]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle("tflite", replace(WORDS, arch="aarch64", config="size"), file="x.bundle") == 0
    assert written == [("tflite-2.14.1-debian-size-arm64", tmp_path / "x.bundle")]
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert (first, second) == (str(tmp_path / "x.bundle"), f"sha256 {'0' * 64}")


def test_what_was_loaded_is_told_by_its_schema(
    bundle: Bundled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, sha256 = write(tmp_path)
    assert bundle("", NONE, load=file.name, as_json=True) == 0
    document = json.loads(capsys.readouterr().out)
    schema = json.loads((PROJECT / "schemas/bundle-result.schema.json").read_text())
    jsonschema.validate(document, schema)
    assert (document["status"], document["sha256"]) == ("loaded", sha256)
    inner = json.loads((PROJECT / "schemas/bundle.schema.json").read_text())
    jsonschema.validate(document["bundle"], inner)
    assert (tmp_path / "cache" / "bases").exists()


@pytest.mark.parametrize(
    ("product", "words", "file", "load", "code", "says"),
    [
        ("", NONE, "", "", ExitCode.USAGE, "either --load FILE alone, or --product and --file FILE"),
        ("tflite", WORDS, "", "", ExitCode.USAGE, "either --load FILE"),
        ("tflite", WORDS, "a", "b", ExitCode.USAGE, "either --load FILE"),
        ("tflite", WORDS, "", "b", ExitCode.USAGE, "either --load FILE"),
        ("", NONE, "a", "", ExitCode.USAGE, "--product and --file FILE"),
        ("tflyte", WORDS, "a", "", ExitCode.NOTHING_MATCHES, "did you mean 'tflite'"),
        ("tflite", Words(release="9.9"), "a", "", ExitCode.NOTHING_MATCHES, "9.9"),
        ("", NONE, "", "gone.bundle", ExitCode.USAGE, "there is no such file"),
    ],
)
def test_what_cannot_be_done_is_told(
    product: str,
    words: Words,
    file: str,
    load: str,
    code: ExitCode,
    says: str,
    bundle: Bundled,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert bundle(product, words, file, load) == code
    assert says in capsys.readouterr().err
