"""One compile on a cluster with 1, 2 and 4 workers, once more out of its cache, and without it.

    python -m benchmarks.many_machines [--workers N ...] [--share CPU]

The cluster is examples/cluster/buildgrid on this machine, each worker with the same small share of a CPU. All
of them together should have no more than there is beside the builder's own. Of another cluster:
--executor grpc://HOST:PORT --scale 'COMMAND {}', which makes it have as many workers as stand in the place of
{}. What is compiled is the miniature of TFLite with twelve files that cost a compiler some seconds each; each
run's files are new to every cache. Nothing else may run on this machine: some ten minutes.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import shlex
import shutil
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Target, machine, say, table
from benchmarks.lab import HERE, PROJECT, Lab, open_lab
from benchmarks.recorded import of_ninja
from benchmarks.rig import Rig, buildgrid
from benchmarks.scale import Cluster, simulate
from benchmarks.trial import forget_build_cache
from tests.support.products import Product, load_release
from tests.support.reporters import SilentReporter
from tests.support.tflite_mini import Miniature, make_miniature
from tfbuild.base.errors import HostError
from tfbuild.build.builders import make_builder
from tfbuild.build.layout import Layout
from tfbuild.build.run import Run
from tfbuild.build.steps import make_roots
from tfbuild.cli.run import run_command
from tfbuild.cli.wiring import build_effects
from tfbuild.plan.words import Words, host_arch
from tfbuild.products import table as products
from tfbuild.products.tflite import steps

SPEED_UP, CACHED, PREDICTED, OVERHEAD = 3.2, 0.1, 0.15, 1.15
JOBS = 16  # more than the workers of any cluster here
_CLOSING = re.compile(
    r"tfbuild: remote: (\d+) cache hits, (\d+) executed there.*; (\d+) s, (\S+) MB sent, (\S+) MB received"
)


@dataclass(frozen=True)
class Figures:
    """``step`` is the whole compile step, ``compile`` its longest part.

    ``said``: hits, executed there, MB sent and received. ``ninja`` is its own log.
    """

    step: float  # seconds
    compile: float | None = None
    said: tuple[str, ...] = ()
    ninja: str = ""

    @classmethod
    def of(cls, seconds: float, logs: Path) -> Figures:
        ninja = (logs / "ninja.log").read_text()
        found = _CLOSING.search((logs / "compile.log").read_text())
        if found is None:
            return cls(seconds, ninja=ninja)
        return cls(seconds, float(found[3]), (found[1], found[2], found[4], found[5]), ninja)


@dataclass(frozen=True)
class Bench:
    """The miniature, and the words of a cluster."""

    lab: Lab
    mini: Miniature
    cluster: tuple[str, ...]

    def compiled(self, word: str, jobs: int, *sets: str, patch: str = "many.patch") -> Figures:
        """A compile in a tree of its own; nothing of it stays. The same ``word``: the same actions."""
        fresh = (
            f"source.patches=[{HERE / 'data' / patch}]",
            f"compile.defines={{TFBUILD_BENCH: {word}}}",
        )
        words = Words(
            release=str(self.mini.release),
            name=f"bench-{uuid.uuid4().hex[:8]}",
            jobs=str(jobs),
            sets=("compile.ccache=no", *fresh, *sets),
        )
        plan = products.plan_of(PROJECT, "tflite", words, env=os.environ, build_arch=host_arch())
        layout = Layout(PROJECT, self.lab.cache, plan.build_id)
        release = load_release(PROJECT, Product.TFLITE, str(self.mini.release))
        effects = build_effects(plan, release, self.lab.scratch, offline=False, reporter=SilentReporter())
        run = Run(plan, products.recipe_of(plan), layout, effects, self.lab.scratch)
        run.logs.mkdir(parents=True, exist_ok=True)
        try:
            for step in (steps.fetch, make_roots, make_builder):
                step(run)
            began = time.monotonic()
            steps.compile_(run)
            return Figures.of(time.monotonic() - began, layout.out / "log")
        finally:
            shutil.rmtree(layout.work, ignore_errors=True)
            forget_build_cache(self.lab, f'"/tfbuild-tree-{plan.build_id}"')


def miniature(lab: Lab) -> Miniature:
    """With the lock that its release wants."""
    made = make_miniature(lab.scratch / "mini")
    os.environ["TFBUILD_MIRRORS"] = made.mirrors
    words = ("--product", "tflite", "--release", str(made.release), "--clones", str(made.clones))
    program = str(Path(sys.executable).parent / "invoke")
    ran = lab.runner.capture([program, "lock", *words, "--mirror", str(made.mirror)], cwd=PROJECT)
    if not ran.ok:
        raise HostError("the miniature cannot be locked", details=tuple(ran.stderr.splitlines()))
    return made


@dataclass(frozen=True)
class Elsewhere:
    """A cluster of somebody else; ``command`` makes it have as many workers as stand in the place of {}."""

    address: str
    command: str
    lab: Lab

    def scale(self, workers: int, share: float) -> None:
        del share  # is its own affair
        ran = self.lab.runner.capture(shlex.split(self.command.replace("{}", str(workers))), timeout_s=600)
        if not ran.ok:
            said = tuple(ran.stderr.splitlines()[-5:])
            raise HostError(f"no {workers} workers: '{self.command}' failed", details=said)


@dataclass(frozen=True)
class Waiting:
    """Either kind, which needs a while until new workers are there and old ones forgotten."""

    cluster: Rig | Elsewhere
    wait_s: float

    @property
    def address(self) -> str:
        return self.cluster.address

    def scale(self, workers: int, share: float) -> None:
        self.cluster.scale(workers, share)
        time.sleep(self.wait_s)


@contextmanager
def cluster_of(lab: Lab, options: argparse.Namespace) -> Iterator[Waiting]:
    if options.executor:
        yield Waiting(Elsewhere(options.executor, options.scale, lab), options.wait)
        return
    with buildgrid(lab, options.wait) as rig:
        yield Waiting(rig, options.wait)


@dataclass(frozen=True)
class Measured:
    """``cold`` by the number of workers; the probe is another compile, on one worker and with one job."""

    share: float
    cold: dict[int, Figures]
    cached: Figures
    local: Figures
    probe: Figures
    probe_here: Figures

    @property
    def actions(self) -> list[float]:
        return seconds_of(self.local)

    @property
    def overhead(self) -> float:
        """Seconds of a worker's CPU that an action takes besides its own: its files are mounted for it."""
        here = seconds_of(self.probe_here)
        return ((self.probe.compile or 0) * self.share - sum(here)) / len(here)

    def predicted(self, workers: int) -> float:
        """What benchmarks.scale says of the compile, from that with one job here and the probe; seconds."""
        of_one = (self.cached.compile or 0) / math.ceil(len(self.actions) / JOBS)
        cluster = Cluster(
            workers,
            self.share,
            link=100,
            before=0,
            latency=of_one,
            overhead=max(self.overhead, 0),
            sent=0,
            received=0,
            jobs=JOBS,
        )
        return simulate(self.actions, cluster, hits=0).walls[0]


def seconds_of(figures: Figures) -> list[float]:
    return [each.seconds for each in of_ninja(figures.ninja)]


def report(measured: Measured) -> str:
    cold = measured.cold
    rows = [(f"{n} workers", cold[n]) for n in sorted(cold)]
    rows += [("cached", measured.cached), ("one job here", measured.local)]
    rows += [("probe, 1 worker", measured.probe), ("probe, one job here", measured.probe_here)]
    heads = ("", "compile, s", "step, s", "hits", "executed", "MB sent", "MB received", "predicted, s")
    said = {f"{n} workers": f"{measured.predicted(n):.0f}" for n in cold}
    text = [
        (
            what,
            "" if run.compile is None else f"{run.compile:.0f}",
            f"{run.step:.1f}",
            *(run.said or ("",) * 4),
            said.get(what, ""),
        )
        for what, run in rows
    ]
    besides = f"besides its own, an action takes {measured.overhead:.2f} s of a worker's CPU"
    return "\n".join([table(heads, text), besides, *map(str, targets(measured))]) + "\n"


def targets(measured: Measured) -> Iterator[Target]:
    cached, share = measured.cached, measured.share
    times = {n: run.compile for n, run in measured.cold.items() if run.compile}
    if 1 in times and 4 in times:
        # As a limit from above: four workers take at most so much of the time of one.
        yield Target("four workers' compile to one's", times[4] / times[1], round(1 / SPEED_UP, 4))
    if cached.compile is not None and times:
        yield Target("compile out of the cache to that of one", cached.compile / times[min(times)], CACHED)
    if 1 in times:
        alone = sum(measured.actions) / share
        yield Target("one worker's compile to one job here with its share", times[1] / alone, OVERHEAD)
    for n, seconds in sorted(times.items()):
        off = abs(measured.predicted(n) / seconds - 1)
        yield Target(f"prediction for {n} workers, off by", off, PREDICTED)


def main(options: argparse.Namespace) -> int:
    before = machine()
    with open_lab() as lab, ExitStack() as stack:
        cluster = stack.enter_context(cluster_of(lab, options))
        there = (f"remote.executor={cluster.address}", "remote.insecure=yes")
        bench = Bench(lab, miniature(lab), there)
        say("one compile that is not measured: builder, and its root filesystem in the cluster")
        # With a whole CPU: it is only about what each worker has to get once.
        cluster.scale(max(options.workers), 1.0)
        bench.compiled(uuid.uuid4().hex, JOBS, *bench.cluster)
        cold, word = {}, ""
        # Downwards: whoever stays has the builder's root filesystem already, as a worker usually has.
        for workers in sorted(options.workers, reverse=True):
            cluster.scale(workers, options.share)
            word = uuid.uuid4().hex
            cold[workers] = bench.compiled(word, JOBS, *bench.cluster)
            say(f"{workers} workers: {cold[workers].step:.1f} s")
        cached = bench.compiled(word, JOBS, *bench.cluster)
        cluster.scale(1, options.share)
        probe = bench.compiled(uuid.uuid4().hex, JOBS, *bench.cluster, patch="probe.patch")
        local = bench.compiled(uuid.uuid4().hex, 1)
        probe_here = bench.compiled(uuid.uuid4().hex, 1, patch="probe.patch")
    measured = Measured(options.share, cold, cached, local, probe, probe_here)
    sys.stdout.write(f"before: {before}; after: {machine()}\n\n{report(measured)}")
    return 0


def parse(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.many_machines", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--executor", default="", help="another cluster, grpc://HOST:PORT")
    parser.add_argument("--scale", default="", help="command that makes {} workers of that")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4], help="how many [1 2 4]")
    parser.add_argument("--share", type=float, default=0.3, help="CPU of each worker [0.3]")
    parser.add_argument("--wait", type=float, default=20, help="seconds until new workers are there [20]")
    return parser.parse_args(words)


if __name__ == "__main__":
    arguments = parse()
    sys.exit(run_command(lambda: main(arguments)))
