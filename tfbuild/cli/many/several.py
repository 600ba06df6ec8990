"""``--arch A,B`` where the user has nodes: each architecture at home on one, side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.project import PROJECT
from tfbuild.base.values import Origin, Reporter
from tfbuild.build.matrix.run import carry_out, error_of, worst
from tfbuild.cli.many.build_all import command_of, job_of, outlooks, settled
from tfbuild.cli.many.children import Children
from tfbuild.cli.many.engines import answers, engines
from tfbuild.engine.nodes import NodeEntry
from tfbuild.plan.matrix.plan import MatrixPlan, PlannedBuild, hosts_for, plans_on
from tfbuild.plan.plan import Plan
from tfbuild.plan.several import split_arches
from tfbuild.plan.words import Words, host_arch
from tfbuild.products.table import plan_of


def plan_on_nodes(product: str, words: Words, nodes: Sequence[NodeEntry]) -> MatrixPlan:
    """A build for each architecture of ``words``, planned for where it is at home."""
    host = host_arch()
    builds = []
    for each in split_arches(words):

        def make(on: Arch, words: Words = each) -> Plan[Any]:
            return plan_of(PROJECT, product, words, env=os.environ, build_arch=on)

        hosts = hosts_for(Arch(each.arch), host, [node.arch for node in nodes])
        plans = plans_on(make, hosts)
        builds.append(PlannedBuild(next(iter(plans.values())).build_id, product, each, plans, Origin("")))
    return MatrixPlan(tuple(builds))


def build_on_nodes(
    matrix: MatrixPlan, nodes: Sequence[NodeEntry], *, offline: bool, reporter: Reporter
) -> tuple[tuple[Plan[Any], ...], Mapping[str, float]]:
    """Carry the builds out side by side. The plan of each as it was made, and the seconds of those that were
    not there yet, by build id.

    :raises TfBuildError: with the exit code of the worst; what is finished is kept.
    """
    looks = outlooks(matrix)
    commands = {each.build.label: command_of(each.build, offline=offline) for each in looks}
    children = Children(commands, tell=reporter.note, answers=answers)
    where = engines(None, nodes, tell=reporter.warn)
    kept = settled(looks, reporter.note)
    jobs = [job_of(look) for look in looks if look.build.label not in kept]
    outcomes = carry_out(jobs, where, children, keep_going=False, tell=reporter.note)
    if code := worst(outcomes):
        done = [*kept, *(each.job.id for each in outcomes if each.ended and not each.ended.code)]
        reporter.note(f"no image of several platforms was made; finished: {', '.join(done) or 'nothing yet'}")
        raise error_of(next(each for each in outcomes if each.ended and each.ended.code == code))
    by_name = kept | {each.job.id: each for each in outcomes}
    plans, made = [], {}
    for build in (look.build for look in looks):
        node, ended = by_name[build.label].node, by_name[build.label].ended
        plans.append(build.plan_on(node.arch) if node else build.plan)
        if ended and (ended.result or {}).get("status") == "built":
            made[plans[-1].build_id] = ended.seconds
    return tuple(plans), made
