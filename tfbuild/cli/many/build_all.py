"""``invoke build-all``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.machine.path_words import input_file, output_file
from tfbuild.machine.terminal import write_json, write_lines

if TYPE_CHECKING:
    from tfbuild.base.arch import Arch
    from tfbuild.build.matrix.report import BuildAllDocument
    from tfbuild.build.matrix.run import Outcome
    from tfbuild.build.matrix.schedule import Job
    from tfbuild.cli.many.children import Command
    from tfbuild.cli.run import AllOptions
    from tfbuild.plan.matrix.plan import MatrixPlan, PlannedBuild
    from tfbuild.plan.matrix.show import Outlook
    from tfbuild.plan.plan import Plan
    from tfbuild.plan.words import Words


def build_all(file: str, options: AllOptions) -> int:
    """``invoke build-all``"""
    from tfbuild.plan.words import parse_jobs

    if not file:
        raise UsageError("which builds?", hint="invoke build-all matrix.yaml")
    path = input_file(file, "FILE")
    at_once = parse_jobs(options.at_once, "--at-once")
    junit = _junit_file(options.junit) if options.junit else None
    plan = planned(path, file, options)
    looks = outlooks(plan)
    if options.dry_run:
        return _show(plan, looks, as_json=options.json)
    document = _carry_out(plan, looks, options, at_once)
    if junit:
        _write_junit(junit, document)
    _print_result(document, as_json=options.json)
    return document.exit_code


def planned(path: Path, shown: str, options: AllOptions) -> MatrixPlan:
    """The plan of every build of the matrix in ``path``.

    :raises ConfigError: with all that is wrong with it.
    """
    from tfbuild.base.arch import Arch
    from tfbuild.cli.line.build_words import checked_words
    from tfbuild.cli.line.own_files import user_places
    from tfbuild.cli.line.signing import sign_words
    from tfbuild.cli.many.nodes import entries
    from tfbuild.plan.matrix.expand import expand
    from tfbuild.plan.matrix.file import read_matrix
    from tfbuild.plan.matrix.plan import hosts_for, plan_matrix, plans_on
    from tfbuild.plan.words import Words, host_arch
    from tfbuild.products.table import plan_of

    read = read_matrix(path, shown)
    nodes = [each.arch for each in entries()]
    base = Words(output=options.output, sets=tuple(sign_words(options.sign)), places=user_places())
    host = host_arch()

    def make(product: str, words: Words) -> Mapping[Arch, Plan[Any]]:
        require_taken(product, words)
        found = checked_words(words, PROJECT)

        def on(host: Arch) -> Plan[Any]:
            return plan_of(PROJECT, product, found, env=os.environ, build_arch=host)

        return plans_on(on, hosts_for(Arch(words.arch), host, nodes))

    return plan_matrix(expand(read, base, host), make, read.document)


def require_taken(product: str, words: Words) -> None:
    """:raises UsageError: the command that builds ``product`` has no option for one of ``words``."""
    from tfbuild.plan.matrix.expand import OWN
    from tfbuild.products.table import parse_product

    takes = parse_product(product).takes
    for key in OWN:
        if getattr(words, key) and key not in takes:
            raise UsageError(
                f"a build of this product takes no '{key}'", hint=f"invoke --help build-{product}"
            )


def outlooks(plan: MatrixPlan) -> tuple[Outlook, ...]:
    """What of each build is here."""
    from tfbuild.build.earlier.there import what_is_there
    from tfbuild.cli.line.build_words import layout_of
    from tfbuild.doctor.checks import ENGINE_DISK
    from tfbuild.plan.asked import output_folder
    from tfbuild.plan.matrix.show import Outlook
    from tfbuild.products.table import recipe_of

    found = []
    for build in plan.builds:
        every = {
            host: what_is_there(each, layout_of(each), output_folder(each))
            for host, each in build.plans.items()
        }
        # Where it was made does not matter if it is there.
        host = next((host for host, there in every.items() if there.is_finished), next(iter(every)))
        best = replace(build, plans={host: build.plans[host], **build.plans})
        needs = recipe_of(best.plan).needs(best.plan.part)
        found.append(Outlook(best, every[host], needs.disk if needs else ENGINE_DISK, needs))
    return tuple(found)


def _show(plan: MatrixPlan, looks: Sequence[Outlook], *, as_json: bool) -> int:
    from tfbuild.base.documents import dump
    from tfbuild.build.earlier.there import missing_pins
    from tfbuild.machine.cache import cache_root
    from tfbuild.plan.matrix.show import matrix_document, matrix_lines

    document = matrix_document(plan, looks, missing_pins(plan.pins, cache_root(os.environ)))
    if as_json:
        write_json(dump(document))
    else:
        write_lines(matrix_lines(document, looks))
    return ExitCode.DOWNLOAD if plan.unlocked else ExitCode.OK


def _carry_out(
    plan: MatrixPlan, looks: Sequence[Outlook], options: AllOptions, at_once: int | None
) -> BuildAllDocument:
    from tfbuild.build.matrix.hits import cache_hits, logs_in
    from tfbuild.build.matrix.report import build_all_document
    from tfbuild.build.matrix.run import carry_out
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.cli.many.children import Children
    from tfbuild.cli.many.engines import answers, engines
    from tfbuild.cli.many.nodes import entries
    from tfbuild.cli.wiring import require_room_for

    require_room_for([build.plan for build in plan.builds])
    commands = {build.label: command_of(build, offline=options.offline) for build in plan.builds}
    began = time.monotonic()
    with ConsoleReporter() as reporter:
        nodes = engines(at_once, entries(), tell=reporter.warn)
        children = Children(commands, tell=reporter.note, answers=answers)
        kept = settled(looks, reporter.note)
        jobs = [job_of(look) for look in looks if look.build.label not in kept]
        made = carry_out(jobs, nodes, children, keep_going=options.keep_going, tell=reporter.note)
    every = kept | {each.job.id: each for each in made}
    outcomes = [every[build.label] for build in plan.builds]
    hits = [
        cache_hits(logs_in(Path(each.ended.result["output"])))
        if each.ended and each.ended.result and each.ended.result.get("status") == "built"
        else None
        for each in outcomes
    ]
    builds = [look.build for look in looks]
    return build_all_document(builds, outcomes, hits, time.monotonic() - began)


def command_of(build: PlannedBuild, *, offline: bool) -> Command:
    """The command that makes ``build``, from any folder."""
    from tfbuild.cli.line.build_words import checked_words
    from tfbuild.cli.many.children import Command
    from tfbuild.plan.asked import output_folder
    from tfbuild.products.table import find_release, parse_product

    words = checked_words(build.words, PROJECT)
    release = find_release(PROJECT, build.product, words.release, words.origin)
    # The result's folder is PRODUCT/RELEASE/CONFIG/ARCH of it.
    output = output_folder(build.plan).parents[3]
    words = replace(
        words, release=words.release or release.release, origin=release.origin, output=str(output)
    )
    return Command(
        build.product,
        words,
        takes_jobs=release.is_compiled and build.plan.jobs is None,
        takes_from="from" in parse_product(build.product).takes,
        offline=offline,
    )


def settled(looks: Sequence[Outlook], tell: Callable[[str], None]) -> dict[str, Outcome]:
    """The builds that are there already, image and all, by name; they are signed where that is asked for."""
    from tfbuild.build.dist.signing import sign_folder
    from tfbuild.build.execute import finished
    from tfbuild.build.matrix.run import Ended, Outcome
    from tfbuild.cli.line.signing import signer_of
    from tfbuild.cli.many.engines import in_use
    from tfbuild.plan.asked import output_folder
    from tfbuild.products.table import recipe_of

    found = {}
    for look in (look for look in looks if look.there.is_finished):
        plan, began = look.build.plan, time.monotonic()
        output = output_folder(plan)
        result = finished(plan, recipe_of(plan), output, in_use(), began)
        if result is None:
            continue
        if signer := signer_of(plan.signing, os.environ):
            sign_folder(output, signer)
        tell(f"{look.build.label} is up to date")
        ended = Ended(0, time.monotonic() - began, result.to_json())
        found[look.build.label] = Outcome(job_of(look), None, ended)
    return found


def job_of(look: Outlook) -> Job:
    """What the scheduler has to know of a build."""
    from tfbuild.build.matrix.node import last_node
    from tfbuild.build.matrix.schedule import Job
    from tfbuild.cli.line.build_words import layout_of

    build = look.build
    return Job(
        id=build.label,
        arch=build.plan.arch,
        tree=build.tree,
        memory_per_job=build.plan.memory_per_job_mib << 20,
        on=frozenset(build.plans),
        jobs=build.plan.jobs,
        last=last_node(layout_of(build.plan)),
    )


def _write_junit(path: Path, document: BuildAllDocument) -> None:
    from tfbuild.build.matrix.report import junit_text
    from tfbuild.machine.user_files import replace_text

    try:
        replace_text(path, junit_text(document))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}", hint="--junit FILE") from error


def _junit_file(word: str) -> Path:
    """Where the report goes. Raises :class:`UsageError` where something else is there."""
    from tfbuild.build.matrix.report import NAME
    from tfbuild.machine.user_files import require_replaceable_file

    def is_ours(path: Path) -> bool:
        with path.open("rb") as file:
            return f'<testsuites name="{NAME}"'.encode() in file.read(1000)

    path = output_file(word, "--junit")
    require_replaceable_file(path, is_ours, "a report (--junit)", "another name: --junit FILE")
    return path


def _print_result(document: BuildAllDocument, *, as_json: bool) -> None:
    from tfbuild.base.documents import dump
    from tfbuild.base.errors import TfBuildError
    from tfbuild.build.matrix.report import table
    from tfbuild.cli.console import render_error

    for row in document.builds:
        if row.verdict == "failed":
            log = Path(row.log) if row.log else None
            where = f" on {row.node}" if row.node else ""
            told = f"{row.name}{where}: {row.message or 'failed'}"
            render_error(TfBuildError(told, details=row.moves, hint=row.hint, log=log))
    if as_json:
        write_json(dump(document))
    else:
        write_lines(table(document))
