"""``invoke benchmark``, and what ``compare`` needs of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.base.text import shown
from tfbuild.build.trial import Measurement
from tfbuild.cli.console import ConsoleReporter
from tfbuild.cli.trying.targets import dist_folder, image_of
from tfbuild.compare.figures import Figures, Series, keep_figures, machine_words, read_figures
from tfbuild.compare.measure import ROUNDS, THREADS, Candidate, measure_all
from tfbuild.engine.facts import Engine, ImageFacts, RunResult
from tfbuild.machine.cache import cache_root, prepare_cache
from tfbuild.machine.path_words import input_file
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.products.table import trial_of

_MOST_THREADS, _MOST_ROUNDS = 1024, 1000


@dataclass(frozen=True, kw_only=True)
class BenchmarkRequest:
    """What to measure, and how often."""

    model: Path
    threads: tuple[int, ...] = THREADS
    rounds: int = ROUNDS


@dataclass(frozen=True, kw_only=True)
class BenchmarkDocument:
    """The document of ``benchmark --json``: what was measured now; ``kept`` is the file in the cache."""

    version: Literal[1] = 1
    target: str
    image: str
    machine: str
    series: tuple[Series, ...]
    kept: str


def parse_request(model: str, threads: str, rounds: str) -> BenchmarkRequest:
    """The options as they were typed; empty ones have their defaults.

    :raises UsageError: one cannot be understood, or there is no such model.
    """
    return BenchmarkRequest(
        model=input_file(model, "--model"),
        threads=tuple(dict.fromkeys(_numbers(threads, "--threads", _MOST_THREADS))) or THREADS,
        rounds=next(iter(_numbers(rounds, "--rounds", _MOST_ROUNDS)), ROUNDS),
    )


def _numbers(words: str, option: str, most: int) -> list[int]:
    found = []
    for word in words.split(",") if words else ():
        number = int(word) if word.strip().isascii() and word.strip().isdigit() and len(word) < 9 else 0
        if not 0 < number <= most:
            example = f"{option} 1,2" if option == "--threads" else f"{option} 5"
            raise UsageError(
                f"{option} takes whole numbers from 1 to {most}, not '{shown(word)}'", hint=example
            )
        found.append(number)
    if option == "--rounds" and len(found) > 1:
        raise UsageError("--rounds takes one number", hint="--rounds 5")
    return found


def benchmark(
    target: str, model: str, threads: str, rounds: str, output: str, *, as_json: bool = False
) -> int:
    """``invoke benchmark``"""
    if not target or not model:
        raise UsageError(
            "what is to be measured, and with which model?", hint="invoke benchmark BUILD --model FILE"
        )
    request = parse_request(model, threads, rounds)
    found, engine = image_of(target, dist_folder(output))
    (figures,) = measure_images([(target, found.facts)], request, engine)
    keys = {(request.model.name, count) for count in request.threads}
    series = tuple(each for each in figures.series if (each.model, each.threads) in keys)
    kept = keep_figures(prepare_cache(cache_root(os.environ)), figures)
    if as_json:
        document = BenchmarkDocument(
            target=target, image=found.name, machine=figures.machine, series=series, kept=str(kept)
        )
        write_json(dump(document))
        return ExitCode.OK
    write_lines(
        [f"{found.name} on {figures.machine}, {request.rounds} rounds: median (least to most)"]
        + [line for each in series for line in series_lines(each)]
        + [f"kept for invoke compare {target}"]
    )
    return ExitCode.OK


def series_lines(series: Series) -> list[str]:
    """A series as text."""
    lines = [f"  {series.title}: {series.latency_ms.text()} ms an inference"]
    if series.load_ms:
        lines.append(f"    loads in {series.load_ms.text()} ms")
    if series.memory_mib:
        lines.append(f"    takes {series.memory_mib.text()} MiB")
    return lines


def measure_images(
    images: Sequence[tuple[str, ImageFacts]], request: BenchmarkRequest, engine: Engine
) -> tuple[Figures, ...]:
    """Measure the images, each called by its word; what is known of each from then on. Nothing is kept yet.

    :raises UsageError: nothing measures such an image.
    """
    candidates = [_candidate(word, facts, engine) for word, facts in images]
    cache, machine = cache_root(os.environ), machine_words()
    engine.cleanup_leftovers()
    with ConsoleReporter() as reporter:
        reporter.step_started(1, 1, f"measure {request.model.name}")
        series = measure_all(candidates, request.model, request.threads, request.rounds, reporter.progress)
        reporter.step_finished("ok", f"{request.rounds} rounds")
    found = []
    for (_, facts), new in zip(images, series, strict=True):
        known = read_figures(cache, facts.id)
        # Figures of another machine say nothing beside those of this one.
        before = known.series if known and known.machine == machine else ()
        found.append(Figures(image=facts.id, machine=machine, series=before).with_series(new))
    return tuple(found)


def _candidate(word: str, facts: ImageFacts, engine: Engine) -> Candidate:
    known = trial_of(facts)
    if known is None:
        raise UsageError(
            f"{word} is no image that this program knows how to measure",
            details=(f"its entrypoint: {' '.join(facts.entrypoint) or 'none'}",),
            hint="an image of invoke build-tflite",
        )
    product, trial = known
    if trial.measure is None:
        raise UsageError(f"{word} is an image of {product}, which is not measured", hint=trial.why_not)

    def run(asked: Measurement) -> RunResult:
        return engine.run_once(facts.id, asked.command, asked.options)

    return Candidate(name=word, measure=partial(trial.measure, facts), run=run)
