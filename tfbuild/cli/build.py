"""``invoke build-tflite``, ``build-serving`` and ``build-keras``."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfbuild.base.errors import ExitCode
from tfbuild.base.project import PROJECT
from tfbuild.cli.line.own_files import release_word
from tfbuild.machine.path_words import input_word, output_folder
from tfbuild.machine.terminal import write_json, write_lines, write_text

if TYPE_CHECKING:
    from tfbuild.cli.run import BuildOptions
    from tfbuild.plan.plan import Plan
    from tfbuild.plan.words import Words
    from tfbuild.releases.keys import Release


def build(product: str, words: Words, options: BuildOptions) -> int:
    """``invoke build-tflite``, ``build-serving`` and ``build-keras``"""
    from tfbuild.plan.several import make_plans
    from tfbuild.plan.words import host_arch
    from tfbuild.products.table import load_release, plan_of

    words = checked_words(words, PROJECT)
    make = partial(plan_of, PROJECT, product, env=os.environ, build_arch=host_arch())
    plans = make_plans(words, make)
    if options.dry_run:
        return _show(plans, options.json)
    release = load_release(PROJECT, plans[0].product, words.release or plans[0].release)
    return _build(plans, release, as_json=options.json, offline=options.offline)


def checked_words(words: Words, root: Path) -> Words:
    """The words of a build, with the paths among them looked at and ``~`` in them replaced.

    ``root`` is the project.
    """
    output = words.output
    if output:
        folder = output_folder(output, "--output")
        output = str(folder) if output.startswith("~") else output
    model, app = (
        input_word(word, option) if word else ""
        for word, option in ((words.model, "--model"), (words.app, "--app"))
    )
    return replace(words, output=output, model=model, app=app, release=release_word(words.release, root))


def _build(plans: tuple[Plan[Any], ...], release: Release, *, as_json: bool, offline: bool) -> int:
    """Carry the plans out; more than one also become one image of several platforms."""
    from tfbuild.base.documents import dump
    from tfbuild.build.dist.signing import sign_folder
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.cli.line.signing import signer_of
    from tfbuild.cli.wiring import build_plan, build_several

    signer = signer_of(plans[0].signing, os.environ)  # a key that cannot be read is told before the build
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
    if signer:
        for output in outputs:
            sign_folder(Path(output), signer)
        reporter.note(f"signed by the key {signer.key.id[:16]}")
    if as_json:
        write_json(document)
        return ExitCode.OK
    reporter.result_table(rows)
    write_lines((*outputs, *images))
    return ExitCode.OK


def _show(plans: tuple[Plan[Any], ...], as_json: bool) -> int:
    from tfbuild.base.documents import dump
    from tfbuild.build.dist.replacing import replaced_folder, replaced_index, replaced_text
    from tfbuild.build.layout import Layout
    from tfbuild.machine.cache import cache_root
    from tfbuild.plan.asked import output_folder
    from tfbuild.plan.several import index_json, index_plan, index_text
    from tfbuild.products.table import definition_of, plan_text

    replaced = {plan.arch: replaced_folder(plan, output_folder(plan)) for plan in plans}

    def document(plan: Plan[Any]) -> dict[str, Any]:
        layout = Layout(PROJECT, cache_root(os.environ), plan.build_id, plan.plain_id)
        found = replaced[plan.arch]
        replaces = dump(found) if found else None
        return {**plan.to_json(), "bake": definition_of(plan, layout), "replaces": replaces}

    index = index_plan(plans) if len(plans) > 1 else None
    # The code that the build would end with.
    code = ExitCode.DOWNLOAD if any(plan.unlocked for plan in plans) else ExitCode.OK
    if as_json:
        documents = [document(plan) for plan in plans]
        write_json(index_json(index, documents) if index else documents[0])
        return code
    texts = []
    for plan in plans:
        found = replaced[plan.arch]
        texts.append(plan_text(plan, replaced_text(found) if found else ""))
    if index:
        found = replaced_index(index, output_folder(index))
        texts.append(index_text(index, replaced_text(found) if found else ""))
    write_text("\n".join(texts))
    return code
