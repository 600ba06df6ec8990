"""How long builds take on a cluster of a size that is not here: a simulation from recorded actions.

    python -m benchmarks.scale LOG [--workers N ...] [--share CPU] [--link MB_S] [--hits PERCENT ...]

LOG is ninja.log or profile.gz from the logs of a build that compiled everything here, best with '--jobs 1':
each action takes its recorded time on a worker. What a cluster costs besides is measured by many_machines,
and can be given: seconds before the first action, of each action, and MB that it moves. What is left out, and
what came of it: docs/explanation/scale.md.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.figures import table
from benchmarks.recorded import recorded
from tfbuild.cli.run import run_command

_HOUR = 3600.0
_DAY_H = 10  # of which people begin builds
_SEED = 16


@dataclass(frozen=True)
class Cluster:
    """``share`` is each worker's part of a CPU, ``link`` the MB that one build can move in a second.

    ``before`` and ``latency`` are seconds, ``overhead`` seconds of a worker's CPU that each action takes
    besides its own; ``sent`` and ``received`` MB of each action, of which a build has ``jobs`` under way at
    a time.
    """

    workers: int
    share: float
    link: float
    before: float
    latency: float
    overhead: float
    sent: float
    received: float
    jobs: int


@dataclass(frozen=True)
class Outcome:
    """``walls`` are the builds' times from their start to the end of their last action, in seconds."""

    walls: tuple[float, ...]
    busy: float  # seconds of workers
    moved: float  # MB
    span: float  # until the last one ends

    def use(self, cluster: Cluster) -> float:
        """The part of the workers' time that they had something to do."""
        return self.busy / (self.span * cluster.workers) if self.span else 0.0


def simulate(
    actions: Sequence[float], cluster: Cluster, hits: float, starts: Iterable[float] = (0.0,)
) -> Outcome:
    """Builds of the same actions, each begun at one of ``starts``; who asks first is served first.

    ``hits`` is the part of the actions that the cluster has from earlier.
    """
    begun = list(starts)
    free = [0.0] * cluster.workers
    link = dict.fromkeys(range(len(begun)), 0.0)
    waiting = [
        (start + cluster.before, build, number)
        for build, start in enumerate(begun)
        for number in range(min(cluster.jobs, len(actions)))
    ]
    heapq.heapify(waiting)
    following = dict.fromkeys(range(len(begun)), min(cluster.jobs, len(actions)))
    ends, busy, moved = list(begun), 0.0, 0.0
    while waiting:
        ready, build, number = heapq.heappop(waiting)
        done = ready + cluster.latency
        amount = cluster.received
        if int((number + 1) * hits) == int(number * hits):  # hits are spread evenly
            done = link[build] = max(done, link[build]) + cluster.sent / cluster.link
            takes = (actions[number] + cluster.overhead) / cluster.share
            done = max(done, heapq.heappop(free)) + takes
            heapq.heappush(free, done)
            busy, amount = busy + takes, amount + cluster.sent
        moved += amount
        done += cluster.received / cluster.link
        ends[build] = max(ends[build], done)
        if following[build] < len(actions):
            heapq.heappush(waiting, (done, build, following[build]))
            following[build] += 1
    walls = tuple(end - start for start, end in zip(begun, ends, strict=True))
    return Outcome(walls, busy, moved, max(ends))


def spread_over_the_day(builds: int) -> list[float]:
    """Times at which people begin ``builds`` builds, in no order that anybody planned."""
    chance = random.Random(_SEED)
    return sorted(chance.uniform(0, _DAY_H * _HOUR) for _ in range(builds))


def row(what: str, cluster: Cluster, outcome: Outcome, price: float) -> tuple[str, ...]:
    walls = sorted(outcome.walls)
    cpu_h = outcome.busy * cluster.share / _HOUR
    return (
        what,
        str(cluster.workers),
        f"{walls[len(walls) // 2] / 60:.1f}",
        f"{walls[-1] / 60:.1f}",
        f"{cpu_h:.2f}",
        f"{outcome.use(cluster):.0%}",
        f"{outcome.moved / 1000:.2f}",
        f"{cpu_h * price:.2f}",
    )


def main(options: argparse.Namespace) -> int:
    actions = [each.seconds for each in recorded(options.log)] * options.times
    cluster = Cluster(
        workers=1,
        share=options.share,
        link=options.link,
        before=options.before,
        latency=options.latency,
        overhead=options.overhead,
        sent=options.sent,
        received=options.received,
        jobs=options.jobs,
    )
    cases = [("one build", [0.0]), ("ten variants at once", [0.0] * 10)]
    if options.day:
        cases.append((f"{options.day} builds a day", spread_over_the_day(options.day)))
    rows = [
        row(f"{what}, {hits} % hits", of_size, simulate(actions, of_size, hits / 100, starts), options.price)
        for what, starts in cases
        for hits in options.hits
        for of_size in (replace(cluster, workers=workers) for workers in options.workers)
    ]
    heads = ("", "workers", "median, min", "longest, min", "CPU h", "in use", "GB moved", "cost")
    total = sum(actions)
    sys.stdout.write(f"{len(actions)} actions, {total:.0f} s in all, the longest {max(actions):.1f} s\n\n")
    sys.stdout.write(table(heads, rows))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("log", type=Path, help="ninja.log or profile.gz of a build")
    parser.add_argument("--times", type=int, default=1, help="as if the log were so often as long [1]")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 16, 64, 256], help="how many")
    parser.add_argument("--hits", type=int, nargs="+", default=[0, 90], help="in percent [0 90]")
    parser.add_argument("--day", type=int, default=0, help="builds a day besides [none]")
    parser.add_argument("--jobs", type=int, default=256, help="actions of a build at a time [256]")
    parser.add_argument("--share", type=float, default=1.0, help="CPU of a worker [1]")
    parser.add_argument("--link", type=float, default=100.0, help="MB/s of a build's machine [100]")
    parser.add_argument("--before", type=float, default=10.0, help="seconds before the first action [10]")
    parser.add_argument(
        "--latency", type=float, default=0.3, help="seconds that an action takes besides [0.3]"
    )
    parser.add_argument(
        "--overhead", type=float, default=0.3, help="seconds of a worker's CPU for each action besides [0.3]"
    )
    parser.add_argument("--sent", type=float, default=1.0, help="MB sent for an action [1]")
    parser.add_argument("--received", type=float, default=0.3, help="MB received for an action [0.3]")
    parser.add_argument("--price", type=float, default=0.04, help="of a CPU hour [0.04]")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    sys.exit(run_command(lambda: main(arguments)))
