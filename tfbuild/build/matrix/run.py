"""Carries out many builds, several at a time: starts what :mod:`schedule` names, hears how each ends."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfbuild.base.errors import ExitCode, Interrupted, TfBuildError
from tfbuild.build.matrix.schedule import Job, Node, Placed, next_start
from tfbuild.machine.interrupts import hold_signals

_POLL_S = 0.2
# The worst first: what tells most about what has to be done.
_WORST = (
    ExitCode.BUG,
    ExitCode.INTERRUPTED,
    ExitCode.VERIFICATION_FAILED,
    ExitCode.BUILD_FAILED,
    ExitCode.PACKAGING_FAILED,
    ExitCode.DOWNLOAD,
    ExitCode.HOST_NOT_READY,
    ExitCode.LOCKED,
    ExitCode.NOTHING_MATCHES,
    ExitCode.USAGE,
)


@dataclass(frozen=True)
class Ended:
    """How a build ended on its node; ``result`` is its document where it went well.

    ``away`` tells why the node is to blame and not the build (it does not answer, it is full); ``lost`` that
    nothing should be sent there any more.
    """

    code: int
    seconds: float
    result: Mapping[str, Any] | None = None
    message: str = ""
    hint: str = ""
    log: str = ""
    away: str = ""
    lost: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one job; ``ended`` is None where it was not started, ``node`` where no node was needed.

    ``moves`` are the nodes that failed it before, each with the reason.
    """

    job: Job
    node: Node | None
    ended: Ended | None
    moves: tuple[str, ...] = ()


Start = Callable[[Placed, threading.Event], Ended]
Tell = Callable[[str], None]


@dataclass
class _Board:
    """The state of a run; only the thread that decides touches it."""

    jobs: Sequence[Job]
    nodes: list[Node]
    waiting: list[Job]
    running: list[Placed] = field(default_factory=list)
    tried: dict[str, frozenset[str]] = field(default_factory=dict)
    moves: dict[str, tuple[str, ...]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    stopping: bool = False

    def nodes_left(self, job: Job) -> bool:
        """Whether a node is left that could still take ``job``."""
        tried = self.tried.get(job.id, frozenset())
        return any(node.arch in job.on and node.name not in tried for node in self.nodes)


def carry_out(
    jobs: Sequence[Job], nodes: Sequence[Node], start: Start, *, keep_going: bool, tell: Tell
) -> tuple[Outcome, ...]:
    """Carry out ``jobs`` on ``nodes``; an outcome for each, in their order.

    ``start`` carries one out to its end; it is called in a thread of its own, and ends soon when its event is
    set. Without ``keep_going`` nothing is started after a failure; what runs is finished.

    :raises Interrupted: on Ctrl-C, when everything that was started has ended.
    """
    board = _Board(jobs, list(nodes), list(jobs))
    cancelled, ends = threading.Event(), queue.Queue[tuple[Placed, Ended | BaseException]]()
    threads: list[threading.Thread] = []
    try:
        while True:
            while not board.stopping and (placed := _next(board)):
                tell(_beginning(placed))
                # An interrupt between the start of the thread and the note of it would lose it.
                with hold_signals():
                    threads.append(_started(placed, start, cancelled, ends))
                    board.waiting.remove(placed.job)
                    board.running.append(placed)
            if not board.running:
                break
            _note_end(board, *_next_end(ends), keep_going=keep_going, tell=tell)
    except BaseException as error:
        cancelled.set()
        with hold_signals(swallow=True):
            for thread in threads:
                thread.join()
        if isinstance(error, KeyboardInterrupt):
            raise _interrupted(board) from None
        raise
    return tuple(board.outcomes.get(job.id) or _never(board, job) for job in jobs)


def worst(outcomes: Sequence[Outcome]) -> int:
    """The exit code of the worst of them; 0 where all went well."""
    codes = {each.ended.code for each in outcomes if each.ended}
    return next((int(code) for code in _WORST if code in codes), max(codes, default=0))


def error_of(outcome: Outcome) -> TfBuildError:
    """What went wrong with a build, as an error with its exit code."""
    ended = outcome.ended
    if ended is None:
        raise TypeError(f"{outcome.job.id} did not end")
    where = f" on {outcome.node.name}" if outcome.node and outcome.node.name else ""
    error = TfBuildError(
        f"{outcome.job.id}{where}: {ended.message or 'failed'}",
        details=outcome.moves,
        hint=ended.hint or None,
        log=Path(ended.log) if ended.log else None,
    )
    error.exit_code = ExitCode(ended.code)
    return error


def _next(board: _Board) -> Placed | None:
    return next_start(board.waiting, board.running, board.nodes, board.tried)


def _next_end(
    ends: queue.Queue[tuple[Placed, Ended | BaseException]],
) -> tuple[Placed, Ended | BaseException]:
    """The next build that ends. A signal may reach another thread, so this one looks up now and then."""
    while True:
        with suppress(queue.Empty):
            return ends.get(timeout=_POLL_S)


def _started(
    placed: Placed,
    start: Start,
    cancelled: threading.Event,
    ends: queue.Queue[tuple[Placed, Ended | BaseException]],
) -> threading.Thread:
    def work() -> None:
        try:
            ends.put((placed, start(placed, cancelled)))
        except BaseException as error:  # noqa: BLE001 - raised again where it is decided
            ends.put((placed, error))

    thread = threading.Thread(target=work, name=placed.job.id, daemon=True)
    thread.start()
    return thread


def _note_end(
    board: _Board, placed: Placed, ended: Ended | BaseException, *, keep_going: bool, tell: Tell
) -> None:
    if isinstance(ended, BaseException):
        raise ended
    job, node = placed.job, placed.node
    board.running.remove(placed)
    if ended.lost:
        board.nodes = [each for each in board.nodes if each.name != node.name]
    if ended.away:
        board.tried[job.id] = board.tried.get(job.id, frozenset()) | {node.name}
        if board.nodes_left(job) and not board.stopping:
            why = f"{node.shown}: {ended.away}"
            board.moves[job.id] = (*board.moves.get(job.id, ()), why)
            board.waiting.insert(0, job)
            tell(f"{job.id} goes on elsewhere; {why}; what is compiled there is kept")
            return
    board.outcomes[job.id] = Outcome(job, node, ended, board.moves.get(job.id, ()))
    if ended.code and not keep_going:
        board.stopping = True


def _never(board: _Board, job: Job) -> Outcome:
    """A job that was not started: after a failure, or since no node is left that could take it."""
    if board.stopping:
        return Outcome(job, None, None, board.moves.get(job.id, ()))
    words = ", ".join(sorted(map(str, job.on)))
    ended = Ended(
        int(ExitCode.HOST_NOT_READY),
        0.0,
        message=f"no engine is left that could build {job.id} (on {words})",
        hint="invoke doctor",
    )
    return Outcome(job, None, ended, board.moves.get(job.id, ()))


def _beginning(placed: Placed) -> str:
    where = f" on {placed.node.name}" if placed.node.name else ""
    jobs = f", {placed.jobs} job{'s' if placed.jobs > 1 else ''}" if placed.jobs else ""
    return f"{placed.job.id} begins{where}{jobs}"


def _interrupted(board: _Board) -> Interrupted:
    done = sum(1 for each in board.outcomes.values() if each.ended and not each.ended.code)
    return Interrupted(
        f"interrupted; {done} of {len(board.jobs)} builds are done",
        details=("nothing is left running; finished downloads and compiled objects are kept",),
        hint="the same command continues",
    )
