"""What a second build costs: with nothing changed, and with a change that touches no flag of the compiler.

    python -m benchmarks.warm_build [--rounds N]

Counts what ninja ran, by ninja's own log.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import Spread, Target, machine, mib, say, table
from benchmarks.lab import open_lab, size_below
from benchmarks.trial import Build, Trial, trial
from tfbuild.cli.run import run_command

LIMIT_S = 2.0
# Each of them makes another image, and none another library.
CHANGES = {
    "a label": "runtime.labels.benchmark=1",
    "another user": "runtime.user=1234",
    "a distribution base": "runtime.base=debian",
}


@dataclass(frozen=True)
class Change:
    """A build after a change; ``edges`` is how many ninja ran for it."""

    what: str
    build: Build
    edges: int


def changed(made: Trial, what: str, setting: str) -> Change:
    before = made.probe()
    build = made.invoke(setting)
    return Change(what, build, len(made.probe().executed_since(before)))


def report(first: Build, warm: Sequence[Build], changes: Sequence[Change], sizes: tuple[int, int]) -> str:
    """The table and the targets."""

    def peaks(build: Build) -> tuple[str, str]:
        found = (build.usage.client_peak, build.usage.build_peak)
        client, inside = (mib(peak) if peak else "none seen" for peak in found)
        return client, inside

    seconds = Spread.of(build.seconds for build in warm)
    largest = max(warm, key=lambda build: build.usage.client_peak or 0)
    rows = [
        ("first build", f"{first.seconds:.1f}", "", *peaks(first)),
        (f"nothing changed, {len(warm)} times", seconds.text(), "0", *peaks(largest)),
        *((each.what, f"{each.build.seconds:.1f}", str(each.edges), *peaks(each.build)) for each in changes),
    ]
    heads = ("", "seconds", "edges run", "peak memory, client", "peak memory, build step")
    targets = [Target("a second run with nothing changed", seconds.median, LIMIT_S, " s")]
    targets += [Target(f"edges run after {each.what}", each.edges, 0) for each in changes]
    ratio = f"nothing changed to first build: {seconds.median / first.seconds:.3f}"
    disk = f"disk: build tree {mib(sizes[0])}, result {mib(sizes[1])}"
    return "\n".join([table(heads, rows), ratio, disk, *map(str, targets)]) + "\n"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.warm_build", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=5, help="runs with nothing changed [5]")
    parser.add_argument("--release", default="", help="as for invoke build-tflite")
    parser.add_argument("--config", default="opt", help="as for invoke build-tflite [opt]")
    return parser.parse_args()


def main(options: argparse.Namespace) -> int:
    with open_lab() as lab, trial(lab, name="warm", release=options.release, base=options.config) as made:
        say("first build")
        first = made.invoke()
        before = made.probe()
        say("nothing changed")
        warm = [made.invoke() for _ in range(options.rounds)]
        state = made.probe()
        if any(build.fresh for build in warm) or state.executed_since(before):
            say("WRONG: a run with nothing changed has built something")
        changes = []
        for what, setting in CHANGES.items():
            say(what)
            changes.append(changed(made, what, setting))
        text = report(first, warm, changes, (state.size, size_below(made.output)))
    sys.stdout.write(f"warm builds of {made.plan.release} {options.config}; {machine()}\n\n{text}")
    return 0


if __name__ == "__main__":
    arguments = parse()
    sys.exit(run_command(lambda: main(arguments)))
