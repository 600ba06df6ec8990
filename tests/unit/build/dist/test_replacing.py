"""What a build takes the place of is said before and after, and refused where it is another's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.builds import Build
from tests.support.plans import PROJECT, make_plan
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.build.dist.ownership import MANIFEST
from tfbuild.build.dist.replacing import replaced_folder, replaced_image, replaced_index, replaced_text
from tfbuild.engine.facts import ImageFacts, image_facts
from tfbuild.plan.naming import Asked, Extra
from tfbuild.plan.plan import Plan
from tfbuild.plan.several import index_plan


def asked(*extras: Extra, name: str = "", config: str = "opt") -> Plan[Any]:
    return replace(make_plan(), asked=Asked(config, name, extras))


def store(folder: Path, plan: Plan[Any], key: str = "0" * 64) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    document = {"version": 1, "build_id": plan.build_id, "key": key, "plan": plan.to_json()}
    (folder / MANIFEST).write_text(json.dumps(document, default=str))
    return folder


def app(value: str, place: str) -> Extra:
    return Extra("--app", value, "train", place)


def test_an_older_build_of_the_same_name_is_told_with_its_day_and_key(tmp_path: Path) -> None:
    plan = make_plan()
    found = replaced_folder(plan, store(tmp_path, plan))
    assert found is not None
    assert (found.what, found.build_id, found.key) == ("folder", plan.build_id, "0" * 64)
    told = replaced_text(found)
    assert told.startswith(f"replaces the build {plan.build_id} of 20")
    assert told.endswith(f"with key 000000000000 in {tmp_path}")


def test_nothing_and_the_same_build_are_not_replaced(tmp_path: Path) -> None:
    plan = make_plan()
    assert replaced_folder(plan, tmp_path) is None
    assert replaced_folder(plan, store(tmp_path, plan, plan.key)) is None


def test_a_build_of_an_earlier_version_of_this_program_is_replaced(tmp_path: Path) -> None:
    plan = make_plan()
    store(tmp_path, plan)
    document = json.loads((tmp_path / MANIFEST).read_text())
    del document["plan"]["asked"]
    (tmp_path / MANIFEST).write_text(json.dumps(document))
    assert replaced_folder(plan, tmp_path) is not None


def test_another_program_of_the_same_folder_name_is_not_replaced(tmp_path: Path) -> None:
    store(tmp_path, asked(app("1" * 40, "/a/train")))
    with pytest.raises(
        UsageError, match="already has the result of another build with the same name"
    ) as caught:
        replaced_folder(asked(app("2" * 40, "/b/train")), tmp_path)
    assert caught.value.exit_code == ExitCode.USAGE
    assert "it is of: --config opt, --app /a/train" in caught.value.details
    assert "--name WORD" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("value", "place"), [("2" * 40, "/a/train"), ("2" * 40, "/a/b/../train"), ("1" * 40, "/b/train")]
)
def test_a_program_that_was_edited_or_moved_is_the_same_one(tmp_path: Path, value: str, place: str) -> None:
    store(tmp_path, asked(app("1" * 40, "/a/train")))
    assert replaced_folder(asked(app(value, place)), tmp_path) is not None


def test_a_name_of_ones_own_may_be_used_again(tmp_path: Path) -> None:
    store(tmp_path, asked(app("1" * 40, "/a/train"), name="mine"))
    assert replaced_folder(asked(app("2" * 40, "/b/train"), name="mine"), tmp_path) is not None


@pytest.mark.parametrize(
    "before",
    [
        asked(Extra("runtime.flavour", '"python"', "python")),  # opt-python
        asked(config="opt-python"),
    ],
)
def test_words_that_happen_to_give_the_same_name_are_refused(tmp_path: Path, before: Plan[Any]) -> None:
    store(tmp_path, before)
    with pytest.raises(UsageError):
        replaced_folder(asked(name="python"), tmp_path)


def image(identity: str, **labels: str) -> ImageFacts:
    return image_facts(
        {
            "Id": identity,
            "Created": "2026-11-28T00:00:00Z",
            "Config": {"Labels": {name.replace("_", "."): text for name, text in labels.items()}},
        }
    )


def test_a_name_that_moves_from_one_image_to_another_is_told() -> None:
    assert replaced_image("x:1", None, "b") is None
    assert replaced_image("x:1", image("b"), "b") is None
    ours = replaced_image("x:1", image("a", **{"tfbuild.build-id": "tflite-1", "tfbuild.key": "7" * 64}), "b")
    assert ours is not None
    assert replaced_text(ours) == ("takes the name x:1 from the image of tflite-1 with key 777777777777")
    foreign = replaced_image("x:1", image("a"), "b")
    assert foreign is not None
    assert replaced_text(foreign).endswith("of 2026-11-28T00:00:00Z that this program did not build")


def test_an_index_of_other_builds_is_told(tmp_path: Path) -> None:
    index = index_plan([make_plan(), make_plan(arch=Arch.ARM64)])
    assert replaced_index(index, tmp_path) is None
    document = {"version": 1, "id": index.id, "key": "1" * 64}
    images = [{"build_key": each.key} for each in index.images]
    (tmp_path / MANIFEST).write_text(json.dumps({**document, "images": images}))
    assert replaced_index(index, tmp_path) is None
    (tmp_path / MANIFEST).write_text(json.dumps({**document, "images": images[:1]}))
    found = replaced_index(index, tmp_path)
    assert found is not None
    assert replaced_text(found).startswith(f"replaces the build {index.id} of ")


# -- a build ------------------------------------------------------------------------------------------


def test_a_build_says_what_it_replaced(tmp_path: Path) -> None:
    build = Build(tmp_path)
    assert build.run().replaced == ()
    first = build.plan.key
    build.plan = make_plan("2.14.1-debian", "opt", Arch.AMD64, "policy=default", recipe="another")
    result = build.run()
    assert [(each.what, each.key) for each in result.replaced] == [("folder", first), ("image", first)]
    notes = [event[1] for event in build.reporter.events if event[0] == "note"]
    assert any(text.startswith("replaces the build tflite-2.14.1-debian-opt-amd64 of ") for text in notes)
    schema = json.loads((PROJECT / "schemas" / "build-result.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(result.to_json())), schema)
    assert build.run().replaced == ()


def test_one_tag_for_two_builds_is_told(tmp_path: Path) -> None:
    build = Build(tmp_path)
    build.plan = make_plan("2.14.1-debian", "opt", Arch.AMD64, "policy=default", tag="mine:1")
    build.run()
    other = make_plan("2.14.1-debian", "opt", Arch.AMD64, "policy=default", "compile.lto=true", tag="mine:1")
    build.plan, build.output = other, tmp_path / "elsewhere"
    (moved,) = build.run().replaced
    assert (moved.what, moved.name, moved.build_id) == ("image", "mine:1", "tflite-2.14.1-debian-opt-amd64")


def test_two_variants_at_once_do_not_exclude_each_other(tmp_path: Path) -> None:
    """The second one is built while the first one compiles, and nothing of the two is shared."""
    second = Build(tmp_path / "b", lock_wait_s=0)
    second.plan = make_plan("2.14.1-debian", "opt", Arch.AMD64, "policy=default", "compile.lto=true")
    first = Build(tmp_path / "a", lock_wait_s=0)
    second.folder = first.folder
    compile_first = first.compile

    def while_the_other_is_built(library: str = "good.so") -> None:
        assert second.run().fresh
        compile_first(library)

    first.compile = while_the_other_is_built  # type: ignore[method-assign]
    assert first.run().fresh
    assert second.layout.work != first.layout.work
    assert second.layout.candidate != first.layout.candidate
    assert second.plan.image.tag != first.plan.image.tag
    assert second.plan.tree_id != first.plan.tree_id
    assert first.run().fresh is False
    assert second.run().fresh is False
