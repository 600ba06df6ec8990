"""``--arch A,B``: the plans, the names, and the plan of what they become."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.plans import make_plan
from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError, TfBuildError, UsageError
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.plan.several import index_json, index_plan, index_text, split_arches
from tfbuild.plan.words import Words
from tfbuild.products.tflite.bake import definition

PROJECT = Path(__file__).resolve().parents[3]


def plans(tag: str = "", output: str = "dist") -> list[Plan[Any]]:
    words = split_arches(Words(arch="amd64,arm64", tag=tag))
    return [
        make_plan(arch=Arch(each.arch), tag=each.tag or None, output=output) for each in words
    ]  # as the command does


def test_one_architecture_stays_as_it_was_typed() -> None:
    for word in ("", "x86_64", "nonsense"):
        words = Words(arch=word, tag="a:1")
        assert split_arches(words) == (words,)


@pytest.mark.parametrize("word", ["amd64,arm64", "aarch64, x86_64", "arm64,amd64"])
def test_the_order_is_that_of_the_project_whatever_was_typed(word: str) -> None:
    assert [each.arch for each in split_arches(Words(arch=word))] == ["amd64", "arm64"]


@pytest.mark.parametrize(
    ("tag", "names"),
    [
        ("", ["", ""]),
        ("team/tflite:1", ["team/tflite:1-amd64", "team/tflite:1-arm64"]),
        ("team/tflite", ["team/tflite:latest-amd64", "team/tflite:latest-arm64"]),
        ("host.example:5000/t", ["host.example:5000/t:latest-amd64", "host.example:5000/t:latest-arm64"]),
    ],
)
def test_the_images_of_one_platform_have_the_architecture_behind_the_tag(tag: str, names: list[str]) -> None:
    assert [each.tag for each in split_arches(Words(arch="amd64,arm64", tag=tag))] == names


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (Words(arch="amd64,"), UsageError, "has an empty item"),
        (Words(arch="amd64,,arm64"), UsageError, "has an empty item"),
        (Words(arch="amd64,x86_64"), UsageError, "names amd64 twice"),
        (Words(arch="amd64,amr64"), NothingMatchesError, "unknown arch 'amr64'; did you mean 'arm64'?"),
        (Words(arch="amd64,arm64", tag="Team:1"), UsageError, "'Team:1' is not an image name"),
    ],
)
def test_wrong_words_are_told_before_anything_is_planned(
    words: Words, error: type[TfBuildError], message: str
) -> None:
    with pytest.raises(error) as caught:
        split_arches(words)
    assert message in caught.value.message


def test_the_index_is_named_and_lies_as_the_builds_do_without_their_architecture() -> None:
    index = index_plan(plans())
    assert index.id == "tflite-2.14.1-debian-opt"
    assert index.name == "tfbuild/tflite:2.14.1-debian-opt"
    assert index.output == "dist/tflite/2.14.1-debian/opt/index"
    assert [each.platform for each in index.images] == ["linux/amd64", "linux/arm64"]
    by_hand = index_plan(plans("team/tflite:1", "/srv/out"))
    assert by_hand.name == "team/tflite:1"
    assert by_hand.output == "/srv/out/tflite/2.14.1-debian/opt/index"
    assert [each.image for each in by_hand.images] == ["team/tflite:1-amd64", "team/tflite:1-arm64"]


def test_the_key_depends_on_names_builds_and_images() -> None:
    ids = ["sha256:1", "sha256:2"]
    key = index_plan(plans()).key(ids)
    assert index_plan(plans()).key(ids) == key
    others = [
        index_plan(plans()).key(["sha256:1", "sha256:3"]),
        index_plan(plans("team/tflite:1")).key(ids),
        index_plan(plans(output="elsewhere")).key(ids),
        index_plan([make_plan(), make_plan("2.14.1-debian", "opt", Arch.ARM64, "compile.lto=true")]).key(ids),
    ]
    assert len({key, *others}) == 5


def test_the_text_names_every_platform() -> None:
    text = index_text(index_plan(plans()))
    assert "tfbuild/tflite:2.14.1-debian-opt " in text
    assert text.count("  platform  ") == 2


def test_the_document_satisfies_its_schema() -> None:
    schema = json.loads((PROJECT / "schemas" / "index-plan.schema.json").read_text())
    made = plans()
    documents = [
        {
            **plan.to_json(),
            "bake": definition(plan, Layout(PROJECT, Path("/cache"), plan.build_id)),
            "replaces": None,
        }
        for plan in made
    ]
    document = json.loads(json.dumps(index_json(index_plan(made), documents), default=str))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert [plan["arch"] for plan in document["plans"]] == ["amd64", "arm64"]
