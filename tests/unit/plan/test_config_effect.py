"""What is asked for happens, or is told before the build: keys without effect, unknown CPUs."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.patches import write_patch
from tests.support.plans import PROJECT
from tests.support.products import Product, list_releases
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ExitCode, NothingMatchesError, TfBuildError
from tfbuild.config.compilers.cpus import compiler_cpus, default_compiler_cpus, known_compilers
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.serving.bazel.release import ServingRelease
from tfbuild.products.serving.wheel.release import ServingWheelRelease
from tfbuild.products.table import list_configs, load_config, plan_of
from tfbuild.releases.keys import suite_of

WHEEL: dict[str, Any] = {"release": "2.3.0-litert"}
NOT_COMPILED: tuple[tuple[str, dict[str, Any]], ...] = (("keras", {}), ("tflite", WHEEL))


def plan(product: str, root: Path = PROJECT, **words: Any) -> Plan[Any]:
    return plan_of(root, product, replace(Words(), **words), env={}, build_arch=Arch.AMD64)


def refused(product: str, root: Path = PROJECT, **words: Any) -> TfBuildError:
    with pytest.raises(TfBuildError) as caught:
        plan(product, root, **words)
    return caught.value


def problems(product: str, root: Path = PROJECT, **words: Any) -> list[str]:
    error = refused(product, root, **words)
    assert isinstance(error, ConfigError), error.message
    return [str(each) for each in error.problems]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a plan reads, to be changed."""
    for name in ("build_configs", "dockerfiles", "toolchains"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    return tmp_path


# -- keys without effect ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "words", "note"),
    [
        ("tflite", {"sets": ("serving.batching.enabled=true",)}, "it is a key of build-serving"),
        ("tflite", {"sets": ("keras.variant=gpu",)}, "it is a key of build-keras"),
        ("tflite", {"sets": ("app.command=x",)}, "it is a key of build-keras"),
        ("tflite", {"sets": ("tflite.python=3.11",)}, "the Python of its release"),
        ("tflite", {**WHEEL, "sets": ("compile.march=haswell",)}, "the official wheel is compiled already"),
        ("tflite", {**WHEEL, "sets": ("tflite.ruy=false",)}, "the official wheel is compiled already"),
        ("tflite", {**WHEEL, "sets": ("resources.jobs=3",)}, "the official wheel is compiled already"),
        ("serving", {"sets": ("tflite.xnnpack=false",)}, "it is a key of build-tflite"),
        ("serving", {"sets": ("compile.ccache=false",)}, "Bazel has caches of its own"),
        ("keras", {"sets": ("serving.copts=-Dx",)}, "the wheels are compiled already"),
        ("keras", {"sets": ("compile.defines={A: 1, B: 2}",)}, "the wheels are compiled already"),
    ],
)
def test_a_key_that_does_nothing_is_told_once(product: str, words: dict[str, Any], note: str) -> None:
    key = words["sets"][0].partition("=")[0]
    told = [each for each in plan(product, **words).notes if "changes nothing" in each]
    assert len(told) == 1
    assert told[0].startswith(f"{key} changes nothing: ")
    assert note in told[0]


def test_jobs_are_told_where_nothing_is_compiled() -> None:
    for product, words in NOT_COMPILED:
        assert [each for each in plan(product, jobs="3", **words).notes if each.startswith("--jobs")]
    for product in ("tflite", "serving"):
        assert not [each for each in plan(product, jobs="3").notes if each.startswith("--jobs")]


@pytest.mark.parametrize("product", list(map(str, Product)))
def test_the_configs_that_this_project_ships_say_nothing_in_vain(product: str) -> None:
    """A file for several products has sections for each of them: that is no mistake of anybody."""
    assert not [each for each in plan(product).notes if "changes nothing" in each]


def test_a_cpu_that_a_config_was_chosen_for_does_not_reach_wheels() -> None:
    notes = plan("keras", config="haswell").notes
    assert "compile.* of the config 'haswell' changes nothing: the wheels are compiled already" in notes


def test_a_key_in_a_file_is_told_with_its_place(project: Path) -> None:
    (project / "build_configs" / "mine.yaml").write_text(
        "description: m\nextends: opt\nresources:\n  jobs: 3\nserving: {copts: [-Dx]}\n"
    )
    notes = plan("keras", project, config="mine").notes
    place = "build_configs/mine.yaml:4"
    assert f"resources.jobs ({place}) changes nothing: the wheels are compiled already" in notes
    assert not [each for each in notes if each.startswith("serving")]


# -- what cannot be honoured -----------------------------------------------------------------------


def test_patches_are_refused_where_nothing_is_compiled(tmp_path: Path) -> None:
    patch = write_patch(tmp_path / "a.diff")
    sets = (f"source.patches={patch}",)
    for product, words in NOT_COMPILED:
        (found,) = problems(product, sets=sets, **words)
        assert found.startswith(f"--set source.patches={patch}: there is no source to be patched")


@pytest.mark.parametrize(("product", "words"), [("serving", {}), ("keras", {}), ("tflite", WHEEL)])
def test_a_flavour_that_a_product_does_not_have_is_refused(product: str, words: dict[str, Any]) -> None:
    (found,) = problems(product, sets=("runtime.flavour=python",), **words)
    assert "leave runtime.flavour as it is" in found
    assert plan(product, sets=("runtime.flavour=native",), **words)


@pytest.mark.parametrize(
    ("set_", "message"),
    [
        ("tflite.gpu_delegate=true", "cannot be built with tflite.gpu_delegate=true"),
        ("tflite.cmake_definitions.TFLITE_KERNEL_USE_XNNPACK=1", "TFLITE_KERNEL_USE_XNNPACK=ON"),
    ],
)
def test_what_a_release_cannot_do_is_refused_with_its_reason(set_: str, message: str) -> None:
    error = refused("tflite", release="2.14.1-debian", sets=(set_,))
    assert (error.exit_code, isinstance(error, NothingMatchesError)) == (ExitCode.NOTHING_MATCHES, True)
    assert message in error.message
    assert error.details[1] == f"asked for at --set {set_}"
    assert error.hint


def test_another_release_or_the_other_value_is_not_refused() -> None:
    assert plan("tflite", release="2.14.1", sets=("tflite.gpu_delegate=true",))
    assert plan("tflite", release="2.14.1-debian", sets=("tflite.gpu_delegate=false",))
    off = "tflite.cmake_definitions.TFLITE_KERNEL_USE_XNNPACK=OFF"
    assert plan("tflite", release="2.14.1-debian", sets=(off,))


def test_a_release_file_can_only_name_keys_that_there_are(project: Path) -> None:
    path = project / "build_configs/releases/tflite/2.14.1-debian.yaml"
    path.write_text(path.read_text().replace("key: tflite.gpu_delegate", "key: tflite.gpu_delegat"))
    (found,) = problems("tflite", project)
    assert "unknown key 'tflite.gpu_delegat'; did you mean 'tflite.gpu_delegate'?" in found


# -- CPUs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "words", "message"),
    [
        (
            "tflite",
            {"sets": ("compile.march=x86-64-v9",)},
            "GCC 14 knows no -march=x86-64-v9 for amd64; did you mean 'x86-64-v4'?",
        ),
        (
            "tflite",
            {"sets": ("compile.march=armv8-a",), "arch": "amd64"},
            "GCC 14 knows no -march=armv8-a for amd64: it is one of arm64",
        ),
        ("tflite", {"sets": ("compile.mtune=foo",)}, "GCC 14 knows no -mtune=foo for amd64"),
        (
            "tflite",
            {"sets": ("compile.march=armv8-a+crcc",), "arch": "arm64"},
            "GCC 14 knows no '+crcc' in -march=armv8-a+crcc for arm64; did you mean 'crc'?",
        ),
        (
            "tflite",
            {"sets": ("compile.march=armv6+fp",), "arch": "armhf", "release": "2.16.1"},
            "-march=armv6+fp is not possible for armhf: Debian's armhf",
        ),
        (
            "tflite",
            {"sets": ("compile.march=armv7-a+neo",), "arch": "armhf", "release": "2.16.1"},
            "GCC 14 knows no '+neo' in -march=armv7-a+neo for armhf; did you mean 'neon'?",
        ),
        (
            "tflite",
            {"sets": ("compile.mtune=cortex-a720x",), "arch": "arm64"},
            "did you mean 'cortex-a720'?",
        ),
        (
            "serving",
            {"sets": ("compile.march=haswel",), "release": "2.19.1"},
            "GCC 10 knows no -march=haswel for amd64; did you mean 'haswell'?",
        ),
        (
            "serving",
            {"sets": ("compile.mtune=neoverse-v3",), "release": "2.19.1", "arch": "arm64"},
            "GCC 10 knows no -mtune=neoverse-v3",
        ),
        (
            "serving",
            {"sets": ("compile.march=znver44",), "release": "2.20.0"},
            "clang 18 knows no -march=znver44 for amd64; did you mean 'znver4'?",
        ),
    ],
)
def test_a_cpu_that_the_pinned_compiler_does_not_know(
    product: str, words: dict[str, Any], message: str
) -> None:
    (found,) = problems(product, **words)
    assert message in found
    assert found.startswith("--set compile.m")


def test_it_is_told_at_its_place_with_all_others(project: Path) -> None:
    (project / "build_configs" / "mine.yaml").write_text(
        "description: m\nextends: opt\ncompile:\n  march: x86-64-v9\n  mtune: foo\n"
    )
    one, other = problems("tflite", project, config="mine")
    assert one.startswith("build_configs/mine.yaml:4:10: GCC 14 knows no -march=x86-64-v9")
    assert "4 |   march: x86-64-v9" in one
    assert other.startswith("build_configs/mine.yaml:5:10: GCC 14 knows no -mtune=foo")


@pytest.mark.parametrize(
    ("march", "arch"),
    [("armv8.2-a+fp16+dotprod+rcpc", "arm64"), ("armv8-a+nocrypto", "arm64"), ("znver5", "amd64")],
)
def test_a_cpu_that_it_knows_passes(march: str, arch: str) -> None:
    assert plan("tflite", arch=arch, sets=(f"compile.march={march}",)).march == march


def test_each_compiler_of_a_release_was_asked() -> None:
    """The test's own releases have compilers that nobody was asked; these are what users build with."""
    for release in list_releases(PROJECT):
        if isinstance(release, ServingWheelRelease):
            continue  # its code is for the CPUs of the wheel, whatever the configuration says
        if isinstance(release, ServingRelease):
            compiler = release.serving.compiler
            assert compiler_cpus(compiler.kind, compiler.version), release.release
        elif release.provider != "wheels":
            assert default_compiler_cpus(suite_of(release)), release.release


@pytest.mark.parametrize("compiler", known_compilers(), ids=lambda each: each.title)
def test_every_compiler_knows_the_cpus_of_the_shipped_configs_or_gets_other_words(compiler: Any) -> None:
    for arch in compiler.targets:
        for info in list_configs(PROJECT):
            if info.arches and arch not in info.arches:
                continue
            keys = load_config(PROJECT, info.name, arch).values.compile
            for option, name in (("march", keys.march), ("mtune", keys.mtune)):
                if name and (compiler.version not in {"10", "12"} or name != "znver4"):
                    assert compiler.problem(option, name, arch) is None


@pytest.mark.parametrize("script", ["read-cpus.sh", "read-options.sh", "read-clang-options.sh"])
def test_the_script_that_made_the_data_is_there(script: str) -> None:
    assert os.access(PROJECT / "toolchains" / script, os.X_OK)
