"""``runtime.flavour=python``: what it changes in a plan, what it demands, what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.plans import PROJECT, make_plan
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError
from tfbuild.build.layout import Layout
from tfbuild.build.roots import Archive, mmdebstrap_command
from tfbuild.plan.plan import Plan
from tfbuild.plan.roots import Root
from tfbuild.products.table import load_config
from tfbuild.products.tflite.bake import definition

FLAVOUR = "runtime.flavour=python"
NATIVE = make_plan()


def python_plan(arch: Arch = Arch.AMD64, *sets: str) -> Plan[Any]:
    return make_plan("2.14.1-debian", "opt", arch, FLAVOUR, *sets)


def unpacked(plan: Plan[Any]) -> Root:
    assert plan.part.python is not None
    assert plan.runtime_root is not None
    return plan.runtime_root


def test_the_flavour_is_in_every_key_from_the_compile_on() -> None:
    plan = python_plan()
    native = {step.id: step.key for step in NATIVE.steps}
    keys = {step.id: step.key for step in plan.steps}
    assert [step.id for step in plan.steps] == [
        "fetch", "root", "builder", "compile", "wheel", "image", "verify", "dist",
    ]  # fmt: skip
    assert (keys["fetch"], keys["root"]) == (native["fetch"], native["root"])
    assert all(keys[step] != native[step] for step in ("builder", "compile", "image", "verify", "dist"))


def test_what_python_is_made_of_is_in_the_keys() -> None:
    before = python_plan()
    snapshot = python_plan(Arch.AMD64, "debian.snapshot=20260101T000000Z")
    assert unpacked(before).key != unpacked(snapshot).key
    assert unpacked(before).key != replace(unpacked(before), recorder="6" * 64).key
    assert before.key != snapshot.key


def test_the_root_is_of_the_target_unpacked_only_and_has_pinned_headers() -> None:
    root = unpacked(python_plan(Arch.ARM64))
    assert (root.arch, root.variant) == (Arch.ARM64, "extract")
    assert "pybind11-dev=2.13.6-2" in root.include
    recorder = PROJECT / "dockerfiles" / "debian" / "record-packages.sh"
    argv = mmdebstrap_command(
        root, Archive("http://m.example"), Path("/t"), host=Arch.AMD64, is_root=True, recorder=recorder
    )
    assert "--variant=extract" in argv
    assert "--mode=root" in argv  # nothing of the target is run, so no emulation and no chrootless
    assert f"--extract-hook={recorder}" in argv
    assert recorder.stat().st_mode & 0o111


def test_an_installed_root_keeps_its_key_and_its_command() -> None:
    assert NATIVE.root.key == replace(NATIVE.root).key != replace(NATIVE.root, variant="extract").key
    assert NATIVE.root.recorder is None
    argv = mmdebstrap_command(
        NATIVE.root, Archive("http://m.example"), Path("/t"), host=Arch.AMD64, is_root=True
    )
    assert "--variant=minbase" in argv
    assert not any("hook" in word for word in argv)


def test_flags_name_the_headers_of_the_target_and_the_line_that_caused_them() -> None:
    cache = dict(python_plan(Arch.ARM64).part.cmake_cache)
    assert cache["TFBUILD_PYTHON"] == "3.13"
    assert "/python/usr/lib/aarch64-linux-gnu/python3-numpy/" in cache["TFBUILD_PYTHON_INCLUDES"]
    flags = [flag for flag in python_plan().flags if flag.text.startswith("TFBUILD_PYTHON")]
    assert {flag.origin for flag in flags} == {f"--set {FLAVOUR}"}
    assert "TFBUILD_PYTHON" not in dict(NATIVE.part.cmake_cache)


def test_inferences_run_through_the_package_with_its_own_interpreter() -> None:
    cases = python_plan().part.smoke
    assert {case.command("/smoke")[:2] for case in cases} == {("/usr/bin/python3", "/smoke/smoke.py")}
    assert {case.id for case in cases if case.must_delegate} == {
        f"{model}, python"
        for model in (
            "conv_float32",
            "conv_int8",
            "squeeze_excite_float32_batch1",
            "squeeze_excite_int8_batch1",
            "squeeze_excite_float32_batch2",
            "squeeze_excite_int8_batch2",
            "mean_subtracted_float32_batch2",
        )
    } | {"conv_float32, python, CPUs hidden"}
    assert [case.id for case in cases if case.says] == ["dynamic_reshape_float32, python"]
    without = python_plan(Arch.AMD64, "tflite.xnnpack=false").part.smoke
    assert not any(case.must_delegate for case in without)


def test_bake_gets_the_root_and_the_wheel_and_the_image_starts_python() -> None:
    plan = python_plan(Arch.ARM64)
    layout = Layout(PROJECT, Path("/cache"), plan.build_id)
    targets = definition(plan, layout)["target"]
    assert targets["python-root"]["context"] == str(layout.root(unpacked(plan)))
    assert targets["compile"]["contexts"]["python"] == "target:python-root"
    assert targets["compile"]["contexts"]["wheel"] == str(layout.wheel)
    assert targets["compile"]["args"]["PYTHON_VERSION"] == "3.13"
    assert targets["compile"]["args"]["PYTHON_PACKAGE"] == "tflite_runtime"
    assert targets["compile"]["args"]["PYTHON_MODULE"] == "_pywrap_tensorflow_interpreter_wrapper"
    added = "flatbuffers-compiler python3-setuptools patchelf"
    assert targets["builder"]["args"]["BUILD_PACKAGES"] == added
    assert targets["image"]["target"] == "image-python"
    native = definition(NATIVE, Layout(PROJECT, Path("/cache"), NATIVE.build_id))["target"]
    assert "python-root" not in native
    assert native["compile"]["args"]["PYTHON_VERSION"] == ""
    assert native["image"]["target"] == "image"


def test_its_policy_is_its_own_unless_one_is_named() -> None:
    assert python_plan().policy == "tflite-python-scratch"
    assert python_plan(Arch.AMD64, "policy=default").policy == "default"
    assert NATIVE.policy == "tflite-scratch"


def test_a_release_without_python_is_refused_with_the_line_that_asked() -> None:
    with pytest.raises(NothingMatchesError) as caught:
        make_plan("2.20.0", "opt", Arch.AMD64, FLAVOUR)
    assert "cannot be built for Python" in caught.value.message
    assert FLAVOUR in caught.value.details[0]
    assert "2.14.1-debian" in (caught.value.hint or "")


def test_a_distribution_below_it_is_a_contradiction() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(PROJECT, "opt", Arch.AMD64, (FLAVOUR, "runtime.base=debian"))
    assert "runtime.base=debian" in caught.value.details[0]
    assert "made from scratch" in caught.value.details[0]
