"""benchmarks.scale: what follows from its rules alone. How true they are: docs/explanation/scale.md."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.recorded import Action, of_bazel, of_ninja
from benchmarks.scale import Cluster, simulate

ONE = Cluster(
    workers=1, share=1.0, link=1e9, before=0.0, latency=0.0, overhead=0.0, sent=0.0, received=0.0, jobs=100
)
Times = st.lists(st.floats(0.1, 50), min_size=1, max_size=40)


@given(Times)
def test_one_worker_takes_all_of_the_time(actions: list[float]) -> None:
    found = simulate(actions, ONE, hits=0)
    assert found.walls == pytest.approx([sum(actions)])
    assert found.use(ONE) == pytest.approx(1)


@given(Times, st.integers(1, 20))
def test_no_size_beats_the_longest_action_or_the_even_share(actions: list[float], workers: int) -> None:
    (wall,) = simulate(actions, replace(ONE, workers=workers), hits=0).walls
    least = max(max(actions), sum(actions) / workers)
    # Graham's bound for whoever takes what comes next.
    assert least - 1e-6 <= wall <= sum(actions) / workers + max(actions)


def test_what_is_known_costs_no_worker() -> None:
    cluster = replace(ONE, latency=0.5, jobs=1, received=2.0, link=4.0)
    found = simulate([30.0] * 10, cluster, hits=1)
    assert (found.busy, found.walls, found.moved) == (0, (10.0,), 20.0)
    half = simulate([30.0] * 10, ONE, hits=0.5)
    assert half.busy == 150


def test_a_small_share_of_a_cpu_and_a_slow_line_cost_time() -> None:
    actions = [1.0] * 8
    assert simulate(actions, replace(ONE, share=0.25), hits=0).walls == pytest.approx((32.0,))
    # The line of a build carries one action's files after the other.
    assert simulate(actions, replace(ONE, workers=8, sent=2.0, link=1.0), hits=0).walls == (17.0,)


def test_builds_that_begin_together_share_the_workers() -> None:
    found = simulate([1.0] * 10, replace(ONE, workers=2), hits=0, starts=[0.0, 0.0])
    assert max(found.walls) == 10
    assert found.use(replace(ONE, workers=2)) == 1


def test_logs_of_both_tools() -> None:
    log = "# ninja log v5\n20\t1520\t0\tb.o\ta1\n0\t2000\t0\ta.o\tb1\n2000\t2100\t0\tlib.so\tc1\n"
    assert of_ninja(log) == (Action("a.o", 2.0), Action("b.o", 1.5))
    here = [
        {"cat": "action processing", "name": "Compiling a.cc", "ts": 5, "dur": 1_500_000},
        {"cat": "action processing", "name": "Linking a", "ts": 6, "dur": 1_500_000},
    ]
    assert of_bazel({"traceEvents": [*here]}) == (Action("Compiling a.cc", 1.5),)
    there = {"cat": "Remote execution process wall time", "name": "execute", "ts": 7, "dur": 1_000_000}
    assert of_bazel({"traceEvents": [*here, there]}) == (Action("execute", 1.0),)
