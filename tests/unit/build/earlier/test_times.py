"""The time that is left: what earlier runs took, and what is made of it while a build runs."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builds import Build
from tests.support.plans import make_plan
from tfbuild.build.earlier.times import NAME, StepTimes, expected_times, keep_time
from tfbuild.build.layout import Layout
from tfbuild.cli.console import ConsoleReporter, Pace, time_left


def layout_of(cache: Path, build_id: str) -> Layout:
    layout = Layout(Path("/project"), cache, build_id)
    layout.work.mkdir(parents=True, exist_ok=True)
    return layout


def test_a_step_that_has_been_done_is_quick_and_one_with_a_new_key_is_not() -> None:
    times = StepTimes(key="a", new=200.0).after("a", 1.0)
    assert times.expected("a") == 1.0
    assert times.expected("b") == 200.0
    assert StepTimes(key="a", new=200.0).expected("a") == 200.0  # nobody has seen it done again
    assert times.after("b", 90.0).expected("c") == 90.0


def test_a_build_expects_what_it_took_before(tmp_path: Path) -> None:
    plan = make_plan()
    layout = layout_of(tmp_path, plan.build_id)
    assert expected_times(plan, layout) == {}
    for number, step in enumerate(plan.steps):
        keep_time(layout, step.id, step.key, 10.0 + number)
    assert expected_times(plan, layout) == {step.id: 10.0 + n for n, step in enumerate(plan.steps)}


def test_a_build_that_is_new_expects_what_another_of_its_release_took(tmp_path: Path) -> None:
    other, mine = make_plan(config="size"), make_plan()
    for step in other.steps:
        keep_time(layout_of(tmp_path, other.build_id), step.id, step.key, 30.0)
    found = expected_times(mine, layout_of(tmp_path, mine.build_id))
    assert found["compile"] == 30.0
    foreign = make_plan("2.20.0")
    assert expected_times(foreign, layout_of(tmp_path, foreign.build_id)) == {}


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1, "steps": {"fetch": {"key": 3}}}', "[" * 9999]
)
def test_a_damaged_file_is_as_good_as_none(text: str, tmp_path: Path) -> None:
    plan = make_plan()
    layout = layout_of(tmp_path, plan.build_id)
    (layout.work / NAME).write_text(text)
    assert expected_times(plan, layout) == {}
    keep_time(layout, "fetch", "k", 1.0)
    assert (layout.work / NAME).read_text().startswith('{"version": 1')


def test_a_build_keeps_the_times_and_tells_them_the_next_time(tmp_path: Path) -> None:
    build = Build(tmp_path)
    build.run()
    (told,) = build.reporter.of("expect")
    assert told == ({},)
    again = Build(tmp_path)
    shutil.rmtree(again.output)
    again.run()
    (told,) = again.reporter.of("expect")
    assert set(told[0]) == set(range(1, len(build.plan.steps) + 1))


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.floats(0, 1e5),
    st.none() | st.builds(Pace, st.integers(0, 100), st.integers(0, 100), st.floats(0, 1e5)),
    st.dictionaries(st.integers(1, 9), st.floats(0, 1e5)),
)
def test_what_is_left_is_never_less_than_nothing(
    index: int, total: int, elapsed: float, pace: Pace | None, expected: dict[int, float]
) -> None:
    left = time_left(index, total, elapsed, pace, expected)
    assert left is None or left >= 0


def test_the_pace_of_the_step_says_more_than_an_earlier_run() -> None:
    assert time_left(1, 2, 10, None, {1: 60, 2: 5}) == 55
    assert time_left(1, 2, 10, Pace(5, 100, 9), {1: 60, 2: 5}) == 55  # too early to say
    assert time_left(1, 2, 10, Pace(50, 100, 10), {1: 60, 2: 5}) == 15
    assert time_left(1, 2, 14, Pace(50, 100, 10), {1: 60, 2: 5}) == 11  # it gets less while a unit takes long
    assert time_left(1, 2, 61, None, {1: 60, 2: 5}) is None  # later than ever: no number
    assert time_left(1, 3, 10, None, {1: 60, 3: 5}) is None  # the second has never been done here


def test_the_line_of_a_running_build_says_how_long_it_will_be() -> None:
    now = 0.0
    reporter = ConsoleReporter(io.StringIO(), clock=lambda: now, env={})
    reporter.expect({1: 60.0, 2: 30.0})
    reporter.step_started(1, 2, "compile")
    now = 20.0
    assert reporter.heartbeat_text() == "… compile 1/2: after 20s (about 1m10s left)"
