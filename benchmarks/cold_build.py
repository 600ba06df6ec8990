"""A cold build through us against bare cmake and ninja: same builder, same source, same flags, same jobs.

    python -m benchmarks.cold_build [--rounds N] [--ccache cold|off]

Cold: a build tree of its own for each run, and no object in ccache: each run's flags carry another
-frandom-seed, which ccache compares and which costs the compiler nothing. What both sides stand
on (downloads, root filesystem, builder image) is there before.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.figures import Spread, Target, machine, mib, paired_ratios, say, table
from benchmarks.lab import HERE, Lab, bake_with, open_lab, size_below
from benchmarks.sampler import Usage, sampled
from benchmarks.trial import NinjaState, Trial, forget_build_cache, read_ninja_state, trial
from tfbuild.build.layout import Layout
from tfbuild.cli.run import run_command
from tfbuild.products.tflite.cmake.flags import cmake_presets

LIMIT = 1.02
_SIDES = ("ours", "bare")


@dataclass(frozen=True)
class Figures:
    """One run of one side, in seconds and bytes. ``phase`` is the build step alone with its transfers."""

    whole: float
    phase: float
    ninja: NinjaState
    usage: Usage
    result: int


def ours(lab: Lab, options: argparse.Namespace, jobs: int) -> Figures:
    """``invoke build-tflite`` from an empty build tree."""
    flags = (f"-frandom-seed={uuid.uuid4().hex}",)
    words = {"release": options.release, "base": options.config, "jobs": str(jobs)}
    with trial(lab, name="cold", flags=flags, ccache=options.ccache != "off", **words) as made:
        build = made.invoke()
        state = made.probe()
        figures = Figures(build.seconds, build.steps["compile"], state, build.usage, size_below(made.output))
    steps = ", ".join(f"{step} {seconds:.0f}" for step, seconds in build.steps.items())
    say(f"ours: {figures.whole:.0f} s ({steps}), ninja {state.seconds:.0f} s")
    return figures


def bare(lab: Lab, prepared: Trial, jobs: int) -> Figures:
    """cmake and ninja without us, on the source that an earlier build has extracted."""
    plan, build_id = prepared.plan, f"bare-{uuid.uuid4().hex[:8]}"
    request, out = lab.scratch / build_id, lab.scratch / f"{build_id}-out"
    request.mkdir()
    cache = {name: value for name, value in plan.part.cmake_cache if not name.endswith("_COMPILER_LAUNCHER")}
    (request / "CMakePresets.json").write_text(json.dumps(cmake_presets(cache, plan.arch)))
    target = {
        "context": str(HERE / "builds"),
        "dockerfile": "bare.Dockerfile",
        "contexts": {
            "builder": "target:builder",
            "source": str(Layout(prepared.project, lab.cache, plan.build_id).source(plan)),
            "superproject": str(prepared.project / "dockerfiles" / "tflite" / "superproject"),
            "request": str(request),
            "toolchains": str(prepared.project / "toolchains" / "cmake"),
        },
        "args": {"BUILD_ID": build_id, "JOBS": str(jobs)},
        "output": [f"type=local,dest={out}"],
    }
    try:
        with sampled(build_id) as usage:
            began = time.monotonic()
            bake_with(lab, plan, {"bare": target}, prepared.project)
            seconds = time.monotonic() - began
        state = read_ninja_state(out / "probe")
    finally:
        forget_build_cache(lab, "bare-build.sh")
    say(f"bare: {seconds:.0f} s, ninja {state.seconds:.0f} s")
    result = size_below(out) - size_below(out / "probe")
    return Figures(seconds, seconds, state, usage, result)


# What is compared as time; the first three have the target.
_TIMES: dict[str, Callable[[Figures], float | None]] = {
    "ninja alone": lambda run: run.ninja.seconds,
    "build step": lambda run: run.phase,
    "whole command": lambda run: run.whole,
    "CPU time in the build step": lambda run: run.usage.cpu_s,
}
_WITH_TARGET = 3
_SIZES: dict[str, Callable[[Figures], int | None]] = {
    "peak memory in the build step": lambda run: run.usage.build_peak,
    "peak memory of our client": lambda run: run.usage.client_peak,
    "disk, build tree with source": lambda run: run.ninja.size,
    "disk, result": lambda run: run.result,
}


def report(ours_runs: Sequence[Figures], bare_runs: Sequence[Figures]) -> str:
    """The table and the targets."""
    rows, targets = [], []
    for number, (name, pick) in enumerate(_TIMES.items()):
        sides = [
            [value for run in runs if (value := pick(run)) is not None] for runs in (ours_runs, bare_runs)
        ]
        if not sides[0] or len(sides[0]) != len(sides[1]):
            rows.append((f"{name}, s", "not measured", "not measured", ""))
            continue
        ratio = paired_ratios(*sides)
        rows.append((f"{name}, s", Spread.of(sides[0]).text(1), Spread.of(sides[1]).text(1), ratio.text()))
        if number < _WITH_TARGET:
            targets.append(Target(f"ours to bare, {name}", ratio.median, LIMIT))
    for name, size in _SIZES.items():
        mine, theirs = (max((size(run) or 0 for run in runs), default=0) for runs in (ours_runs, bare_runs))
        ratio_text = f"{mine / theirs:.2f}" if mine and theirs else ""
        rows.append((f"{name}, most", mib(mine) if mine else "-", mib(theirs) if theirs else "-", ratio_text))
    edges = " and ".join(str(len(runs[0].ninja.log)) for runs in (ours_runs, bare_runs))
    heads = ("min/median/max", "ours", "bare", "ratio")
    return "\n".join([table(heads, rows), f"edges run: {edges}", *map(str, targets)]) + "\n"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cold_build", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=2, help="builds of each side [2]")
    parser.add_argument("--ccache", choices=("cold", "off"), default="cold", help="what our side has [cold]")
    parser.add_argument("--jobs", type=int, help="parallel compile jobs of both sides [what ours would take]")
    parser.add_argument("--release", default="", help="as for invoke build-tflite")
    parser.add_argument("--config", default="opt", help="as for invoke build-tflite [opt]")
    return parser.parse_args()


def main(options: argparse.Namespace) -> int:
    runs: dict[str, list[Figures]] = {side: [] for side in _SIDES}
    with (
        open_lab() as lab,
        trial(lab, name="before", release=options.release, base=options.config) as prepared,
    ):
        say("one build that is not measured, for source and builder")
        prepared.invoke()
        manifest = json.loads((prepared.output / "manifest.json").read_text())
        jobs = options.jobs or int(manifest["jobs"])
        before = machine()
        for number in range(options.rounds):
            # Who begins changes.
            for side in _SIDES if number % 2 == 0 else _SIDES[::-1]:
                found = ours(lab, options, jobs) if side == "ours" else bare(lab, prepared, jobs)
                runs[side].append(found)
    sys.stdout.write(
        f"cold build of {prepared.plan.release} {options.config}, {jobs} jobs, ccache {options.ccache}; "
        f"before: {before}; after: {machine()}\n\n{report(runs['ours'], runs['bare'])}"
    )
    return 0


if __name__ == "__main__":
    arguments = parse()
    sys.exit(run_command(lambda: main(arguments)))
