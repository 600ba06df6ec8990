"""Verifies thousands of damaged files; each has to give a report or a clear error, in time."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from benchmarks.figures import say
from tests.support.mutations import damage

LIMIT_S = 10.0  # for a file of a few kilobytes; what takes longer runs in a circle


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mutations", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--count", type=int, default=10_000, help="damaged files [10000]")
    parser.add_argument("--seed", type=int, default=0, help="of the first one [0]")
    return parser.parse_args()


def main(options: argparse.Namespace) -> int:
    results: Counter[str] = Counter()
    slowest = 0.0
    for number, outcome in enumerate(damage(options.count, options.seed), start=1):
        results[outcome.result] += 1
        slowest = max(slowest, outcome.seconds)
        if number % 1000 == 0:
            say(f"{number} files, the slowest took {slowest:.2f} s")
    for result, count in sorted(results.items()):
        sys.stdout.write(f"{count:>8} {result}\n")
    met = slowest < LIMIT_S
    sys.stdout.write(
        f"no traceback; slowest {slowest:.2f} s: {'met' if met else 'NOT MET'} (< {LIMIT_S:g} s)\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(parse()))
