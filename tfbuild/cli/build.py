"""``invoke build-tflite``, ``build-serving`` and ``build-keras``."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from tfbuild.base.errors import ExitCode
from tfbuild.base.project import PROJECT
from tfbuild.cli.run import print_json

if TYPE_CHECKING:
    from tfbuild.plan.plan import Plan
    from tfbuild.releases.keys import Release


def build(product: str, words: dict[str, Any], *, dry_run: bool, as_json: bool, offline: bool) -> int:
    """``invoke build-tflite``, ``build-serving`` and ``build-keras``"""
    from tfbuild.plan.several import make_plans
    from tfbuild.plan.words import Words, host_arch
    from tfbuild.products.table import load_release, plan_of

    make = partial(plan_of, PROJECT, product, env=os.environ, build_arch=host_arch())
    plans = make_plans(Words(**words), make)
    if dry_run:
        return _show(plans, as_json)
    release = load_release(PROJECT, plans[0].product, words["release"] or plans[0].release)
    return _build(plans, release, as_json=as_json, offline=offline)


def _build(plans: tuple[Plan[Any], ...], release: Release, *, as_json: bool, offline: bool) -> int:
    """Carry the plans out; more than one also become one image of several platforms."""
    from tfbuild.base.documents import dump
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.cli.wiring import build_plan, build_several

    if len(plans) > 1:
        with ConsoleReporter() as reporter:
            index, results = build_several(plans, release, offline=offline, reporter=reporter)
        rows = tuple(row for result in results for row in result.rows)
        outputs = [*(str(each.output) for each in results), index.output]
        images = [*(each.image for each in results), *([index.image] if index.loaded else [])]
        document = dump(index)
    else:
        with ConsoleReporter() as reporter:
            result = build_plan(plans[0], release, offline=offline, reporter=reporter)
        rows, outputs, images = result.rows, [str(result.output)], [result.image]
        document = result.to_json()
    if as_json:
        print_json(document)
        return ExitCode.OK
    reporter.result_table(rows)
    sys.stdout.writelines(f"{line}\n" for line in (*outputs, *images))
    return ExitCode.OK


def _show(plans: tuple[Plan[Any], ...], as_json: bool) -> int:
    from tfbuild.build.layout import Layout
    from tfbuild.machine.cache import cache_root
    from tfbuild.plan.several import index_json, index_plan, index_text
    from tfbuild.products.table import definition_of, plan_text

    def document(plan: Plan[Any]) -> dict[str, Any]:
        layout = Layout(PROJECT, cache_root(os.environ), plan.build_id)
        return {**plan.to_json(), "bake": definition_of(plan, layout)}

    index = index_plan(plans) if len(plans) > 1 else None
    if as_json:
        documents = [document(plan) for plan in plans]
        print_json(index_json(index, documents) if index else documents[0])
        return ExitCode.OK
    texts = [*(plan_text(plan) for plan in plans), *([index_text(index)] if index else [])]
    sys.stdout.write("\n".join(texts))
    return ExitCode.OK
