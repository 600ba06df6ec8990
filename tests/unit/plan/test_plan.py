"""Plans: what changes the key of which step, and what a plan says of a request."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.plans import DEBIAN_RELEASE, PROJECT, all_plans, make_plan
from tfbuild.base.arch import Arch
from tfbuild.base.documents import fingerprint
from tfbuild.build.layout import Layout
from tfbuild.plan.asked import recipe_hash
from tfbuild.plan.plan import Patch, Plan
from tfbuild.products.tflite.bake import definition

# Made once: to judge the schema itself takes longer than to judge a plan by it.
SCHEMA = jsonschema.Draft202012Validator(json.loads((PROJECT / "schemas" / "plan.schema.json").read_text()))
STEPS = ("fetch", "root", "builder", "compile", "image", "verify", "dist")


def keys(plan: Plan[Any]) -> dict[str, str]:
    return {step.id: step.key for step in plan.steps}


def opt(*sets: str, **more: object) -> Plan[Any]:
    return make_plan(DEBIAN_RELEASE, "opt", Arch.AMD64, *sets, **more)  # type: ignore[arg-type]


BASE = opt()


def changed(plan: Plan[Any]) -> set[str]:
    """The steps that would be done again after a build of BASE."""
    return {step for step in STEPS if keys(plan)[step] != keys(BASE)[step]}


def test_the_steps_come_in_the_order_of_the_work() -> None:
    assert tuple(step.id for step in BASE.steps) == STEPS
    assert opt() == BASE


@pytest.mark.parametrize("setting", ["resources.jobs=3", "resources.memory_per_job_mib=512"])
def test_how_much_of_the_machine_is_taken_changes_nothing(setting: str) -> None:
    assert changed(opt(setting)) == set()


def test_why_something_is_not_to_be_handed_on_is_on_the_image_and_compiles_nothing() -> None:
    plan = opt("distributable=false", "distributable_note=for us")
    assert dict(plan.image.labels)["tfbuild.distributable-note"] == "for us"
    assert changed(plan) == {"image", "verify", "dist"}


@pytest.mark.parametrize(
    "setting",
    ["runtime.user=1000", "runtime.labels.team=edge", "runtime.base=debian"],
)
def test_what_only_the_image_has_compiles_nothing(setting: str) -> None:
    assert changed(opt(setting)) == {"image", "verify", "dist"}


def test_neither_the_place_nor_the_name_of_a_result_changes_it() -> None:
    assert changed(opt(output="elsewhere")) == set()
    assert changed(opt(tag="mine:1")) == set()


def test_a_commit_that_touches_no_recipe_outdates_nothing() -> None:
    plan = opt(revision="c" * 40)
    assert changed(plan) == set()
    assert plan.revision == "c" * 40


def test_another_policy_only_verifies_again() -> None:
    assert changed(opt("policy=default")) == {"verify", "dist"}
    assert changed(opt(policy_sha256="6" * 64)) == {"verify", "dist"}


@pytest.mark.parametrize(
    "setting",
    [
        "compile.march=haswell",
        "compile.optimisation=2",
        "compile.lto=true",
        "compile.strip=false",
        "compile.debug_info=separate",
        "compile.defines.A=1",
        "compile.cxxflags=[-fno-rtti]",
        "tflite.ruy=false",
    ],
)
def test_what_the_compiler_sees_compiles_again(setting: str) -> None:
    assert changed(opt(setting)) == {"compile", "image", "verify", "dist"}


def test_without_xnnpack_it_is_neither_built_nor_asked_for() -> None:
    plan = opt("tflite.xnnpack=false")
    assert changed(plan) == {"compile", "image", "verify", "dist"}
    assert not plan.part.xnnpack
    assert not any(case.must_delegate or case.with_delegate for case in plan.part.smoke)


def test_a_patch_compiles_again_by_its_bytes() -> None:
    one, two = (opt(patches=(Patch("a.patch", digit * 64),)) for digit in "12")
    assert changed(one) == {"compile", "image", "verify", "dist"}
    assert keys(one)["compile"] != keys(two)["compile"]


def test_another_recipe_or_root_makes_the_builder_again() -> None:
    assert changed(opt(recipe="other")) == {"builder", "compile", "image", "verify", "dist"}
    for plan in (opt("debian.snapshot=20260101T000000Z"), opt("debian.mirror=http://mirror.example/debian")):
        assert changed(plan) == set(STEPS) - {"fetch"}


def test_the_date_reaches_the_files_and_the_image_and_no_builder() -> None:
    plan = opt(source_date_epoch=1)
    assert changed(plan) == set(STEPS) - {"fetch", "root", "builder"}
    assert (plan.source_date_epoch, plan.root) == (1, opt().root)
    debian = make_plan(DEBIAN_RELEASE, "opt", Arch.AMD64, "runtime.base=debian", source_date_epoch=1)
    assert debian.runtime_root is not None
    assert debian.runtime_root.source_date_epoch == 1
    assert opt(source_date_epoch=0).source_date_epoch == 0


def test_no_two_builds_share_a_key_or_an_id() -> None:
    plans = list(all_plans())
    assert len({plan.build_id for plan in plans}) == len(plans)
    for step in ("image", "verify", "dist"):
        assert len({keys(plan)[step] for plan in plans}) == len(plans)


@pytest.mark.parametrize("plan", tuple(all_plans()), ids=lambda plan: plan.build_id)
def test_every_plan_is_what_the_schema_says(plan: Plan[Any]) -> None:
    layout = Layout(Path("/project"), Path("/cache"), plan.build_id)
    document = json.loads(json.dumps({**plan.to_json(), "bake": definition(plan, layout), "replaces": None}))
    SCHEMA.validate(document)
    assert document["version"] == 1
    assert document["build_id"] == f"tflite-{plan.release}-{plan.config}-{plan.arch}"
    assert document["library_version"] == plan.release.partition("-")[0]


def test_the_words_of_the_command_line_reach_the_plan() -> None:
    plan = opt(jobs=3, tag="team/tflite:1", output="/tmp/out/")
    assert (plan.jobs, plan.image.tag) == (3, "team/tflite:1")
    assert plan.output == f"/tmp/out/tflite/{DEBIAN_RELEASE}/opt/amd64"
    assert BASE.image.tag == f"tfbuild/tflite:{DEBIAN_RELEASE}-opt-amd64"
    assert opt("resources.jobs=5").jobs == 5
    assert opt("resources.jobs=5", jobs=2).jobs == 2


def test_a_foreign_target_is_built_on_the_builders_architecture() -> None:
    plan = make_plan(DEBIAN_RELEASE, "opt", Arch.ARM64, "runtime.base=debian")
    assert plan.root.arch is Arch.AMD64
    assert plan.runtime_root is not None
    assert plan.runtime_root.arch is Arch.ARM64
    assert any("qemu-user" in note for note in plan.notes)
    assert not any("qemu-user" in note for note in BASE.notes)
    names = {package.partition("=")[0] for package in plan.packages}
    assert "libxnnpack-dev" in names
    assert "libneon-2-sse-dev" not in names  # for amd64 only
    assert [pin.filename for pin in plan.pins][1:] == [
        "libfft2d-dev_1.0-3+b1_arm64.deb",
        "libpthreadpool-dev_0.0~git20251020.0e6ca13-1.1_arm64.deb",
        "libpthreadpool0_0.0~git20251020.0e6ca13-1.1_arm64.deb",
    ]


def test_the_debian_image_has_the_packages_that_the_release_names() -> None:
    root = opt("runtime.base=debian").runtime_root
    assert root is not None
    assert {"libxnnpack0.20241108", "ca-certificates"} <= set(root.include)
    assert BASE.runtime_root is None
    assert (BASE.policy, opt("runtime.base=debian").policy) == ("tflite-scratch", "tflite-debian")


def test_the_labels_are_complete_and_the_configs_win() -> None:
    labels = dict(
        opt("runtime.labels={org.opencontainers.image.title: Ours}", revision="c" * 40).image.labels
    )
    prefix = "org.opencontainers.image."
    names = {name.removeprefix(prefix) for name in labels if name.startswith(prefix)}
    assert {"title", "version", "revision", "source", "licenses", "description"} <= names
    assert labels[f"{prefix}title"] == "Ours"
    assert dict(BASE.image.labels)["tfbuild.build-id"] == "tflite-2.14.1-debian-opt-amd64"
    assert dict(BASE.image.labels)["tfbuild.key"] == BASE.key


def test_a_native_build_says_that_it_is_not_to_be_handed_on() -> None:
    plan = make_plan(config="native")
    assert not plan.distributable
    assert dict(plan.image.labels)["tfbuild.distributable"] == "false"
    (note,) = plan.notes
    assert note.startswith("not to be distributed: built with -march=native")
    assert dict(BASE.image.labels)["tfbuild.distributable"] == "true"


def test_a_pinned_release_says_that_nobody_compiled_it_and_what_is_odd() -> None:
    plan = make_plan("2.20.0")
    assert plan.notes[0] == "this project has not compiled tflite 2.20.0 as it is"
    assert any("release_version.h" in quirk for quirk in plan.quirks)
    assert BASE.notes == ()


def test_an_image_on_debian_says_what_it_has_from_the_suite_instead_of_the_release() -> None:
    (note,) = make_plan(DEBIAN_RELEASE, "opt", Arch.AMD64, "runtime.base=debian").notes
    assert note.startswith("the image has trixie's libpthreadpool0, not the release's")


def test_a_fingerprint_is_of_values_not_of_objects() -> None:
    assert fingerprint(BASE.root) == fingerprint(replace(BASE.root))
    assert BASE.root.key == fingerprint(BASE.root) == replace(BASE.root).key
    assert fingerprint(BASE.tree) == fingerprint(replace(BASE.tree)) == BASE.tree.key
    assert fingerprint(BASE.root) != fingerprint(replace(BASE.root, suite="sid"))
    # printf '["a",{"b":1},null]' | sha256sum: the same on every machine, since it is stored and compared.
    assert (
        fingerprint(["a", {"b": 1}, None])
        == "24b01d228ae1329e3b56cdf21c810a2bf79ce79eee0643d59b5c84f2c65447c2"
    )


def test_a_recipe_is_known_by_names_bytes_and_executable_bits(tmp_path: Path) -> None:
    folder = tmp_path / "recipe"
    (folder / "sub").mkdir(parents=True)
    script = folder / "sub" / "a.sh"
    script.write_text("true\n")
    seen = [recipe_hash(tmp_path, ("recipe",))]
    script.chmod(0o755)
    seen.append(recipe_hash(tmp_path, ("recipe",)))
    script.write_text("false\n")
    seen.append(recipe_hash(tmp_path, ("recipe",)))
    script.rename(folder / "sub" / "b.sh")
    seen.append(recipe_hash(tmp_path, ("recipe",)))
    assert len(set(seen)) == 4
    (folder / "empty").mkdir()
    assert recipe_hash(tmp_path, ("recipe",)) == seen[-1]
