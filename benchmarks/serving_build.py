"""A cold build of the miniature model server through us against bare Bazel, and a second run.

    python -m benchmarks.serving_build [--rounds N] [--warm N]

Both sides: the same builder, source, flags, jobs and memory, an output base of their own in a cache mount,
and no action in any cache, since each run's actions carry another variable. What both stand on (downloads,
root filesystem, builder image) is there before. Bare Bazel is run in one command, and in two, as by somebody
who wants no network while it compiles: one that downloads, one that builds. The miniature compiles in half a
minute, upstream in hours: what does not grow with the compile is printed in seconds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence

from benchmarks.figures import Spread, Target, machine, paired_ratios, say, table
from benchmarks.lab import open_lab
from benchmarks.serving_trial import Figures, bare, ours, serving_trial
from benchmarks.trial import Build
from tfbuild.cli.run import run_command

LIMIT = 1.05
WARM_LIMIT_S = 3.0
_OURS, _ONE, _TWO = "ours", "bare", "bare, two commands"
_SIDES = (_OURS, _ONE, _TWO)

Pick = Callable[[Figures], float | None]
_BOTH: tuple[tuple[str, bool, Pick], ...] = (
    ("fetch and compile steps", True, lambda run: run.fetch + run.compile),
    ("CPU time in the build steps", False, lambda run: run.usage.cpu_s),
)
# What is compared as time with which side; True: it has the target.
_TIMES: dict[str, tuple[tuple[str, bool, Pick], ...]] = {
    _ONE: (
        ("Bazel's build alone", True, lambda run: run.bazel.seconds),
        ("compile step", True, lambda run: run.compile),
        *_BOTH,
        ("whole command", False, lambda run: run.whole),
    ),
    _TWO: _BOTH,
}


def report(runs: dict[str, list[Figures]], other_side: str) -> str:
    """The table and the targets against ``other_side``."""
    rows, targets = [], []
    for name, aimed, pick in _TIMES[other_side]:
        compared = (_OURS, other_side)
        sides = [[value for run in runs[side] if (value := pick(run)) is not None] for side in compared]
        if not sides[0] or len(sides[0]) != len(sides[1]):
            rows.append((f"{name}, s", "not measured", "not measured", "", ""))
            continue
        ratio = paired_ratios(*sides)
        more = statistics.median(mine - other for mine, other in zip(*sides, strict=True))
        spreads = [Spread.of(side).text(1) for side in sides]
        rows.append((f"{name}, s", spreads[0], spreads[1], ratio.text(), f"{more:+.1f}"))
        if aimed:
            targets.append(Target(f"ours to {other_side}, {name}", ratio.median, LIMIT))
    ran = [f"{side}: {runs[side][0].bazel.processes}" for side in (_OURS, other_side)]
    heads = ("min/median/max", _OURS, other_side, "ratio", "difference, s")
    return "\n".join([table(heads, rows), *ran, *map(str, targets)]) + "\n"


def warm_report(first: Build, warm: Sequence[Build]) -> str:
    """The second run, beside the first."""
    seconds = Spread.of(build.seconds for build in warm)
    rows = [
        ("first build", f"{first.seconds:.1f}"),
        (f"nothing changed, {len(warm)} times", seconds.text()),
    ]
    target = Target("a second run with nothing changed", seconds.median, WARM_LIMIT_S, " s")
    return f"{table(('', 'seconds'), rows)}\n{target}\n"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving_build", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=3, help="cold builds of each side [3]")
    parser.add_argument("--warm", type=int, default=5, help="runs with nothing changed [5]")
    parser.add_argument("--config", default="opt", help="as for invoke build-serving [opt]")
    parser.add_argument("--jobs", type=int, default=0, help="jobs of both sides [the engine's CPUs]")
    return parser.parse_args()


def main(options: argparse.Namespace) -> int:
    runs: dict[str, list[Figures]] = {side: [] for side in _SIDES}
    with open_lab() as lab, serving_trial(lab, name="before", base=options.config) as prepared:
        jobs = options.jobs or lab.engine.info().cpus
        say("one build that is not measured, for source and builder")
        first = prepared.invoke()
        say("nothing changed")
        warm = [prepared.invoke() for _ in range(options.warm)]
        if any(build.fresh for build in warm):
            say("WRONG: a run with nothing changed has built something")
        before = machine()
        for number in range(options.rounds):
            # Who begins changes.
            for side in _SIDES if number % 2 == 0 else _SIDES[::-1]:
                two = side == _TWO
                found = (
                    ours(lab, options.config, jobs)
                    if side == _OURS
                    else bare(lab, prepared, jobs, two_commands=two)
                )
                say(f"{side}: {found.whole:.1f} s, Bazel {found.bazel.seconds:.1f} s")
                runs[side].append(found)
    sys.stdout.write(
        f"{prepared.plan.release} {options.config}, {jobs} jobs; before: {before}; after: {machine()}\n\n"
    )
    if options.rounds:
        sys.stdout.writelines(f"{report(runs, side)}\n" for side in _TIMES)
    if warm:
        sys.stdout.write(warm_report(first, warm))
    return 0


if __name__ == "__main__":
    arguments = parse()
    sys.exit(run_command(lambda: main(arguments)))
