"""LiteRT from source: TFLite in a folder of its own, and single files of TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.plans import PROJECT, make_plan
from tests.support.products import Product, load_release
from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError
from tfbuild.build.layout import Layout
from tfbuild.plan.words import Words
from tfbuild.products.table import plan_of
from tfbuild.products.tflite.bake import definition
from tfbuild.verify.verify import load_policy

RELEASE = "2.2.0-litert"
LITERT = load_release(PROJECT, Product.TFLITE, RELEASE)


def test_each_file_of_tensorflow_has_a_hash_of_its_own_and_a_place() -> None:
    plan = make_plan(RELEASE)
    pins = {each.name: each for each in plan.pins}
    placed = plan.part.placed
    assert len(placed) == len(LITERT.upstream.tensorflow.files) > 10
    for name, path in placed.items():
        assert pins[name].urls == (f"{LITERT.upstream.tensorflow.url}/{path}",)
    assert plan.part.tensorflow.license_file in placed.values()
    assert {each.sha256 for each in plan.part.tensorflow.files} == {pins[name].sha256 for name in placed}


def test_cmake_is_told_where_litert_and_where_tensorflow_lies() -> None:
    cache = dict(make_plan(RELEASE).part.cmake_cache)
    assert cache["TFBUILD_LITE_SOURCE_DIR"] == "/tree/source/tflite"
    assert cache["TENSORFLOW_SOURCE_DIR"] == "/tree/dependencies/tensorflow"
    plain = dict(make_plan("2.21.0").part.cmake_cache)
    assert plain["TENSORFLOW_SOURCE_DIR"] == "/tree/source"
    assert "TFBUILD_LITE_SOURCE_DIR" not in plain


def test_its_own_library_is_built_and_asked_where_it_can_be() -> None:
    plan = make_plan(RELEASE)
    assert dict(plan.part.cmake_cache)["TFBUILD_LITERT_SOURCE_DIR"] == "/tree/source/litert"
    document = definition(plan, Layout(PROJECT, Path("/cache"), plan.build_id))
    for target in ("compile", "smoke"):
        assert document["target"][target]["args"]["LITERT_FOLDER"] == "litert"
    own = [each for each in plan.part.operators if each.program == "operators-litert"]
    assert [(each.pack, each.has_version) for each in own] == [("operators.pack", False), ("zoo.pack", False)]
    assert {"litert/c", "litert/core", "weight_loader"} <= set(LITERT.source.subtrees)


@pytest.mark.parametrize("setting", ["tflite.xnnpack=false", "runtime.flavour=python"])
def test_without_its_accelerator_and_for_python_there_is_no_such_library(setting: str) -> None:
    plan = make_plan(RELEASE, "opt", Arch.AMD64, setting)
    assert plan.part.litert is None
    assert "TFBUILD_LITERT_SOURCE_DIR" not in dict(plan.part.cmake_cache)
    assert "operators-litert" not in {each.program for each in plan.part.operators}


def test_another_file_of_tensorflow_means_another_compile_and_the_same_builder() -> None:
    plan = make_plan(RELEASE)
    keys = {step.id: step.key for step in plan.steps}
    assert not {pin.name for pin in plan.pins} & set(plan.part.build_packages)
    builder = {step.id: step.key for step in make_plan(RELEASE, "opt", Arch.AMD64, "tflite.ruy=false").steps}
    assert (keys["builder"] == builder["builder"], keys["compile"] == builder["compile"]) == (True, False)


def test_the_builder_gets_what_the_build_runs_besides() -> None:
    plan = make_plan(RELEASE)
    document = definition(plan, Layout(PROJECT, Path("/cache"), plan.build_id))
    arguments = document["target"]["builder"]["args"]
    assert "python3" in arguments["BUILD_PACKAGES"].split()
    assert document["target"]["compile"]["args"]["LITE_FOLDER"] == "tflite"


def test_it_counts_as_newer_than_the_tensorflow_lite_before_it() -> None:
    plan = make_plan(RELEASE)
    assert {each.column for each in plan.part.operators} == {"litert-2.2.0"}
    assert (plan.policy, make_plan("2.21.0").policy) == ("litert-scratch", "tflite-scratch")
    assert load_policy(PROJECT, plan.policy).policy.image.max_mb(plan.library_version) == 55
    assert make_plan(RELEASE, "opt", Arch.AMD64, "runtime.base=debian").policy == "tflite-debian"


def test_its_lock_lacks_nothing_but_what_the_gpu_would_need() -> None:
    for arch in (Arch.AMD64, Arch.ARM64):
        assert make_plan(RELEASE, "opt", arch).unlocked == ()


@pytest.mark.parametrize("arch", [Arch.AMD64, Arch.ARM64])
def test_for_python_it_is_the_package_that_upstream_publishes(arch: Arch) -> None:
    plan = make_plan(RELEASE, "opt", arch, "runtime.flavour=python")
    assert plan.policy == "litert-python-scratch"
    assert {case.package for case in plan.part.smoke} == {"ai_edge_litert"}
    assert {each.column for each in plan.part.operators} == {"litert-2.2.0"}
    arguments = definition(plan, Layout(PROJECT, Path("/cache"), plan.build_id))["target"]["compile"]["args"]
    module = "_pywrap_litert_interpreter_wrapper"
    assert (arguments["PYTHON_PACKAGE"], arguments["PYTHON_MODULE"]) == ("ai_edge_litert", module)
    assert dict(plan.part.cmake_cache)["TFBUILD_PYTHON_MODULE"] == module
    role = load_policy(PROJECT, plan.policy).policy.roles["module"]
    assert role.required_exports == (f"PyInit_{module}",)


@pytest.mark.parametrize("key", ["tflite.gpu_delegate=true"])
def test_what_it_cannot_do_is_refused_with_a_reason(key: str) -> None:
    words = Words(release=RELEASE, sets=(key,))
    with pytest.raises(NothingMatchesError, match=f"cannot be built with {key}") as caught:
        plan_of(PROJECT, "tflite", words, env={}, build_arch=Arch.AMD64)
    assert caught.value.hint
