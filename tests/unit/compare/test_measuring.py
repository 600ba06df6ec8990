"""Measuring: who is measured when, what is made of the figures, and where they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.compared import IMAGE, figures
from tfbuild.base.errors import BuildError
from tfbuild.build.trial import Measurement, Sample
from tfbuild.compare.figures import FOLDER, Spread, keep_figures, read_figures
from tfbuild.compare.measure import Candidate, measure_all
from tfbuild.engine.facts import RunOptions, RunResult


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\x00\x00\x00\x00TFL3")
    return path


def candidate(name: str, log: list[str], ran: RunResult, sample: Sample | None) -> Candidate:
    def read(result: RunResult) -> Sample:
        if sample is None:
            raise ValueError("no figures")
        return sample

    def measure(model: Path, threads: int) -> Measurement:
        return Measurement(command=(str(threads),), options=RunOptions(), read=read)

    def run(asked: Measurement) -> RunResult:
        log.append(f"{name}{asked.command[0]}")
        return ran

    return Candidate(name=name, measure=measure, run=run)


def test_images_take_turns_and_none_is_always_the_first(model: Path) -> None:
    log: list[str] = []
    ok = RunResult(0, "", "")
    both = [candidate("a", log, ok, Sample(1.0)), candidate("b", log, ok, Sample(2.0, 3.0, 4.0))]
    first, second = measure_all(both, model, (1, 2), 2, lambda *_: None)
    assert log == ["a1", "b1", "b1", "a1", "a2", "b2", "b2", "a2"]
    assert [each.threads for each in first] == [1, 2]
    assert first[0].load_ms is None
    assert second[0].latency_ms == Spread(least=2, median=2, most=2, count=2)


@pytest.mark.parametrize(
    ("ran", "said"),
    [
        (RunResult(1, "", "bad model\n"), "exit code 1"),
        (RunResult(137, "", "", timed_out=True), "took too long"),
        (RunResult(0, "hello\n", ""), "no figures"),
    ],
)
def test_a_program_that_fails_is_told_with_its_words(ran: RunResult, said: str, model: Path) -> None:
    with pytest.raises(BuildError, match=said) as caught:
        measure_all([candidate("a", [], ran, None)], model, (1,), 1, lambda *_: None)
    assert caught.value.details == tuple(line for line in (ran.stdout + ran.stderr).split("\n") if line)


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_a_spread_is_in_order(values: list[float]) -> None:
    found = Spread.of(values)
    assert found.least <= found.median <= found.most
    assert found.count == len(values)


def test_figures_are_kept_by_the_id_of_the_image_and_new_ones_take_their_place(tmp_path: Path) -> None:
    assert read_figures(tmp_path, IMAGE) is None
    keep_figures(tmp_path, figures())
    found = read_figures(tmp_path, IMAGE)
    assert found == figures()
    assert found
    more = found.with_series(figures(2.0).series[:1])
    assert [each.latency_ms.median for each in more.series] == [10.0, 2.5]
    assert read_figures(tmp_path, "sha256:" + "c" * 64) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', '{"image": "sha256:x"}'])
def test_damaged_figures_are_as_good_as_none(text: str, tmp_path: Path) -> None:
    file = keep_figures(tmp_path, figures())
    assert file.parent.name == FOLDER
    file.write_text(text)
    assert read_figures(tmp_path, IMAGE) is None


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.000345, "0.000345"), (5, "5.00"), (12.345, "12.3"), (123456.7, "123457")]
)
def test_a_number_has_three_digits_that_count(value: float, text: str) -> None:
    assert Spread.of([value]).text() == text
