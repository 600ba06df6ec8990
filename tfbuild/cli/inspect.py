"""``invoke verify``, ``diagnose`` and ``check-upstream``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.base.project import PROJECT
from tfbuild.cli.run import print_json


def check_upstream(clone: str, release: str, *, as_json: bool) -> int:
    """``invoke check-upstream``"""
    from tfbuild.base.documents import dump
    from tfbuild.machine.runner import SubprocessRunner
    from tfbuild.plan.asked import find_release
    from tfbuild.products.serving.release import RELEASES
    from tfbuild.products.serving.upstream import check_upstream, tell

    if not clone:
        raise UsageError(
            "where is the clone of tensorflow/serving?",
            hint="invoke check-upstream --clone PATH --release 2.20.0",
        )
    report = check_upstream(
        find_release(PROJECT, RELEASES, release), Path(clone).expanduser(), SubprocessRunner()
    )
    if as_json:
        print_json(dump(report))
    else:
        tell(report, sys.stdout.write)
    return ExitCode.VERIFICATION_FAILED if report.wrong else ExitCode.OK


def verify(target: str, policy: str, *, as_json: bool) -> int:
    """``invoke verify``"""
    from tfbuild.cli.wiring import save_image
    from tfbuild.verify.text import render
    from tfbuild.verify.verify import DEFAULT_POLICY, load_policy, verify

    if not target:
        raise UsageError("nothing to verify", hint="invoke verify PATH-OR-IMAGE")
    report = verify(target, load_policy(PROJECT, policy or DEFAULT_POLICY), save_image)
    if as_json:
        print_json(report.to_json())
    else:
        sys.stdout.write(render(report).rstrip("\n") + "\n")
    return report.exit_code


def diagnose(image: str, *, as_json: bool, html: str, facts: str, host_facts: bool) -> int:
    """``invoke diagnose``"""
    from tfbuild.cli.wiring import diagnose_effects
    from tfbuild.diagnose.diagnose import diagnose
    from tfbuild.diagnose.host import gather_target, load_target, target_json
    from tfbuild.diagnose.report import render

    if host_facts:
        print_json(target_json(gather_target()))
        return ExitCode.OK
    if not image:
        raise UsageError("nothing to diagnose", hint="invoke diagnose IMAGE, or invoke diagnose --host-facts")
    host = load_target(Path(facts)) if facts else gather_target()
    report = diagnose(image, diagnose_effects(host, this_machine=not facts))
    if html:
        _write_html(report, Path(html))
    if as_json:
        print_json(report.to_json())
    else:
        sys.stdout.write(render(report))
    return report.exit_code


def _write_html(report: Any, path: Path) -> None:
    from tfbuild.diagnose.html import STYLE, render_html

    text = render_html(report, (PROJECT / STYLE).read_text(encoding="utf-8"))
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}", hint="--html FILE") from error
