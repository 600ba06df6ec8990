"""What a changed source file costs: only what depends on it is compiled.

    python -m benchmarks.one_file [--rounds N]

Patches one file in a comment, builds, and compares what ninja ran with the objects that depend on the file
by the compiler's own word (ninja -t deps). Then a second patch
changes a header, and then the first one is taken back.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.figures import Spread, Target, machine, mib, say, table
from benchmarks.lab import HERE, open_lab
from benchmarks.trial import Build, NinjaState, Trial, trial
from tfbuild.cli.run import run_command
from tfbuild.plan.flags import SOURCE_FOLDER

# What the patches in data/ change.
PATCHES = {
    "leaf.patch": "tensorflow/lite/kernels/add.cc",
    "header.patch": "tensorflow/lite/kernels/lstm_eval.h",
}


@dataclass(frozen=True)
class Change:
    """A build after ``files`` have changed. Object files by their names in the build tree."""

    what: str
    build: Build
    compiled: frozenset[str]
    expected: frozenset[str]
    linked: frozenset[str]

    @property
    def needless(self) -> frozenset[str]:
        return self.compiled - self.expected

    @property
    def missed(self) -> frozenset[str]:
        return self.expected - self.compiled


def dependents(state: NinjaState, files: Sequence[str]) -> frozenset[str]:
    """The objects that one of ``files`` goes into. ccache makes paths relative to the build tree."""
    paths = {f"{root}/{file}" for root in (SOURCE_FOLDER, "../source") for file in files}
    return frozenset(name for name, needs in state.dependencies.items() if paths & needs)


def write_patches(made: Trial, number: int) -> None:
    """The patches, with ``number`` in them, so that a later round compiles something new."""
    for name in PATCHES:
        text = (HERE / "data" / name).read_text()
        (made.project / name).write_text(text.replace(f"data/{name}.", f"data/{name}, {number}."))


def change(made: Trial, what: str, patches: Sequence[str], files: Sequence[str]) -> Change:
    """Build with ``patches``, which changes ``files`` against the build before."""
    before = made.probe()
    build = made.invoke(*([f"source.patches=[{', '.join(patches)}]"] if patches else []))
    outputs = frozenset[str]().union(*made.probe().executed_since(before))
    objects = frozenset(output for output in outputs if output.endswith(".o"))
    return Change(what, build, objects, dependents(before, files), outputs - objects)


def report(first: Build, state: NinjaState, changes: Sequence[Change]) -> str:
    """The table, the lists and the targets."""
    rows = [("everything", f"{first.seconds:.1f}", str(state.edges), "", "", _peak(first))]
    lines: list[str] = []
    targets = []
    for what in dict.fromkeys(each.what for each in changes):
        same = [each for each in changes if each.what == what]
        last = same[-1]
        rows.append(
            (
                what,
                Spread.of(each.build.seconds for each in same).text(1),
                f"{len(last.compiled)} of {state.edges}",
                str(len(last.expected)),
                str(len(last.linked)),
                _peak(max(same, key=lambda each: each.build.usage.build_peak or 0).build),
            )
        )
        lines += [f"{what}, compiled:", *(f"  {name}" for name in sorted(last.compiled))]
        lines += [f"{what}, archived and linked:", *(f"  {name}" for name in sorted(last.linked))]
        needless = max(len(each.needless) for each in same)
        missed = max(len(each.missed) for each in same)
        targets.append(Target(f"{what}: compiled without need", needless, 0))
        targets.append(Target(f"{what}: not compiled but dependent", missed, 0))
    heads = ("", "seconds", "compiled", "dependent", "linked", "peak memory, build step")
    disk = f"disk: build tree {mib(state.size)}"
    return "\n".join([table(heads, rows), *lines, disk, *map(str, targets)]) + "\n"


def _peak(build: Build) -> str:
    return mib(build.usage.build_peak) if build.usage.build_peak else "none seen"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.one_file", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--rounds", type=int, default=1, help="times that each change is made and undone [1]")
    parser.add_argument("--release", default="", help="as for invoke build-tflite")
    parser.add_argument("--config", default="opt", help="as for invoke build-tflite [opt]")
    return parser.parse_args()


def measure(options: argparse.Namespace, number: int) -> tuple[Build, NinjaState, list[Change]]:
    """One round, in a build tree of its own."""
    leaf, header = PATCHES.values()
    with open_lab() as lab, trial(lab, name="one-file", release=options.release, base=options.config) as made:
        write_patches(made, number)
        say("first build")
        first = made.invoke()
        say("a leaf, a header, and the leaf back")
        changes = [
            change(made, "a file that nothing includes", ["leaf.patch"], [leaf]),
            change(made, "a header", ["leaf.patch", "header.patch"], [header]),
            change(made, "the first one back", ["header.patch"], [leaf]),
        ]
        return first, made.probe(), changes


def main(options: argparse.Namespace) -> int:
    rounds = [measure(options, number) for number in range(options.rounds)]
    first, state, _ = rounds[-1]
    text = report(first, state, [each for _, _, changes in rounds for each in changes])
    sys.stdout.write(f"one changed file, config {options.config}; {machine()}\n\n{text}")
    return 0


if __name__ == "__main__":
    arguments = parse()
    sys.exit(run_command(lambda: main(arguments)))
