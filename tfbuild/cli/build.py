"""``invoke build-tflite``, ``build-serving`` and ``build-keras``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.machine.terminal import write_json, write_lines, write_text

if TYPE_CHECKING:
    from tfbuild.base.documents import Replaced
    from tfbuild.cli.run import BuildOptions
    from tfbuild.engine.nodes import NodeEntry
    from tfbuild.plan.matrix.plan import MatrixPlan
    from tfbuild.plan.plan import Plan
    from tfbuild.plan.several import IndexPlan
    from tfbuild.plan.words import Words
    from tfbuild.registry.reference import Reference
    from tfbuild.releases.keys import Release


def build(product: str, words: Words, options: BuildOptions) -> int:
    """``invoke build-tflite``, ``build-serving`` and ``build-keras``"""
    from tfbuild.cli.line.build_words import checked_words
    from tfbuild.cli.many.nodes import entries, node_of
    from tfbuild.cli.registry.push import push_reference
    from tfbuild.plan.several import make_plans
    from tfbuild.plan.words import host_arch
    from tfbuild.products.table import load_release, plan_of

    words = checked_words(words, PROJECT)
    target = push_reference(options.push) if options.push else None
    node, matrix = node_of(options.on), None
    if node is None and "," in words.arch and (nodes := entries()):
        from tfbuild.cli.many.several import plan_on_nodes

        matrix = plan_on_nodes(product, words, nodes)
        plans = tuple(build.plan for build in matrix.builds)
    else:
        host = node.arch if node else host_arch()
        plans = make_plans(words, partial(plan_of, PROJECT, product, env=os.environ, build_arch=host))
    if options.verbose and not options.dry_run:
        raise UsageError("--verbose shows more of a plan", hint="--dry-run --verbose")
    if options.dry_run:
        return _show(plans, as_json=options.json, verbose=options.verbose)
    release = load_release(PROJECT, plans[0].product, words.release or plans[0].release)
    if target and options.offline:
        raise UsageError("--offline, and --push needs the network", hint="invoke push IMAGE REF, later")
    return _build(plans, release, target, options, node, matrix)


def with_models(words: Words, models: Sequence[str]) -> Words:
    """``words`` of a build of TFLite that is for ``models`` alone."""
    from tfbuild.products.tflite.selection.select import settings

    return replace(words, sets=(*words.sets, *settings(models)))


def _build(
    plans: tuple[Plan[Any], ...],
    release: Release,
    target: Reference | None,
    options: BuildOptions,
    node: NodeEntry | None,
    matrix: MatrixPlan | None,
) -> int:
    """Carry the plans out; more than one also become one image of several platforms.

    ``target`` is the name in a registry that the image gets. With ``matrix`` they are built on nodes, side by
    side, as it has them.
    """
    from tfbuild.base.documents import dump
    from tfbuild.build.dist.signing import sign_folder
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.cli.line.signing import signer_of
    from tfbuild.cli.many.nodes import entries
    from tfbuild.cli.many.several import build_on_nodes
    from tfbuild.cli.wiring import build_plan, build_several

    offline = options.offline
    signer = signer_of(plans[0].signing, os.environ)  # a key that cannot be read is told before the build
    if target:  # and so is a registry that cannot be reached
        from tfbuild.cli.registry.push import require_reachable

        with ConsoleReporter() as reporter:
            require_reachable(target, reporter)
    if len(plans) > 1:
        with ConsoleReporter() as reporter:
            made: Mapping[str, float] = {}
            if matrix:
                plans, made = build_on_nodes(matrix, entries(), offline=offline, reporter=reporter)
            index, results = build_several(
                plans, release, offline=offline, reporter=reporter, node=node, made=made
            )
        rows = tuple(row for result in results for row in result.rows)
        outputs = [*(str(each.output) for each in results), index.output]
        images = [*(each.image for each in results), *([index.image] if index.loaded else [])]
        document = dump(index)
    else:
        with ConsoleReporter() as reporter:
            result = build_plan(plans[0], release, offline=offline, reporter=reporter, node=node)
        rows, outputs, images = result.rows, [str(result.output)], [result.image]
        document = result.to_json()
    if signer:
        for output in outputs:
            sign_folder(Path(output), signer)
        reporter.note(f"signed by the key {signer.key.id[:16]}")
    if target:
        from tfbuild.cli.registry.push import push_built

        with ConsoleReporter() as pushing:
            pushed = push_built(Path(outputs[-1]), target, signer, pushing)
        document["pushed"] = {"reference": pushed.reference, "digest": pushed.digest}
        images.append(f"{target.place}@{pushed.digest}")
    if options.json:
        write_json(document)
        return ExitCode.OK
    reporter.result_table(rows)
    write_lines((*outputs, *images))
    return ExitCode.OK


def _show(plans: tuple[Plan[Any], ...], *, as_json: bool, verbose: bool) -> int:
    """Print the plans; the exit code that the build would end with because of what is not locked."""
    from tfbuild.build.dist.replacing import replaced_folder, replaced_index, replaced_text
    from tfbuild.plan.asked import output_folder
    from tfbuild.plan.several import index_plan, index_text
    from tfbuild.products.table import plan_text

    replaced = [replaced_folder(plan, output_folder(plan)) for plan in plans]
    index = index_plan(plans) if len(plans) > 1 else None
    code = ExitCode.DOWNLOAD if any(plan.unlocked for plan in plans) else ExitCode.OK
    if as_json:
        _show_json(plans, replaced, index)
        return code
    places = [replaced_text(each) if each else "" for each in replaced]
    found = replaced_index(index, output_folder(index)) if index else None
    index_place = replaced_text(found) if found else ""
    if not verbose:
        _show_brief(plans, places, index, index_place)
        return code
    texts = [plan_text(plan, place) for plan, place in zip(plans, places, strict=True)]
    write_text("\n".join([*texts, *([index_text(index, index_place)] if index else [])]))
    return code


def _show_json(
    plans: tuple[Plan[Any], ...], replaced: Sequence[Replaced | None], index: IndexPlan | None
) -> None:
    from tfbuild.base.documents import dump
    from tfbuild.cli.line.build_words import layout_of
    from tfbuild.plan.several import index_json
    from tfbuild.products.table import definition_of

    documents = [
        {
            **plan.to_json(),
            "bake": definition_of(plan, layout_of(plan)),
            "replaces": dump(found) if found else None,
        }
        for plan, found in zip(plans, replaced, strict=True)
    ]
    write_json(index_json(index, documents) if index else documents[0])


def _show_brief(
    plans: tuple[Plan[Any], ...], places: Sequence[str], index: IndexPlan | None, index_place: str
) -> None:
    from tfbuild.build.earlier.there import what_is_there
    from tfbuild.cli.console import render_rows
    from tfbuild.cli.line.build_words import layout_of
    from tfbuild.doctor.checks import ENGINE_DISK
    from tfbuild.plan.asked import output_folder
    from tfbuild.plan.show.brief import Prospect, brief
    from tfbuild.products.table import recipe_of

    prospects = []
    for plan, place in zip(plans, places, strict=True):
        needs = recipe_of(plan).needs(plan.part)
        there = what_is_there(plan, layout_of(plan), output_folder(plan))
        prospects.append(Prospect(plan, needs.disk if needs else ENGINE_DISK, needs, there, place))
    render_rows([(row.label, row.text) for row in brief(prospects, index, index_place)])
