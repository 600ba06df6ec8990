"""Measures images: one process a round, the images taking turns, so that what else the machine does meets all
of them alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfbuild.base.errors import BuildError
from tfbuild.build.trial import Measurement, Sample
from tfbuild.compare.figures import Series, series_of
from tfbuild.engine.facts import RunResult
from tfbuild.machine.files import hash_file

ROUNDS = 5
THREADS = (1, 2)
_SHOWN = 10  # lines of a program that failed


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An image that is measured: ``measure`` tells how, for a model and a number of threads."""

    name: str
    measure: Callable[[Path, int], Measurement]
    run: Callable[[Measurement], RunResult]


def measure_all(
    candidates: Sequence[Candidate],
    model: Path,
    threads: Sequence[int],
    rounds: int,
    told: Callable[[int, int, str], None],
) -> tuple[tuple[Series, ...], ...]:
    """The series of each candidate, one for each number of ``threads``; ``told`` gets how far it is.

    :raises BuildError: a program failed, or printed no figures.
    """
    digest = hash_file(model)
    total, done = len(candidates) * len(threads) * rounds, 0
    series: list[list[Series]] = [[] for _ in candidates]
    for count in threads:
        samples: list[list[Sample]] = [[] for _ in candidates]
        for number in range(rounds):
            first = number % len(candidates)  # nobody is always the one after the machine has rested
            for place in (*range(first, len(candidates)), *range(first)):
                told(done, total, f"{candidates[place].name}, {count} threads")
                samples[place].append(_sample(candidates[place], model, count))
                done += 1
        for place, found in enumerate(samples):
            series[place].append(series_of(model.name, digest, count, found))
    return tuple(tuple(each) for each in series)


def _sample(candidate: Candidate, model: Path, threads: int) -> Sample:
    asked = candidate.measure(model, threads)
    ran = candidate.run(asked)
    if ran.exit_code != 0:
        how = "took too long" if ran.timed_out else f"ended with exit code {ran.exit_code}"
        raise _failed(candidate, model, how, ran)
    try:
        return asked.read(ran)
    except ValueError as error:
        raise _failed(candidate, model, str(error), ran) from error


def _failed(candidate: Candidate, model: Path, how: str, ran: RunResult) -> BuildError:
    lines = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
    return BuildError(
        f"{candidate.name} could not be measured with {model.name}: {how}",
        details=tuple(lines[-_SHOWN:]),
        hint=f"invoke run {candidate.name} --model {model.name}",
    )
