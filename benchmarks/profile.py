"""A profile for clang to optimise TFLite by, from given models or the ten that ``inference`` measures.

    python -m benchmarks.profile --release R --output FILE.profdata [--arch ARCH] [--model FILE.tflite ...]

Compiles TFLite with the config ``fastest`` and counters in its code, runs each model in ``benchmark_model``
with one thread, and merges the counts. ``tflite.profile`` takes the file; a release's file names it as
``upstream.profiles``. Needs a machine that runs the architecture; TensorFlow makes the ten models, once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.figures import say
from benchmarks.inference import models
from benchmarks.lab import HERE, PROJECT, Lab, bake_with, open_lab
from benchmarks.trial import forget_build
from tests.support.products import Product, load_release
from tests.support.reporters import SilentReporter
from tfbuild.base.errors import NothingMatchesError
from tfbuild.build.builders import make_builder
from tfbuild.build.layout import Layout
from tfbuild.build.run import Run
from tfbuild.build.steps import make_roots
from tfbuild.cli.run import run_command
from tfbuild.cli.wiring import build_effects
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words, host_arch
from tfbuild.products.table import plan_of, recipe_of
from tfbuild.products.tflite import steps
from tfbuild.products.tflite.profile import KEY

# It counts in LLVM's own code, after its first clean-up, where -fprofile-instr-generate counts in the source:
# https://clang.llvm.org/docs/UsersManual.html#profiling-with-instrumentation
_COUNTERS = "-fprofile-generate"
_FLAGS = ("CMAKE_C_FLAGS", "CMAKE_CXX_FLAGS", "CMAKE_SHARED_LINKER_FLAGS", "CMAKE_EXE_LINKER_FLAGS")


def instrumented(plan: Plan[Any], llvm: str) -> Plan[Any]:
    """``plan`` with counters in all that it compiles, under a name of its own."""
    cache = {
        name: f"{value} {_COUNTERS}".strip() if name in _FLAGS else value
        for name, value in plan.part.cmake_cache
    }
    packages = (*plan.part.build_packages, f"libclang-rt-{llvm}-dev", f"llvm-{llvm}")
    part = replace(plan.part, cmake_cache=tuple(sorted(cache.items())), build_packages=packages)
    return replace(plan, build_id=f"{plan.build_id}-counters", part=part)


def llvm_of(plan: Plan[Any]) -> str:
    """The version of the clang that compiles all of ``plan``."""
    compiler: str = dict(plan.part.cmake_cache).get("TFBUILD_COMPILER", "")
    if not compiler:
        raise NothingMatchesError(f"{plan.build_id} is not compiled by clang", hint="--config fastest")
    return compiler.removeprefix("clang-")


def compiled(lab: Lab, plan: Plan[Any], release: str) -> Path:
    """The folder with what ``plan`` makes; it is not verified, and no build of anybody's."""
    found = load_release(PROJECT, Product.TFLITE, release)
    effects = build_effects(plan, found, lab.scratch, offline=False, reporter=SilentReporter())
    run = Run(plan, recipe_of(plan), Layout(PROJECT, lab.cache, plan.build_id), effects, lab.scratch)
    run.logs.mkdir(parents=True, exist_ok=True)
    for step in (steps.fetch, make_roots, make_builder, steps.compile_):
        run.number += 1
        step(run)
    return run.layout.out / "dist"


def chosen(lab: Lab, given: Sequence[Path]) -> Path:
    """A folder with the models: those that are ``given``, or the ten."""
    if not given:
        return models(lab)[0].parent
    folder = lab.scratch / "models"
    folder.mkdir()
    for number, each in enumerate(given):
        if not each.is_file():
            raise NothingMatchesError(f"there is no model {each}", hint="--model FILE.tflite")
        shutil.copyfile(each, folder / f"{number}-{each.stem}.tflite")
    return folder


def counted(lab: Lab, plan: Plan[Any], dist: Path, folder: Path) -> Path:
    """The merged profile of all models in ``folder``."""
    out = lab.scratch / "profile"
    target = {
        "context": str(HERE / "builds"),
        "dockerfile": "profile.Dockerfile",
        "contexts": {"builder": "target:builder", "dist": str(dist), "models": str(folder)},
        "args": {"LLVM": llvm_of(plan)},
        "output": [f"type=local,dest={out}"],
    }
    bake_with(lab, plan, {"profile": target})
    return out / "profile.profdata"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.profile", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--release", required=True, help="as for invoke build-tflite")
    parser.add_argument("--arch", default="", help="as for invoke build-tflite [this machine's]")
    parser.add_argument(
        "--model", type=Path, action="append", default=[], metavar="FILE", help="a model to run; repeatable"
    )
    parser.add_argument("--output", type=Path, required=True, help="file to write")
    return parser.parse_args()


def main(options: argparse.Namespace) -> int:
    words = Words(release=options.release, arch=options.arch, config="fastest", sets=(f"{KEY}=none",))
    plan = plan_of(PROJECT, "tflite", words, env=os.environ, build_arch=host_arch())
    plan = instrumented(plan, llvm_of(plan))
    with open_lab() as lab:
        folder = chosen(lab, options.model)
        try:
            say("compiling with counters")
            dist = compiled(lab, plan, options.release)
            say("running the models")
            made = counted(lab, plan, dist, folder)
        finally:
            forget_build(lab, plan, PROJECT)
        beside = options.output.with_name(f".{options.output.name}.new")
        shutil.copyfile(made, beside)
        beside.replace(options.output)
    sys.stdout.write(f"{options.output}: {options.output.stat().st_size / 1e6:.1f} MB\n")
    return 0


if __name__ == "__main__":
    arguments = parse()
    sys.exit(run_command(lambda: main(arguments)))
