"""Different results have different names, and what changes no result changes no name."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import keras
from tests.support.keys import EXAMPLES, NEEDED
from tests.support.patches import write_patch
from tests.support.plans import PROJECT, make_plan, make_plan_from_wheel, make_server_plan
from tfbuild.base.arch import Arch
from tfbuild.base.errors import UsageError
from tfbuild.plan.naming import Asked, Extra, parse_name, read_asked
from tfbuild.plan.plan import Plan
from tfbuild.plan.several import index_plan
from tfbuild.plan.words import Words
from tfbuild.products.keras.part import KerasModel
from tfbuild.products.keras.plan import model_word
from tfbuild.products.saved_model import ModelFolder
from tfbuild.products.table import plan_of

Make = Callable[..., Plan[Any]]
MAKERS: dict[str, Make] = {
    "tflite": lambda *sets: make_plan("2.14.1-debian", "opt", Arch.AMD64, *sets),
    "wheel": lambda *sets: make_plan_from_wheel("2.14.0-wheel", Arch.AMD64, *sets),
    "serving": lambda *sets: make_server_plan("2.20.0", "opt", Arch.AMD64, *sets),
    "keras": lambda *sets: keras.make_plan("2.20.0", Arch.AMD64, *sets),
}
# They change what is done, and not what comes out.
NO_RESULT = {"debian.mirror", "debian.security_mirror", "policy", "compile.ccache"}
# In a tag of an image, in the name of a folder, in the id of a cache mount.
VALID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")


def of(product: str = "tflite", **words: Any) -> Plan[Any]:
    return plan_of(PROJECT, product, replace(Words(), **words), env={}, build_arch=Arch.AMD64)


def content(plan: Plan[Any]) -> str:
    """What a plan makes, without the names of it and where a value was written."""
    document = plan.to_json()
    for key in ("build_id", "config", "asked", "output", "steps", "notes", "policy", "policy_sha256"):
        del document[key]
    for key in (
        "jobs",
        "memory_per_job_mib",
        "mirrors",
        "signing",
        "remote",
        "layers",
    ):  # how fast, from where, by whom
        del document[key]
    if not plan.source:  # nothing is compiled
        del document["strip"], document["debug_info"]
    document["flags"] = [flag["text"] for flag in document["flags"]]
    image = document["image"]
    names = {"tfbuild.build-id", "tfbuild.key", "org.opencontainers.image.title"}
    image["labels"] = [label for label in image["labels"] if label[0] not in names]
    del image["tag"]
    return json.dumps(document, default=str, sort_keys=True)


# By these; those that take them: products/tflite/test_suite.py, test_selection.py, test_compilers.py,
# test_profile.py, serving/test_wheel_parts.py.
_REFUSED = {
    "debian.suite",
    "serving.without",
    "serving.op_libraries",
    "tflite.ops",
    "tflite.models",
    "compile.compiler",
    "tflite.xnnpack_compiler",
    "tflite.profile",
}


def _examples() -> list[Any]:
    return [
        pytest.param(product, key, id=f"{product}-{key}")
        for product in MAKERS
        for key in EXAMPLES
        if not key.startswith("source.")  # told by the patch's content, below
        and (product, key) != ("wheel", "runtime.base")  # refused: its image is made of one base only
        and key not in _REFUSED
    ]


@pytest.mark.parametrize(("product", "key"), _examples())
def test_a_key_changes_the_name_where_it_changes_the_result(product: str, key: str) -> None:
    make, needed = MAKERS[product], NEEDED.get(key, ())
    if key == "serving.monitoring.path":
        needed = ("serving.monitoring.prometheus=true",)  # without it there is no page
    value = {"policy": "default", "keras.requirements": "keras>=3"}.get(key, EXAMPLES[key][0])
    before, after = make(*needed), make(*needed, f"{key}={value}")
    if key in NO_RESULT:
        assert after.build_id == before.build_id
    else:
        assert (after.build_id != before.build_id) == (content(after) != content(before))
    assert VALID.fullmatch(after.image.tag.rpartition(":")[2])
    assert VALID.fullmatch(after.config)


def test_a_plain_build_has_the_name_of_its_configuration() -> None:
    plan = of()
    assert plan.build_id == "tflite-2.14.1-debian-opt-amd64"
    assert plan.image.tag == "tfbuild/tflite:2.14.1-debian-opt-amd64"
    assert plan.output == "dist/tflite/2.14.1-debian/opt/amd64"
    assert plan.tree_id == plan.build_id


def test_a_flavour_is_a_word_of_the_name() -> None:
    plan = of(sets=("runtime.flavour=python",))
    assert plan.build_id == "tflite-2.14.1-debian-opt-python-amd64"
    assert plan.image.tag == "tfbuild/tflite:2.14.1-debian-opt-python-amd64"
    assert plan.output == "dist/tflite/2.14.1-debian/opt-python/amd64"


def test_what_is_asked_by_set_is_a_hash_in_the_name_whatever_its_order_and_spelling() -> None:
    one = of(sets=("compile.march=skylake", "compile.lto=yes"))
    assert re.fullmatch(r"tflite-2\.14\.1-debian-opt-set\.[0-9a-f]{6}-amd64", one.build_id)
    assert of(sets=("compile.lto=true", "compile.march=skylake")).build_id == one.build_id
    assert of(sets=("compile.march=skylake",)).build_id != one.build_id


def test_a_value_that_holds_anyway_gives_the_plain_name() -> None:
    plain = of()
    for sets in (("compile.lto=false",), ("runtime.flavour=native",), (f"compile.march={plain.march}",)):
        assert of(sets=sets).build_id == plain.build_id


def test_how_and_where_is_no_part_of_the_name() -> None:
    plain = of()
    more = {"jobs": "3", "output": "elsewhere", "tag": "mine:1"}
    same = of(sets=("resources.jobs=2", "mirrors=https://a.example/=/srv/a"), **more)
    assert (same.build_id, same.key) == (plain.build_id, plain.key)


def test_a_word_of_ones_own_takes_the_place_of_the_hash() -> None:
    plan = of(sets=("compile.march=skylake", "runtime.flavour=python"), name="fast")
    assert plan.build_id == "tflite-2.14.1-debian-opt-python-fast-amd64"
    assert of(name="fast").build_id == "tflite-2.14.1-debian-opt-fast-amd64"


@pytest.mark.parametrize("word", ["Fast", "-x", "x-", "a/b", "a b", "ä", "a:b", "a..b", "."])
def test_a_name_that_no_image_can_have_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="cannot be part of an image's name"):
        of(name=word)


def test_a_name_that_is_too_long_for_a_tag_is_refused() -> None:
    assert len(of(name="x" * 60).build_id) < 128
    with pytest.raises(UsageError, match="an image's tag takes"):
        of(name="x" * 90)


def test_a_patch_is_told_by_its_content(tmp_path: Path) -> None:
    names = []
    for folder, text in (("a", "one"), ("b", "one"), ("c", "two")):
        patch = tmp_path / folder / "x.patch"
        patch.parent.mkdir()
        write_patch(patch, after=text)
        names.append(of(sets=(f"source.patches={patch}",)))
    assert names[0].build_id == names[1].build_id
    assert names[0].key == names[1].key
    assert names[0].build_id != names[2].build_id


def test_words_for_bazel_are_in_the_name() -> None:
    one, other = of("serving", raw="--copt=-fno-plt"), of("serving", raw="--copt=-fno-exceptions")
    assert len({of("serving").build_id, one.build_id, other.build_id}) == 3


def test_a_model_is_in_the_name_and_compiles_nothing_again() -> None:
    model = ModelFolder("m/half_plus_two", "half_plus_two", (1,), "1" * 40)
    plain, served = make_server_plan(), make_server_plan(model=model)
    assert served.build_id == "serving-2.20.0-opt-half_plus_two-amd64"
    assert served.tree_id == plain.tree_id == plain.build_id
    assert make_server_plan(model=replace(model, path="elsewhere/half_plus_two")).key == served.key


def test_what_is_added_after_the_compile_shares_the_build_tree() -> None:
    plain = of()
    for sets in (("compile.strip=false",), ("runtime.labels.team=edge",), ("distributable=false",)):
        plan = of(sets=sets)
        assert plan.build_id != plain.build_id
        assert plan.tree_id == plain.tree_id
    assert of(sets=("compile.lto=true",)).tree_id == of(sets=("compile.lto=true",)).build_id
    assert of(sets=("compile.lto=true",), name="lto").tree_id == "tflite-2.14.1-debian-opt-lto-amd64"
    assert of(sets=("runtime.labels.team=edge",), name="edge").tree_id == plain.tree_id


def test_a_cross_build_on_the_target_has_a_name_of_its_own_only_where_it_is_another_build() -> None:
    sets = ("serving.build_on=target",)
    assert of("serving", arch="amd64", sets=sets).build_id == of("serving", arch="amd64").build_id
    assert of("serving", arch="arm64", sets=sets).build_id != of("serving", arch="arm64").build_id


def test_a_program_and_a_model_are_both_in_the_name(tmp_path: Path) -> None:
    app = tmp_path / "train"
    app.mkdir()
    (app / "app.yaml").write_text("app:\n  command: [python3, train.py]\n")
    wine = KerasModel("wine.keras", "wine.keras", "keras", "1" * 40)
    assert keras.make_plan(app=app).config == "opt-train"
    assert keras.make_plan(app=app, model=wine).config == "opt-train-wine"
    assert keras.make_plan(app=app, model=replace(wine, name="beer.keras")).config == "opt-train-beer"


def test_how_a_program_runs_is_in_the_name_unless_its_own_file_says_so(tmp_path: Path) -> None:
    app = tmp_path / "train"
    app.mkdir()
    (app / "app.yaml").write_text("app:\n  command: [python3, train.py]\n")

    def config(*sets: str) -> str:
        return keras.make_plan("2.21.0", Arch.AMD64, *sets, app=app).config

    assert config() == config("app.command=python3,train.py") == "opt-train"
    others = {config("app.command=python3,eval.py"), config("app.environment.A=1")}
    assert len(others) == 2
    assert "opt-train" not in others


def test_a_program_whose_folder_cannot_be_a_name_gets_one(tmp_path: Path) -> None:
    app = tmp_path / "my Äpp!"
    app.mkdir()
    with pytest.raises(UsageError, match="cannot be part") as caught:
        of("keras", app=str(app))
    assert "--name" in str(caught.value.hint)
    assert of("keras", app=str(app), name="mine").config == "opt-mine"


@pytest.mark.parametrize(
    ("name", "word"), [("m.keras", "m"), ("m.v1.keras", "m.v1"), ("m.v2.h5", "m.v2"), ("1.0", "1.0")]
)
def test_versions_of_a_model_are_told_apart(name: str, word: str) -> None:
    assert model_word(name) == word


def test_a_release_file_of_ones_own_with_a_shipped_name_is_told_apart(tmp_path: Path) -> None:
    shipped = PROJECT / "build_configs" / "releases" / "tflite" / "2.14.1-debian.yaml"
    own = tmp_path / shipped.name
    own.write_bytes(shipped.read_bytes())
    shutil.copytree(shipped.with_suffix(".patches"), own.with_suffix(".patches"))
    assert of(release=str(own)).build_id == of().build_id
    own.write_text(own.read_text() + "# other\n")
    assert re.search(r"opt-set\.[0-9a-f]{6}-amd64$", of(release=str(own)).build_id)
    assert of(release=str(shipped)).build_id == of().build_id


def test_a_release_that_only_the_user_has_keeps_its_name(tmp_path: Path) -> None:
    shipped = PROJECT / "build_configs" / "releases" / "tflite" / "2.14.1-debian.yaml"
    text = shipped.read_text()
    plans = []
    for folder in ("a", "b"):
        own = tmp_path / folder / "9.9.9.yaml"
        own.parent.mkdir()
        shutil.copytree(shipped.with_suffix(".patches"), own.with_suffix(".patches"))
        own.write_text(text.replace("release: 2.14.1-debian", "release: 9.9.9") + f"# {folder}\n")
        plans.append(of(release=str(own)))
    assert {plan.build_id for plan in plans} == {"tflite-9.9.9-opt-amd64"}
    assert not plans[0].asked.is_same_as(plans[1].asked)


def test_an_index_of_equal_names_has_that_name() -> None:
    plans = [make_plan("2.14.1-debian", "opt", arch, "compile.lto=true") for arch in (Arch.AMD64, Arch.ARM64)]
    index = index_plan(plans)
    assert index.id == plans[0].build_id.removesuffix("-amd64")
    assert index.name == plans[0].image.tag.removesuffix("-amd64")
    assert index.output == f"dist/tflite/2.14.1-debian/{plans[0].config}/index"


def test_an_index_of_builds_that_differ_for_one_architecture_has_a_name_for_both() -> None:
    """A value that one architecture has anyway is beyond the configuration for the other one."""
    plans = [make_plan(), make_plan("2.14.1-debian", "opt", Arch.ARM64, "compile.mtune=cortex-a72")]
    assert len({plan.config for plan in plans}) == 2
    index = index_plan(plans)
    assert re.fullmatch(r"tflite-2\.14\.1-debian-opt-set\.[0-9a-f]{6}", index.id)
    assert index.name == f"tfbuild/tflite:{index.id.removeprefix('tflite-')}"
    assert index.output.endswith(f"{index.id.rpartition('debian-')[2]}/index")


EXTRAS = st.builds(
    Extra,
    key=st.text(min_size=1),
    value=st.text(),
    word=st.none() | st.just("") | st.from_regex(r"[a-z0-9]+", fullmatch=True),
    place=st.text(),
)


@given(st.lists(EXTRAS, unique_by=lambda each: each.key))
def test_what_is_asked_survives_the_manifest_and_its_order_does_not_matter(extras: list[Extra]) -> None:
    asked = Asked("opt", "", tuple(extras))
    stored = {"asked": {"config": "opt", "name": "", "beyond": [vars(each) for each in extras]}}
    assert read_asked(json.loads(json.dumps(stored))) == asked
    assert asked.is_same_as(Asked("opt", "", tuple(reversed(extras))))
    assert VALID.fullmatch(f"{asked.word}"[:100])


def test_an_empty_name_is_none() -> None:
    assert parse_name("") == ""
    assert read_asked({"config": "opt"}) is None
