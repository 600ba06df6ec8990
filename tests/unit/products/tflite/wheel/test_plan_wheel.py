"""``--from wheel``: which release, which wheel, which base; and what is refused before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.plans import PROJECT
from tfbuild.artifacts.elf.facts import VersionFloor
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError, TfBuildError, UsageError
from tfbuild.build.layout import Layout
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.table import definition_of, plan_of
from tfbuild.products.tflite.wheel.steps import require_floor
from tfbuild.verify.checks.wheel import TagFacts


def plan(arch: str = "amd64", release: str = "", *sets: str, origin: str = "wheel") -> Plan[Any]:
    words = Words(release=release, arch=arch, sets=sets, origin=origin)
    return plan_of(PROJECT, "tflite", words, env={}, build_arch=Arch.AMD64)


def test_the_newest_wheel_by_date_is_the_default_and_source_stays_the_default_otherwise() -> None:
    assert plan().release == "2.3.0-litert"
    assert plan(origin="source").release == "2.14.1-debian"


@pytest.mark.parametrize(
    ("arch", "release", "wheel", "base"),
    [
        ("amd64", "2.14.0-wheel", "tflite_runtime-2.14.0-cp311-cp311-manylinux2014_x86_64.whl", "bookworm"),
        ("arm64", "2.14.0-wheel", "tflite_runtime-2.14.0-cp311-cp311-manylinux_2_34_aarch64.whl", "bookworm"),
        ("armhf", "2.14.0-wheel", "tflite_runtime-2.14.0-cp311-cp311-manylinux_2_34_armv7l.whl", "bookworm"),
        ("amd64", "2.3.0-litert", "ai_edge_litert-2.3.0-cp313-cp313-manylinux_2_27_x86_64.whl", "trixie"),
        ("arm64", "2.3.0-litert", "ai_edge_litert-2.3.0-cp313-cp313-manylinux_2_27_aarch64.whl", "trixie"),
    ],
)
def test_the_wheel_and_the_python_of_the_base_agree(arch: str, release: str, wheel: str, base: str) -> None:
    made = plan(arch, release)
    assert made.part.wheel == wheel
    assert {made.root.suite, made.runtime_root.suite if made.runtime_root else ""} == {base}
    digits = made.part.python.replace(".", "")
    assert f"-cp{digits}-" in wheel
    assert made.runtime_root is not None
    assert f"python{made.part.python}" in made.runtime_root.include
    assert made.runtime_root.variant == "extract"


def test_everything_that_is_downloaded_is_a_pin_of_the_lock() -> None:
    made = plan()
    assert made.part.wheel in {pin.filename for pin in made.pins}
    assert all(pin.urls[0].startswith("pypi:") and len(pin.sha256) == 64 for pin in made.pins)
    assert not any(pin.name.startswith("numpy") for pin in made.pins)  # Debian's


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (("amd64", "", "tflite.python=3.12"), NothingMatchesError, "has no wheels for Python 3.12"),
        (("armhf", "2.3.0-litert"), NothingMatchesError, "tflite 2.3.0-litert cannot be built for armhf"),
        (("riscv64",), NothingMatchesError, "cannot be built for riscv64"),
        (("amd64", "2.14.1-debian"), UsageError, "is built from source, not from wheel"),
    ],
)
def test_what_there_is_no_wheel_for_is_refused(
    words: tuple[str, ...], error: type[TfBuildError], message: str
) -> None:
    with pytest.raises(error) as caught:
        plan(*words)
    assert message in caught.value.message


def test_a_wheel_is_not_built_from_source() -> None:
    with pytest.raises(UsageError) as caught:
        plan("amd64", "2.14.0-wheel", origin="source")
    assert caught.value.hint == "--from wheel"


def test_a_distribution_below_it_is_refused_with_the_line() -> None:
    with pytest.raises(ConfigError) as caught:
        plan("amd64", "", "runtime.base=debian")
    assert "runtime.base=debian" in caught.value.details[0]


def test_what_xnnpack_takes_over_is_what_the_release_says() -> None:
    def taken(made: Plan[Any]) -> set[str]:
        return {case.model for case in made.part.smoke if case.must_delegate}

    floats = {
        "conv_float32.tflite",
        "squeeze_excite_float32_batch1.tflite",
        "squeeze_excite_float32_batch2.tflite",
        "mean_subtracted_float32_batch2.tflite",
    }
    bytes_ = {
        "conv_int8.tflite",
        "squeeze_excite_int8_batch1.tflite",
        "squeeze_excite_int8_batch2.tflite",
    }
    assert taken(plan()) == floats | bytes_ | {"dynamic_reshape_float32.tflite"}
    assert taken(plan("amd64", "2.14.0-wheel")) == floats
    assert taken(plan("armhf", "2.14.0-wheel")) == set()


def test_every_model_of_the_smoke_test_is_there() -> None:
    folder = PROJECT / "dockerfiles" / "tflite" / "smoke" / "models"
    for case in plan().part.smoke:
        assert (folder / case.model).read_bytes()[4:8] == b"TFL3"
        assert (folder / case.model).with_suffix(".json").is_file()
        assert case.command("/smoke")[:3] == ("/usr/bin/python3", "/smoke/smoke.py", "ai_edge_litert")


def test_the_bake_file_makes_an_image_that_starts_python() -> None:
    made = plan("armhf", "2.14.0-wheel")
    layout = Layout(PROJECT, Path("/cache"), made.build_id)
    targets = definition_of(made, layout)["target"]
    assert targets["image"]["target"] == "image-python"
    assert targets["image"]["platforms"] == ["linux/arm/v7"]
    assert targets["runtime-files"]["args"]["PYTHON_VERSION"] == "3.11"
    assert targets["runtime-files"]["args"]["QEMU"] == "arm"
    assert "compile" not in targets


def facts(family: str, version: str) -> TagFacts:
    floor = VersionFloor(family, version, "libc.so.6", ("exp",))
    return TagFacts("x86_64", "manylinux_2_31_x86_64", (floor,), ())


@pytest.mark.parametrize(
    ("suite", "family", "version", "fits"),
    [
        ("bullseye", "GLIBC", "2.31", True),
        ("bullseye", "GLIBC", "2.32", False),
        ("bookworm", "GLIBC", "2.36", True),
        ("bookworm", "GLIBCXX", "3.4.31", False),
        ("trixie", "GLIBCXX", "3.4.33", True),
    ],
)
def test_a_base_that_is_too_old_is_told_before_anything_is_made(
    suite: str, family: str, version: str, fits: bool
) -> None:
    platforms = load_platforms(PROJECT)
    if fits:
        require_floor("x.whl", facts(family, version), suite, platforms)
        return
    with pytest.raises(NothingMatchesError) as caught:
        require_floor("x.whl", facts(family, version), suite, platforms)
    assert caught.value.exit_code == 3
    assert suite in caught.value.message
    assert f"{family}_{version} is needed, for exp" in caught.value.details[0]


def test_every_base_of_a_wheel_is_a_known_distribution() -> None:
    platforms = load_platforms(PROJECT)
    assert all(suite in platforms.suites for suite in ("bullseye", "bookworm", "trixie"))
    assert "sid" not in platforms.suites
    require_floor("x.whl", facts("GLIBC", "9.9"), "sid", platforms)  # nothing is known of it


@pytest.mark.parametrize(("arch", "is_known"), [("amd64", False), ("arm64", True), ("armhf", True)])
def test_what_one_architecture_gets_wrong_is_an_error_on_the_others(arch: str, is_known: bool) -> None:
    for case in plan(arch, "2.14.0-wheel").part.operators:
        assert ("arm-int8-transformer" in {limit.quirk for limit in case.limits}) is is_known
