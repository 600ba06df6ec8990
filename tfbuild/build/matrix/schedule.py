"""Which build starts next, where, and with how many jobs: decisions alone, of values alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tfbuild.base.arch import Arch

HERE = ""  # the name of the engine that commands use without --on


@dataclass(frozen=True)
class Node:
    """An engine that builds. ``memory`` in bytes; at most ``most`` builds at a time (None: one a CPU)."""

    name: str
    arch: Arch
    cpus: int
    memory: int
    most: int | None = None

    @property
    def shown(self) -> str:
        return self.name or "here"


@dataclass(frozen=True)
class Job:
    """A build that waits. ``on`` are the architectures on which it can be made, ``tree`` the build tree that
    nobody else may use meanwhile, ``jobs`` what was asked for."""

    id: str
    arch: Arch
    tree: str
    memory_per_job: int
    on: frozenset[Arch]
    jobs: int | None = None
    last: str | None = None  # the node that has its build tree


@dataclass(frozen=True)
class Placed:
    """A build on its node, with its parallel jobs (None: as the build command decides)."""

    job: Job
    node: Node
    jobs: int | None

    @property
    def memory(self) -> int:
        """Bytes that it is counted with."""
        return (self.jobs or 1) * self.job.memory_per_job


def nodes_for(job: Job, nodes: Sequence[Node]) -> tuple[Node, ...]:
    """Where ``job`` may run, the best first: where its build tree is, then where its own architecture is.

    As long as there is a node of its own architecture, others are not asked.
    """
    possible = [node for node in nodes if node.arch in job.on]
    native = [node for node in possible if node.arch is job.arch]
    chosen = native or possible
    return tuple(sorted(chosen, key=lambda node: (node.name != job.last, node.name != HERE)))


def next_start(
    waiting: Sequence[Job],
    running: Sequence[Placed],
    nodes: Sequence[Node],
    tried: Mapping[str, frozenset[str]] | None = None,
) -> Placed | None:
    """The next build to start, in the order of ``waiting``; None: wait until one ends.

    ``tried`` are the nodes that failed each job.
    """
    tried = tried or {}
    trees = {each.job.tree for each in running}
    for job in waiting:
        if job.tree in trees:
            continue
        fit = [node for node in nodes if node.name not in tried.get(job.id, frozenset())]
        for node in nodes_for(job, fit):
            here = [each for each in running if each.node.name == node.name]
            placed = _place(job, node, here, [each for each in waiting if each is not job])
            if placed:
                return placed
    return None


def _place(job: Job, node: Node, running: Sequence[Placed], others: Sequence[Job]) -> Placed | None:
    """``job`` on ``node`` beside ``running``, if there is room; alone it always has."""
    busy = {job.tree, *(each.job.tree for each in running)}
    rivals = {each.tree for each in others if node.arch in each.on} - busy
    width = max(1, min(_most(node), len(rivals) + len(running) + 1, node.memory // job.memory_per_job))
    jobs = job.jobs or max(1, min(node.cpus // width, node.memory // width // job.memory_per_job))
    placed = Placed(job, node, jobs)
    if not running:
        # Nobody to share with: the build command knows best.
        return placed if job.jobs or width > 1 else Placed(job, node, None)
    free = node.memory - sum(each.memory for each in running)
    has_all = any(each.jobs is None for each in running)
    return placed if len(running) < _most(node) and placed.memory <= free and not has_all else None


def _most(node: Node) -> int:
    return node.most or max(1, node.cpus)
