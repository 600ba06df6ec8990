"""The smoke test of TFLite: each inference in a container of its own."""

from __future__ import annotations

from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.run import Run
from tfbuild.build.smoke import FOLDER, emulator, repeated, run_program
from tfbuild.engine.facts import RunResult
from tfbuild.products.tflite.part import TflitePart, WheelPart
from tfbuild.products.tflite.smoke.cases import SmokeCase, judge, parse_outcome
from tfbuild.products.tflite.smoke.operators import OperatorCase, judge_operators, parse_operators

# It takes a second; half a minute through Python under an emulator, and more on a busy machine.
_SUITE_TIMEOUT_S = 1200


def smoke(run: Run[TflitePart] | Run[WheelPart]) -> tuple[list[SmokeOutcome], list[Finding]]:
    """Each case in a fresh container of the candidate; foreign ones under the emulator among the files."""
    plan, part = run.plan, run.plan.part
    total = len(part.smoke) + len(part.operators)
    outcomes: list[SmokeOutcome] = []
    findings: list[Finding] = []
    for number, case in enumerate(part.smoke, start=1):
        run.effects.reporter.progress(number, total, case.id)
        ran = _run_case(run, case)
        outcome = parse_outcome(case, ran.exit_code, ran.stdout)
        outcomes.append(outcome)
        findings += judge(case, outcome, version=plan.library_version, stderr=ran.stderr)
        findings += repeated(case.id, ran)
    for number, suite in enumerate(part.operators, start=len(part.smoke) + 1):
        run.effects.reporter.progress(number, total, suite.id)
        ran = _run_case(run, suite, timeout_s=_SUITE_TIMEOUT_S)
        outcome, faults = parse_operators(suite, ran.exit_code, ran.stdout)
        outcomes.append(outcome)
        findings += judge_operators(suite, outcome, faults, version=plan.library_version, stderr=ran.stderr)
        findings += repeated(suite.id, ran)
    return outcomes, findings


def _run_case(
    run: Run[TflitePart] | Run[WheelPart], case: SmokeCase | OperatorCase, timeout_s: int = 300
) -> RunResult:
    inference = case if isinstance(case, SmokeCase) else None
    given = run.layout.model.glob("given-*") if inference and inference.zeros else ()
    hidden = inference.hides if inference else ()
    # https://www.qemu.org/docs/master/user/main.html, "Environment variables"
    env = {"QEMU_CPU": case.cpu} if emulator(run) and case.cpu else {}
    return run_program(run, case.command(FOLDER), timeout_s=timeout_s, env=env, more=given, hidden=hidden)
