"""Plans of a model server that is linked with a wheel: what is refused, what changes a step, what is told."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.plans import LINKED_RELEASE, PROJECT, make_linked_server_plan
from tests.support.products import Product, list_releases, load_release
from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import ConfigError, NothingMatchesError, UsageError, VerificationError
from tfbuild.plan.asked import find_release
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.saved_model import ModelFolder
from tfbuild.products.serving.asked import RULES
from tfbuild.products.serving.materials import wheel_materials
from tfbuild.products.serving.wheel.plan import builder_packages, require_protoc, require_wheel
from tfbuild.products.serving.wheel.release import disagreements
from tfbuild.products.serving.wheel.request import request_files
from tfbuild.products.serving.wheel.rules import compiler_of
from tfbuild.products.serving.wheel.steps import require_commit
from tfbuild.products.table import plan_of, plan_text
from tfbuild.releases.load import default_release, load_lock

STEPS = ("fetch", "root", "builder", "compile", "image", "verify", "dist")
SCHEMA = json.loads((PROJECT / "schemas" / "plan.schema.json").read_text())
MODEL = ModelFolder("models/half_plus_two", "half_plus_two", (123,), "7" * 40)
RELEASE = load_release(PROJECT, Product.SERVING, LINKED_RELEASE)
# It has a protoc of its own, and sources of other projects.
NEWEST = load_release(PROJECT, Product.SERVING, "2.20.0-wheel")
BASE = make_linked_server_plan()


def changed(plan: Plan[Any]) -> set[str]:
    keys = {step.id: step.key for step in plan.steps}
    return {step.id for step in BASE.steps if keys[step.id] != step.key}


def words(release: str = LINKED_RELEASE, arch: str = "amd64", raw: str = "") -> Plan[Any]:
    asked = Words(release=release, arch=arch, raw=raw)
    return plan_of(PROJECT, Product.SERVING, asked, env={}, build_arch=Arch.AMD64)


# -- which release ---------------------------------------------------------------------------------


def test_from_wheel_takes_the_newest_wheel_and_from_source_the_newest_of_bazel_s() -> None:
    releases = list_releases(PROJECT)
    wheel = default_release(releases, Product.SERVING, wheels=True)
    source = default_release(releases, Product.SERVING, never_built=True)
    assert (wheel.origin, source.origin) == ("wheel", "source")
    linked = [each for each in releases if (each.product, each.origin) == ("serving", "wheel")]
    able = [each for each in linked if each.eligible]
    assert wheel.source_date_epoch == max(each.source_date_epoch for each in able)


def test_what_nobody_has_linked_is_built_by_its_name_alone() -> None:
    releases = list_releases(PROJECT)
    assert default_release(releases, Product.SERVING, wheels=True) == NEWEST
    older = [each for each in releases if each != NEWEST]
    untried = NEWEST.model_copy(update={"eligible": False})
    expected = default_release(older, Product.SERVING, wheels=True)
    assert default_release([*older, untried], Product.SERVING, wheels=True) == expected
    assert words(NEWEST.release).release == NEWEST.release


@pytest.mark.parametrize(("name", "origin"), [(LINKED_RELEASE, "source"), ("2.16.1", "wheel")])
def test_a_release_of_the_other_kind_is_refused_by_its_name(name: str, origin: str) -> None:
    with pytest.raises(UsageError, match="is built from"):
        find_release(PROJECT, RULES.releases, name, origin)


# -- what is refused before anything is compiled ---------------------------------------------------


def test_a_wheel_of_another_commit_is_refused_with_both() -> None:
    with pytest.raises(NothingMatchesError) as caught:
        words(release="2.15.1-wheel")
    told = "\n".join(caught.value.details)
    assert "5b2454e3de818c7ac24cf7fbb8d82aed83a577ca" in told
    assert "63f5a65c7cd (v2.15.0-11-g63f5a65c7cd)" in told
    assert "build_configs/releases/serving/2.15.1-wheel.yaml:" in told


def test_an_architecture_without_a_wheel_is_refused_with_those_that_have_one() -> None:
    with pytest.raises(NothingMatchesError, match="cannot be built for armhf"):
        words(arch="armhf")
    with pytest.raises(NothingMatchesError) as caught:
        require_wheel(RELEASE, Arch.ARMHF, {})
    assert "has: amd64, arm64" in caught.value.details[0]


def test_a_protoc_of_another_series_is_refused_with_both() -> None:
    build = RELEASE.wheel.model_copy(update={"protobuf": "28.3"})
    with pytest.raises(NothingMatchesError) as caught:
        require_wheel(RELEASE.model_copy(update={"wheel": build}), Arch.AMD64, {})
    assert "28.3" in caught.value.details[0]
    assert "3.21.9" in caught.value.details[1]


def test_since_protobuf_5_26_generated_code_is_for_one_version_alone() -> None:
    assert require_wheel(NEWEST, Arch.AMD64, {}).protobuf == "5.28.3"
    build = NEWEST.wheel.model_copy(update={"protobuf": "5.28.2"})
    with pytest.raises(NothingMatchesError) as caught:
        require_wheel(NEWEST.model_copy(update={"wheel": build}), Arch.AMD64, {})
    assert caught.value.details == ("protoc of the release: 5.28.2", "headers of the wheel: 5.28.3")


def test_a_machine_for_which_the_release_has_no_protoc_is_refused() -> None:
    found = require_protoc(NEWEST, Arch.ARM64, {})
    assert found
    assert found.pin == "protoc-28.3-arm64"
    assert require_protoc(RELEASE, Arch.ARMHF, {}) is None
    with pytest.raises(NothingMatchesError, match="cannot be built on armhf"):
        require_protoc(NEWEST, Arch.ARMHF, {})


def test_words_for_bazel_are_refused() -> None:
    with pytest.raises(UsageError, match="words after -- go to Bazel"):
        words(raw="--copt=-O1")


@pytest.mark.parametrize("setting", ["compile.lto=true", "runtime.flavour=python"])
def test_what_cannot_be_honoured_is_an_error(setting: str) -> None:
    asked = Words(release=LINKED_RELEASE, arch="amd64", sets=(setting,))
    with pytest.raises(ConfigError):
        plan_of(PROJECT, Product.SERVING, asked, env={}, build_arch=Arch.AMD64)


def test_a_release_whose_wheels_and_arches_differ_is_a_fault_of_its_file() -> None:
    assert list(disagreements(RELEASE)) == []
    twice = RELEASE.wheel.model_copy(update={"wheels": RELEASE.wheel.wheels[:1] * 2})
    told = list(disagreements(RELEASE.model_copy(update={"wheel": twice})))
    assert [text for _, text in told] == [
        "two wheels are for the same arch",
        "'wheels' and 'arches' name different architectures",
    ]


# -- what the wheel itself says --------------------------------------------------------------------


def wheel(folder: Path, said: bytes) -> Path:
    path = folder / "tensorflow.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tensorflow/python/client/_pywrap_tf_session.so", said)
    return path


def test_a_wheel_that_says_what_the_release_says_passes(tmp_path: Path) -> None:
    require_commit(wheel(tmp_path, b"x\0v2.16.1-0-g5bc9d26649c\0y"), "v2.16.1-0-g5bc9d26649c")


@pytest.mark.parametrize(
    ("said", "told"), [(b"x\0v2.16.2-0-g810f233968c\0y", "v2.16.2-0-g810f233968c"), (b"x", "nothing")]
)
def test_a_wheel_that_says_something_else_is_refused_with_both(
    tmp_path: Path, said: bytes, told: str
) -> None:
    with pytest.raises(VerificationError) as caught:
        require_commit(wheel(tmp_path, said), "v2.16.1-0-g5bc9d26649c")
    assert caught.value.details == (
        "release file: v2.16.1-0-g5bc9d26649c",
        f"the wheel:    {told}",
    )


def test_a_file_that_is_no_such_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("numpy/__init__.py", "")
    with pytest.raises(VerificationError, match=r"other\.whl is not made of the commit"):
        require_commit(path, "v2.16.1-0-g5bc9d26649c")


# -- the plan --------------------------------------------------------------------------------------


def test_there_is_one_compile_without_network_and_no_step_of_bazel_s() -> None:
    assert tuple(step.id for step in BASE.steps) == STEPS


@pytest.mark.parametrize(
    ("setting", "first"),
    [
        ("compile.optimisation=2", "compile"),
        ("compile.defines.WIDTH=4", "compile"),
        ("serving.copts=-fno-plt", "compile"),
        ("serving.linkopts=-Wl,-z,now", "compile"),
        ("serving.monitoring.prometheus=true", "image"),
        ("serving.server_args=--grpc_max_threads=4", "image"),
        ("runtime.user=1000", "image"),
        ("policy=default", "verify"),
    ],
)
def test_a_change_outdates_what_it_reaches_and_nothing_before(setting: str, first: str) -> None:
    plan = make_linked_server_plan(LINKED_RELEASE, Arch.AMD64, setting)
    assert changed(plan) == set(STEPS[STEPS.index(first) :])


@pytest.mark.parametrize(
    "setting",
    ["resources.jobs=3", "compile.march=haswell", "compile.mtune=haswell", "serving.bazel_configs=mkl"],
)
def test_what_no_result_depends_on_outdates_nothing_and_names_nothing(setting: str) -> None:
    plan = make_linked_server_plan(LINKED_RELEASE, Arch.AMD64, setting)
    assert changed(plan) == set()
    assert plan.build_id == BASE.build_id


def test_inline_code_is_compiled_for_the_cpu_of_the_wheel() -> None:
    plan = make_linked_server_plan(LINKED_RELEASE, Arch.AMD64, config="haswell")
    assert not [flag.text for flag in plan.flags if flag.text.startswith(("-march", "-mtune"))]
    assert plan.march is None
    assert [note for note in plan.notes if note.startswith("compile.march is haswell and changes nothing")]


def test_a_list_of_other_sources_is_another_compile() -> None:
    part = BASE.part
    assert changed(make_linked_server_plan(model=MODEL)) == {"image", "verify", "dist"}
    stored = make_linked_server_plan().part.sources
    assert stored == part.sources


def test_the_request_has_all_that_is_compiled_an_item_in_a_line() -> None:
    files = request_files(BASE.part)
    assert "tensorflow_serving/model_servers/main.cc" in files["sources"].splitlines()
    assert "tensorflow_serving/apis/predict.proto" in files["protos"].splitlines()
    assert "tensorflow/lite/core/c/common.cc" in files["tensorflow-sources"].splitlines()
    assert "libabsl_*.a" in files["archives"].splitlines()
    presets = json.loads(files["CMakePresets.json"])
    (preset,) = presets["configurePresets"]
    cache = preset["cacheVariables"]
    assert cache["CMAKE_CXX_COMPILER"] == "/usr/bin/clang++-17"
    assert "-D_GLIBCXX_USE_CXX11_ABI=1" in cache["CMAKE_CXX_FLAGS"]
    assert "-DNDEBUG" in cache["CMAKE_CXX_FLAGS_RELEASE"]
    assert "CMAKE_CXX_COMPILER_TARGET" not in cache


def test_other_projects_sources_are_downloaded_compiled_and_licensed() -> None:
    plan = make_linked_server_plan("2.20.0-wheel", Arch.ARM64)
    files = request_files(plan.part)
    assert files["further-roots"].splitlines() == ["/further/flatbuffers/include", "/further/grpc"]
    assert "/further/grpc/src/cpp/ext/proto_server_reflection.cc" in files["further-sources"].splitlines()
    assert files["further-licenses"].splitlines() == ["flatbuffers/LICENSE", "grpc/LICENSE"]
    reflection = "src/proto/grpc/reflection/v1alpha/reflection.proto"
    assert reflection in files["protos"].splitlines()
    assert reflection in files["services"].splitlines()
    materials = {each.pin for each in wheel_materials(plan.part).known}
    assert materials == {"tensorflow-2.20.0", "flatbuffers", "grpc", "protoc-28.3-amd64"}
    # protoc runs where the build runs, whatever it is for.
    assert {"flatbuffers", "grpc", "protoc-28.3-amd64"} <= {pin.name for pin in plan.pins}
    assert dict(plan.part.cmake_cache)["PROTOC"] == "/further/protoc/protoc"
    text = plan_text(plan)
    assert "headers of flatbuffers" in text
    assert "2 of grpc" in text
    assert request_files(BASE.part)["further-roots"] == ""
    assert dict(BASE.part.cmake_cache)["PROTOC"] == "/usr/bin/protoc"


def test_a_foreign_architecture_is_what_clang_is_told() -> None:
    cache = dict(make_linked_server_plan(LINKED_RELEASE, Arch.ARM64).part.cmake_cache)
    assert cache["CMAKE_CXX_COMPILER_TARGET"] == "aarch64-linux-gnu"
    assert cache["CMAKE_SYSTEM_PROCESSOR"] == "aarch64"
    assert cache["ARCHIVES"] == "/usr/lib/aarch64-linux-gnu"


def test_a_wheel_of_another_compiler_s_family_has_its_own() -> None:
    plan = make_linked_server_plan("2.14.1-wheel", Arch.ARM64)
    cache = dict(plan.part.cmake_cache)
    assert cache["CMAKE_CXX_COMPILER"] == "/usr/bin/aarch64-linux-gnu-g++-12"
    assert "CMAKE_CXX_COMPILER_TARGET" not in cache
    assert plan.part.wheel.libraries == ("tensorflow_cpu_aws.libs/libgomp-77ecc1d6.so.1.0.0",)
    packages = builder_packages(plan.part.compiler, Arch.ARM64, Arch.AMD64)
    assert {"g++-12-aarch64-linux-gnu", "g++-aarch64-linux-gnu"} <= set(packages)
    assert "g++-12" in builder_packages(plan.part.compiler, Arch.ARM64, Arch.ARM64)
    assert dict(make_linked_server_plan("2.14.1-wheel").part.cmake_cache)["CMAKE_CXX_COMPILER"] == (
        "/usr/bin/clang++-17"
    )
    # Words of clang are no words of the compiler that takes them.
    release = load_release(PROJECT, Product.SERVING, "2.14.1-wheel")
    kinds = {arch: compiler.compiler for arch in release.arches if (compiler := compiler_of(release, arch))}
    assert kinds[Arch.ARM64] == "gcc"
    assert kinds.get(Arch.AMD64) != "gcc"


def test_what_upstream_s_server_has_and_this_one_does_not_is_told() -> None:
    text = plan_text(BASE)
    assert "operators that upstream's server has and this one does not" in text
    assert "org_tensorflow_text" in text
    assert "v2.16.1-0-g5bc9d26649c, compiled with Ubuntu Clang 17.0.6" in text


def test_the_archive_that_nobody_hashed_is_proven_by_its_tree_until_it_was_seen() -> None:
    assert BASE.unhashed is not None
    assert BASE.unhashed.tree == RELEASE.source.tree
    seen = make_linked_server_plan(seen="a" * 64)
    assert seen.unhashed is None
    assert changed(seen) == {"fetch"}
    assert load_lock(PROJECT, RELEASE).path.endswith("2.16.1-wheel.lock.json")


@pytest.mark.parametrize("arch", [Arch.AMD64, Arch.ARM64])
@pytest.mark.parametrize("release", [LINKED_RELEASE, "2.20.0-wheel"])
def test_the_plan_is_one_of_the_schema(release: str, arch: Arch) -> None:
    document = dump(replace(make_linked_server_plan(release, arch)))
    jsonschema.validate({**document, "bake": None, "replaces": None}, SCHEMA)
