"""Many builds at once: their order, what fits beside what, what a failure and Ctrl-C leave."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ExitCode, Interrupted
from tfbuild.build.matrix.run import Ended, Outcome, carry_out, worst
from tfbuild.build.matrix.schedule import HERE, Job, Node, Placed, next_start
from tfbuild.machine.interrupts import install_signal_handlers

GIB = 1 << 30
BOTH = frozenset({Arch.AMD64, Arch.ARM64})
OK = Ended(0, 1.0, {"status": "built"})


def job(
    id: str,
    *,
    arch: Arch = Arch.AMD64,
    tree: str = "",
    jobs: int | None = None,
    gib: int = 2,
    on: frozenset[Arch] = BOTH,
    last: str | None = None,
) -> Job:
    return Job(id, arch, tree or id, gib * GIB, on, jobs, last)


def node(
    name: str = HERE, arch: Arch = Arch.AMD64, cpus: int = 4, gib: int = 8, most: int | None = None
) -> Node:
    return Node(name, arch, cpus, gib * GIB, most)


def starts(waiting: list[Job], nodes: list[Node]) -> list[tuple[str, str, int | None]]:
    """All that would run at once, in the order in which it starts."""
    left, running = list(waiting), list[Placed]()
    while placed := next_start(left, running, nodes):
        left.remove(placed.job)
        running.append(placed)
    return [(each.job.id, each.node.name, each.jobs) for each in running]


# -- what fits ------------------------------------------------------------------------------------------


def test_builds_share_the_cpus_and_the_memory_of_an_engine() -> None:
    two = [job("a"), job("b")]
    assert starts(two, [node(cpus=8, gib=64)]) == [("a", "", 4), ("b", "", 4)]
    assert starts(two, [node(cpus=8, gib=8)]) == [("a", "", 2), ("b", "", 2)]


def test_a_build_that_is_alone_gets_what_its_command_takes_of_itself() -> None:
    assert starts([job("a")], [node()]) == [("a", "", None)]
    assert starts([job("a"), job("b")], [node(gib=2)]) == [("a", "", None)]


def test_one_that_is_larger_than_the_engine_runs_alone() -> None:
    assert starts([job("a", gib=64), job("b")], [node()]) == [("a", "", None)]


def test_no_more_than_asked_for_run_at_once() -> None:
    assert len(starts([job(each) for each in "abcd"], [node(cpus=8, gib=64, most=2)])) == 2


def test_a_number_of_jobs_that_was_asked_for_stays() -> None:
    assert starts([job("a", jobs=3), job("b", jobs=3)], [node(cpus=4, gib=8)]) == [("a", "", 3)]
    assert starts([job("a", jobs=3), job("b", jobs=1)], [node(cpus=4, gib=8)]) == [("a", "", 3), ("b", "", 1)]


def test_two_builds_in_one_tree_come_one_after_the_other() -> None:
    assert starts([job("a", tree="t"), job("b", tree="t"), job("c")], [node()]) == [
        ("a", "", 2),
        ("c", "", 2),
    ]


jobs = st.builds(
    job,
    st.text("abcdefgh", min_size=1, max_size=3),
    tree=st.sampled_from(["", "", "t"]),
    gib=st.integers(1, 20),
    jobs=st.one_of(st.none(), st.integers(1, 9)),
)


@given(
    st.lists(jobs, max_size=12, unique_by=lambda each: each.id),
    st.builds(
        node, cpus=st.integers(1, 16), gib=st.integers(1, 64), most=st.one_of(st.none(), st.integers(1, 4))
    ),
)
def test_whatever_waits_an_engine_is_never_promised_twice_and_never_idle(
    waiting: list[Job], one: Node
) -> None:
    left, running = list(waiting), list[Placed]()
    while placed := next_start(left, running, [one]):
        left.remove(placed.job)
        running.append(placed)
    assert running or not waiting
    assert len(running) <= (one.most or one.cpus)
    assert len({each.job.tree for each in running}) == len(running)
    heavy = [each for each in running if each.memory]
    assert len(heavy) < 2 or sum(each.memory for each in heavy) <= one.memory
    assert all(each.jobs is None or each.jobs <= max(one.cpus, each.job.jobs or 0) for each in running)


# -- nodes ----------------------------------------------------------------------------------------------

PI = node("pi", Arch.ARM64)


def test_a_build_goes_where_its_architecture_is_at_home() -> None:
    arm, amd = job("arm", arch=Arch.ARM64), job("amd")
    assert [each[:2] for each in starts([arm, amd], [node(), PI])] == [("arm", "pi"), ("amd", "")]


def test_it_waits_for_such_a_node_rather_than_to_be_cross_compiled() -> None:
    waiting = [job("a", arch=Arch.ARM64), job("b", arch=Arch.ARM64)]
    assert [each[:2] for each in starts(waiting, [node(), node("pi", Arch.ARM64, most=1)])] == [("a", "pi")]


def test_without_one_it_goes_where_it_can_be_made() -> None:
    riscv = job("r", arch=Arch.RISCV64, on=frozenset({Arch.AMD64}))
    assert [each[:2] for each in starts([riscv], [PI, node()])] == [("r", "")]


def test_it_goes_back_to_the_node_that_has_its_build_tree() -> None:
    nodes = [node(), node("big")]
    assert starts([job("a", last="big")], nodes)[0][1] == "big"
    assert starts([job("a", last="gone")], nodes)[0][1] == ""


# -- a run ----------------------------------------------------------------------------------------------


@dataclass
class World:
    """Builds that end as ``how`` says, by build and node; it remembers which ran at the same time."""

    how: Mapping[tuple[str, str], Ended] = field(default_factory=dict)
    begun: list[tuple[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    on_start: Callable[[Placed, threading.Event], None] = lambda placed, cancelled: None
    most: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, placed: Placed, cancelled: threading.Event) -> Ended:
        with self._lock:
            self.begun.append((placed.job.id, placed.node.name))
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            self.on_start(placed, cancelled)
        finally:
            with self._lock:
                self._now -= 1
        return self.how.get((placed.job.id, placed.node.name), OK)

    def run(self, waiting: list[Job], nodes: list[Node], *, keep_going: bool = False) -> tuple[Outcome, ...]:
        return carry_out(waiting, nodes, self.start, keep_going=keep_going, tell=self.told.append)


def codes(outcomes: tuple[Outcome, ...]) -> list[int | None]:
    return [each.ended.code if each.ended else None for each in outcomes]


def failed(code: ExitCode, away: str = "", *, lost: bool = False) -> Ended:
    return Ended(int(code), 1.0, message="m", away=away, lost=lost)


def test_outcomes_are_in_the_order_of_the_builds_and_some_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=10)

    def meet(_: Placed, __: threading.Event) -> None:
        meeting.wait()

    world = World(on_start=meet)
    outcomes = world.run([job("a"), job("b")], [node()])
    assert [each.job.id for each in outcomes] == ["a", "b"]
    assert (codes(outcomes), world.most) == ([0, 0], 2)


def test_after_a_failure_nothing_begins_any_more() -> None:
    world = World({("a", ""): failed(ExitCode.BUILD_FAILED)})
    outcomes = world.run([job("a"), job("b")], [node(most=1)])
    assert codes(outcomes) == [ExitCode.BUILD_FAILED, None]
    assert world.begun == [("a", "")]


def test_what_runs_beside_a_failure_is_finished() -> None:
    ended = threading.Event()

    def wait(placed: Placed, _: threading.Event) -> None:
        if placed.job.id == "b":
            assert ended.wait(10)
        else:
            threading.Timer(0.05, ended.set).start()

    world = World({("a", ""): failed(ExitCode.BUILD_FAILED)}, on_start=wait)
    assert codes(world.run([job("a"), job("b"), job("c")], [node(most=2)])) == [
        ExitCode.BUILD_FAILED,
        0,
        None,
    ]


def test_with_keep_going_all_the_others_are_built() -> None:
    world = World({("a", ""): failed(ExitCode.DOWNLOAD), ("c", ""): failed(ExitCode.VERIFICATION_FAILED)})
    outcomes = world.run([job(each) for each in "abcd"], [node()], keep_going=True)
    assert codes(outcomes) == [5, 0, 7, 0]
    assert worst(outcomes) == ExitCode.VERIFICATION_FAILED


def test_the_worst_of_nothing_is_no_failure() -> None:
    assert worst(World().run([], [node()])) == 0


@pytest.mark.parametrize("lost", [True, False])
def test_a_build_goes_on_elsewhere_where_its_node_failed(lost: bool) -> None:
    world = World({("a", "pi"): failed(ExitCode.BUILD_FAILED, "its disk is full", lost=lost)})
    arms = [job("a", arch=Arch.ARM64), job("b", arch=Arch.ARM64)]
    outcomes = world.run(arms, [node(), node("pi", Arch.ARM64, most=1)])
    assert codes(outcomes) == [0, 0]
    assert [each.node.name for each in outcomes if each.node] == ["", "" if lost else "pi"]
    assert outcomes[0].moves == ("pi: its disk is full",)
    assert any("a goes on elsewhere; pi: its disk is full" in text for text in world.told)


def test_where_no_other_node_fits_the_failure_is_the_builds() -> None:
    world = World({("a", "pi"): failed(ExitCode.HOST_NOT_READY, "gone", lost=True)})
    only = frozenset({Arch.ARM64})
    outcomes = world.run(
        [job("a", on=only), job("b", on=only)], [node(), node("pi", Arch.ARM64, most=1)], keep_going=True
    )
    assert codes(outcomes) == [4, 4]
    assert outcomes[1].ended is not None
    assert "no engine is left that could build b (on arm64)" in outcomes[1].ended.message


def test_ctrl_c_ends_all_that_runs_before_it_is_told() -> None:
    ended: list[str] = []

    def wait(placed: Placed, cancelled: threading.Event) -> None:
        if placed.job.id == "a":
            return
        if placed.job.id == "c":
            signal.raise_signal(signal.SIGINT)
        assert cancelled.wait(10)
        ended.append(placed.job.id)

    world = World(on_start=wait)
    with install_signal_handlers(), pytest.raises(Interrupted) as raised:
        world.run([job(each) for each in "abcd"], [node(most=2)])
    assert sorted(ended) == ["b", "c"]
    assert "1 of 4 builds are done" in raised.value.message
    assert ("d", "") not in world.begun


def test_a_bug_in_one_build_ends_the_others_too() -> None:
    stopped = threading.Event()

    def fail(placed: Placed, cancelled: threading.Event) -> None:
        if placed.job.id == "a":
            raise ZeroDivisionError
        assert cancelled.wait(10)
        stopped.set()

    with pytest.raises(ZeroDivisionError):
        World(on_start=fail).run([job("a"), job("b")], [node()])
    assert stopped.is_set()
