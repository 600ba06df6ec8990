"""What the plan says, word for word: the whole of some plans, the flags of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.golden.conftest import GOLDEN
from tests.support import keras
from tests.support.plans import (
    PROJECT,
    all_plans,
    all_server_plans,
    make_linked_server_plan,
    make_plan,
    make_plan_from_wheel,
    make_server_plan,
)
from tfbuild.base.arch import Arch
from tfbuild.build.layout import Layout
from tfbuild.doctor.checks import ENGINE_DISK
from tfbuild.plan.flags import Target
from tfbuild.plan.matrix.expand import expand
from tfbuild.plan.matrix.file import read_matrix
from tfbuild.plan.matrix.plan import plan_matrix
from tfbuild.plan.matrix.show import Outlook, matrix_document, matrix_lines
from tfbuild.plan.plan import Patch, Plan
from tfbuild.plan.show.brief import LONGEST, Prospect, There, brief
from tfbuild.plan.words import Words
from tfbuild.products.keras.part import KerasModel
from tfbuild.products.saved_model import ModelFolder
from tfbuild.products.table import definition_of, plan_text, recipe_of

Golden = Callable[[str, str], None]

# One of each kind: the default, a cross build, everything set by hand, no copy for others, a debug build,
# and a release that nobody compiled.
REPRESENTATIVE = {
    "keras-amd64": keras.make_plan(),
    "keras-arm64-cross": keras.make_plan("2.18.1", Arch.ARM64),
    "keras-gpu-by-hand": keras.make_plan(
        "2.20.0",
        Arch.AMD64,
        "keras.variant=gpu",
        "keras.python=3.13",
        "keras.keep=headers,symbols",
        "keras.requirements=keras>=3.5",
        "runtime.base=debian",
        "app.environment.THREADS=2",
        app=PROJECT / "examples" / "keras" / "serve",
        model=KerasModel("model.keras", "model.keras", "keras", "1" * 40),
    ),
    "opt-amd64": make_plan(),
    "cortex-a72-arm64": make_plan("2.14.1-debian", "cortex-a72", Arch.ARM64),
    "size-amd64-by-hand": make_plan(
        "2.14.1-debian",
        "size",
        Arch.AMD64,
        "runtime.base=debian",
        "runtime.labels.team=edge",
        "compile.lto=true",
        "compile.defines.WIDTH=4",
        "tflite.xnnpack=false",
        "tflite.cmake_definitions.TFLITE_ENABLE_MMAP=OFF",
        "debian.snapshot=20260101T000000Z",
        jobs=3,
        tag="registry.example/team/tflite:1",
        output="/srv/out",
        patches=(Patch("patches/first.patch", "1" * 64), Patch("/abs/second.patch", "2" * 64)),
    ),
    "python-arm64": make_plan("2.14.1-debian", "opt", Arch.ARM64, "runtime.flavour=python"),
    "wheel-armhf": make_plan_from_wheel("2.14.0-wheel", Arch.ARMHF),
    "wheel-litert-amd64": make_plan_from_wheel("2.3.0-litert", Arch.AMD64),
    "native-arm64": make_plan("2.14.1-debian", "native", Arch.ARM64, build_arch=Arch.ARM64),
    "debug-amd64": make_plan("2.14.1-debian", "debug"),
    "opt-arm64-pinned": make_plan("2.20.0", "opt", Arch.ARM64),
    # Upstream's own dependencies, from the lock.
    "upstream-amd64": make_plan("2.14.1", "opt", Arch.AMD64),
    "upstream-arm64": make_plan("2.14.1", "opt", Arch.ARM64),
    "litert-amd64": make_plan("2.2.0-litert", "opt", Arch.AMD64),
    # The model server: the default, an old compiler and a cross build, everything set by hand.
    "server-amd64": make_server_plan(),
    "server-arm64-cross": make_server_plan("2.19.1", "portable", Arch.ARM64),
    "server-arm64-native": make_server_plan("2.20.0", "neoverse-n1", Arch.ARM64, build_arch=Arch.ARM64),
    # Linked with TensorFlow's wheel.
    "server-wheel-amd64": make_linked_server_plan(),
    "server-wheel-arm64": make_linked_server_plan("2.16.1-wheel", Arch.ARM64),
    "server-amd64-by-hand": make_server_plan(
        "2.16.1",
        "debug",
        Arch.AMD64,
        "compile.lto=true",
        "compile.defines.WIDTH=4",
        "runtime.base=debian",
        "serving.bazel_configs=mkl",
        "serving.bazel_defines.no_aws_support=true",
        "serving.copts=-fno-plt",
        "serving.host_copts=-O1",
        "serving.linkopts=-Wl,-z,now",
        "remote.cache=grpcs://cache.example",
        "serving.server_args=--grpc_max_threads=4",
        "serving.batching.enabled=true",
        "serving.batching.max_batch_size=8",
        "serving.monitoring.prometheus=true",
        raw=("--copt=-DLAST",),
        model=ModelFolder("models/half_plus_two", "half_plus_two", (1, 123), "7" * 40),
        seen="a" * 64,
        jobs=3,
    ),
}


@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_the_text_of_a_plan(name: str, golden: Golden) -> None:
    golden(f"{name}.txt", plan_text(REPRESENTATIVE[name]))


# One definition for each recipe: what BuildKit is asked to do.
BAKED = {
    "tflite": "opt-amd64",
    "tflite-python": "python-arm64",
    "tflite-wheel": "wheel-litert-amd64",
    "serving": "server-amd64",
    "serving-wheel": "server-wheel-amd64",
    "keras": "keras-amd64",
}


@pytest.mark.parametrize("recipe", BAKED)
def test_the_bake_definition_of_a_recipe(recipe: str, golden: Golden) -> None:
    plan = REPRESENTATIVE[BAKED[recipe]]
    layout = Layout(Path("/project"), Path("/cache"), plan.build_id)
    golden(f"bake-{recipe}.json", json.dumps(definition_of(plan, layout), indent=2) + "\n")


def test_the_flags_of_every_plan(golden: Golden) -> None:
    golden("flags.txt", "".join(f"{line}\n" for plan in all_plans() for line in _flags(plan)))


def test_the_options_of_every_model_server(golden: Golden) -> None:
    lines = (
        f"{plan.build_id} on {plan.root.arch}\n  {' '.join(_own(plan))}\n" for plan in all_server_plans()
    )
    golden("bazel.txt", "".join(lines))


def _own(plan: Plan[Any]) -> Iterator[str]:
    """The options that differ from build to build."""
    same = ("for the log", "XNNPACK compiles", "upstream clones")
    return (flag.text for flag in plan.flags if not flag.reason.startswith(same))


def _flags(plan: Plan[Any]) -> Iterator[str]:
    """The build id, and a line for each tool."""
    yield plan.build_id
    for target in Target:
        if texts := [flag.text for flag in plan.flags if flag.target is target]:
            yield f"  {target.value}: {' '.join(texts)}"


def test_no_golden_file_is_left_behind() -> None:
    written = {f"{name}.txt" for name in REPRESENTATIVE} | {f"bake-{recipe}.json" for recipe in BAKED}
    assert {path.name for path in GOLDEN.iterdir()} == written | {
        "bazel.txt",
        "brief.txt",
        "matrix.txt",
        "flags.txt",
        "policies.yaml",
    }


def test_the_short_text_of_a_plan(golden: Golden) -> None:
    golden("brief.txt", "\n".join(_brief(plan) for plan in REPRESENTATIVE.values()))


def _brief(plan: Plan[Any]) -> str:
    needs = recipe_of(plan).needs(plan.part)
    rows = brief((Prospect(plan, needs.disk if needs else ENGINE_DISK, needs),))
    assert len(rows) <= LONGEST
    return "".join(f"{row}\n" for row in rows)


def test_the_table_of_a_matrix(golden: Golden) -> None:
    """What ``build-all --dry-run`` prints where nothing is there yet; plans stand in for the words."""
    file = PROJECT / "examples" / "matrix.yaml"
    read = read_matrix(file, "matrix.yaml")
    plan = plan_matrix(
        expand(read, Words(), Arch.AMD64),
        lambda product, words: {Arch.AMD64: _of_matrix(product, words)},
        read.document,
    )
    looks = []
    for build in plan.builds:
        needs = recipe_of(build.plan).needs(build.plan.part)
        looks.append(Outlook(build, There(), needs.disk if needs else ENGINE_DISK, needs))
    lines = matrix_lines(matrix_document(plan, looks, plan.pins), looks)
    golden("matrix.txt", "".join(f"{line}\n" for line in lines))


def _of_matrix(product: str, words: Words) -> Plan[Any]:
    arch, config = Arch(words.arch), words.config or "opt"
    if product == "keras":
        return keras.make_plan(app=PROJECT / "examples" / words.app.partition("examples/")[2])
    if product == "serving":
        return make_linked_server_plan(words.release, arch, config=config)
    return make_plan(words.release, config, arch, *words.sets)
