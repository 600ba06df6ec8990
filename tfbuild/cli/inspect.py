"""``invoke verify``, ``diagnose`` and ``check-upstream``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.machine.path_words import input_folder, input_path, input_word, output_file
from tfbuild.machine.terminal import write_json, write_lines, write_text
from tfbuild.machine.user_files import require_page_place, write_page

if TYPE_CHECKING:
    from tfbuild.diagnose.diagnose import DiagnoseEffects
    from tfbuild.diagnose.host import TargetHost
    from tfbuild.diagnose.known import RunOutcome
    from tfbuild.diagnose.run import RunCase


def check_upstream(clone: str, release: str, *, write_list: bool, as_json: bool) -> int:
    """``invoke check-upstream``"""
    from tfbuild.base.documents import dump
    from tfbuild.cli.line.own_files import release_word
    from tfbuild.machine.runner import SubprocessRunner
    from tfbuild.plan.asked import find_release
    from tfbuild.products.serving import upstream
    from tfbuild.products.serving.asked import RULES

    if not clone:
        raise UsageError(
            "where is the clone of tensorflow/serving?",
            hint="invoke check-upstream --clone PATH --release 2.20.0",
        )
    found = find_release(PROJECT, RULES.releases, release_word(release, PROJECT))
    folder, runner = input_folder(clone, "--clone"), SubprocessRunner()
    if write_list:
        write_lines([f"wrote {upstream.write_list(found, folder, runner)}"], sys.stderr)
    report = upstream.check_upstream(found, folder, runner)
    if as_json:
        write_json(dump(report))
    else:
        write_lines(upstream.report_lines(report))
    return ExitCode.VERIFICATION_FAILED if report.wrong else ExitCode.OK


def verify(
    target: str,
    policy: str,
    *,
    key: str = "",
    require: str = "",
    as_json: bool,
    sarif: str = "",
    junit: str = "",
) -> int:
    """``invoke verify``"""
    from tfbuild.base.documents import dump
    from tfbuild.cli.line.own_files import policy_word
    from tfbuild.cli.line.signing import demand_of
    from tfbuild.cli.wiring import save_image
    from tfbuild.verify.exchange.files import report_writers
    from tfbuild.verify.text import render
    from tfbuild.verify.verify import DEFAULT_POLICY, load_policy, verify

    if not target:
        raise UsageError("nothing to verify", hint="invoke verify PATH-OR-IMAGE")
    rules = load_policy(PROJECT, policy_word(policy or DEFAULT_POLICY, PROJECT))
    writers = report_writers(sarif, junit)
    demand = demand_of(key, require)
    report = verify(input_word(target, "TARGET"), rules, save_image, demand=demand)
    for write in writers:
        write(report)
    if as_json:
        write_json(dump(report))
    else:
        write_text(render(report))
    return report.exit_code


def diagnose(image: str, *, as_json: bool, html: str, facts: str, host_facts: bool) -> int:
    """``invoke diagnose``"""
    from tfbuild.base.documents import dump
    from tfbuild.diagnose.diagnose import diagnose
    from tfbuild.diagnose.host import gather_target, load_target, target_json
    from tfbuild.diagnose.html import STYLE, render_html
    from tfbuild.diagnose.report import render

    if host_facts:
        others = {"an image": image, "--facts": facts, "--html": html}
        if unused := [name for name, value in others.items() if value]:
            raise UsageError(
                f"--host-facts describes this machine only; {' and '.join(unused)} would be ignored",
                hint="invoke diagnose --host-facts > machine.json, then: invoke diagnose IMAGE --facts "
                "machine.json",
            )
        write_json(target_json(gather_target()))
        return ExitCode.OK
    if not image:
        raise UsageError("nothing to diagnose", hint="invoke diagnose IMAGE, or invoke diagnose --host-facts")
    page = output_file(html, "--html") if html else None
    if page:
        require_page_place(page)
    image = input_word(image, "IMAGE")
    host = load_target(input_path(facts, "--facts")) if facts else gather_target()
    report = diagnose(image, _diagnose_effects(host, this_machine=not facts))
    if page:
        write_page(page, render_html(report, (PROJECT / STYLE).read_text(encoding="utf-8")))
    if as_json:
        write_json(dump(report))
    else:
        write_text(render(report))
    return report.exit_code


def _diagnose_effects(host: TargetHost, *, this_machine: bool) -> DiagnoseEffects:
    """What a diagnosis needs; the image is run only where ``host`` is this machine."""
    from tfbuild.cli.wiring import save_image
    from tfbuild.diagnose.diagnose import DiagnoseEffects
    from tfbuild.diagnose.known import load_known_errors
    from tfbuild.diagnose.run import run_image
    from tfbuild.engine.engine import connect

    def run(reference: str, cases: tuple[RunCase, ...]) -> tuple[RunOutcome, ...]:
        engine = connect()
        engine.cleanup_leftovers()
        return run_image(reference, cases, engine)

    return DiagnoseEffects(
        save_image=save_image,
        run=run if this_machine else None,
        host=host,
        known=load_known_errors(PROJECT),
        project=PROJECT,
    )
