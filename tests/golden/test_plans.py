"""What the plan says, word for word: the whole of some plans, the flags of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.golden.conftest import GOLDEN
from tests.support.plans import all_plans, make_plan
from tfbuild.bake import Layout, definition
from tfbuild.flags import Target
from tfbuild.model import Arch
from tfbuild.plan import Patch, Plan
from tfbuild.plan_text import plan_text

Golden = Callable[[str, str], None]

# One of each kind: the default, a cross build, everything set by hand, no copy for others, a debug build,
# and a release that nobody compiled.
REPRESENTATIVE = {
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
    "native-arm64": make_plan("2.14.1-debian", "native", Arch.ARM64, build_arch=Arch.ARM64),
    "debug-amd64": make_plan("2.14.1-debian", "debug"),
    "opt-arm64-pinned": make_plan("2.20.0", "opt", Arch.ARM64),
}


@pytest.mark.parametrize("name", REPRESENTATIVE)
def test_the_text_of_a_plan(name: str, golden: Golden) -> None:
    golden(f"{name}.txt", plan_text(REPRESENTATIVE[name]))


@pytest.mark.parametrize("name", ["opt-amd64", "size-amd64-by-hand"])
def test_the_json_of_a_plan(name: str, golden: Golden) -> None:
    plan = REPRESENTATIVE[name]
    layout = Layout(Path("/project"), Path("/cache"), plan.build_id)
    document = {**plan.to_json(), "bake": definition(plan, layout)}
    golden(f"{name}.json", json.dumps(document, indent=2) + "\n")


def test_the_flags_of_every_plan(golden: Golden) -> None:
    golden("flags.txt", "".join(f"{line}\n" for plan in all_plans() for line in _flags(plan)))


def _flags(plan: Plan) -> Iterator[str]:
    """The build id, and a line for each tool."""
    yield plan.build_id
    for target in Target:
        if texts := [flag.text for flag in plan.flags if flag.target is target]:
            yield f"  {target.value}: {' '.join(texts)}"


def test_no_golden_file_is_left_behind() -> None:
    written = {f"{name}.txt" for name in REPRESENTATIVE}
    assert {path.name for path in GOLDEN.iterdir()} == written | {
        "flags.txt",
        "opt-amd64.json",
        "size-amd64-by-hand.json",
    }
