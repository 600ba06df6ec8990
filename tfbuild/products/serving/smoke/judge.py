"""The judgement of a model server by its answers; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.smoke import no_output, repeated
from tfbuild.engine.facts import RunResult
from tfbuild.products.serving.smoke.expectations import Answer
from tfbuild.products.serving.smoke.operators import wheel_with
from tfbuild.products.serving.smoke.questions import Question

# What a user waits at most for "docker stop"; the engine's own limit is twice that.
STOP_GRACE_S = 5
_LINES_OF_LOG = 15
# tensorflow/core/framework/op.cc
_NO_SUCH_OPERATOR = re.compile(r"Op type not registered '([^']+)'")
# Upstream's main.cc prints the first of them, and starts.
_NO_SUCH_ARGUMENT = re.compile(r"^unknown argument: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Heard:
    """What the program that asked ``questions`` printed, and how it ended."""

    questions: tuple[Question, ...]
    result: RunResult


@dataclass(frozen=True)
class Ran:
    """A server from its start to its stop: what was heard, its health check, how it ended."""

    name: str
    heard: Heard
    stopped: RunResult
    health: RunResult | None = None

    @property
    def log(self) -> str:
        """What the server printed."""
        return re.sub(r"\r\n?", "\n", self.stopped.stdout + self.stopped.stderr)


def judge_version(ran: RunResult, pattern: str) -> tuple[Finding, ...]:
    """What is wrong with the answer to --version; ``pattern`` is the release's."""
    if ran.exit_code != 0:
        return (_crash("--version", ran.exit_code, ran.stderr),)
    if ran.silent:
        return (no_output("--version"),)
    first = ran.stdout.strip().partition("\n")[0]
    if re.match(pattern, first):
        return repeated("--version", ran)
    return (Finding("smoke-version", "error", f"the server says {first!r}", (f"expected {pattern}",)),)


def judge_server(ran: Ran) -> tuple[list[SmokeOutcome], list[Finding]]:
    """Outcomes and what is wrong with them."""
    tail = _tail(ran.log)
    answers = _answers(ran.heard.result.stdout)
    outcomes = [_outcome(each, answers[each.id]) for each in ran.heard.questions if each.id in answers]
    findings = list(_judge_answers(ran.heard, answers, ran.log))
    if ran.health is not None:
        case = "health" if ran.name == "server" else f"health {ran.name}"
        outcomes.append(SmokeOutcome(case, ran.health.exit_code, "", (), None, ()))
        if ran.health.exit_code != 0:
            evidence = (*ran.health.stderr.strip().splitlines()[-3:], *tail)
            findings.append(Finding("smoke-health", "error", "the health check fails", evidence))
    if not any(each.id == "smoke-model" for each in findings) and (fix := _operator_missing(ran.log)):
        # The state is AVAILABLE: functions are looked at when they are called.
        message = f"{ran.heard.questions[-1].id}: a model is loaded that can answer no request"
        findings.append(Finding("smoke-model", "error", message, _said_of_operators(ran.log), fix))
    findings += _judge_arguments(ran.log)
    findings += _judge_stop(ran, tail)
    return outcomes, findings


def _tail(log: str) -> tuple[str, ...]:
    return tuple(log.strip().splitlines()[-_LINES_OF_LOG:])


def _judge_answers(heard: Heard, answers: Mapping[str, Answer], log: str) -> Iterator[Finding]:
    ran, name, tail = heard.result, heard.questions[0].id, _tail(log)
    yield from repeated(name, ran)
    if ran.exit_code == 0 and ran.silent:
        yield no_output(name)
        return
    for question in heard.questions:
        if question.id not in answers:
            said = f"exit code {ran.exit_code}: {ran.stderr.strip()[-200:]}"
            yield Finding("smoke-model", "error", f"{question.id}: not asked, {said}", tail)
            return
        if problems := tuple(question.expected.problems(answers[question.id])):
            message = f"{question.id}: {problems[0]}"
            fix = _operator_missing(log) if question.expected.finding == "smoke-model" else None
            yield Finding(question.expected.finding, "error", message, (*problems[1:], *tail), fix)
            if question.expected.finding == "smoke-model":
                return


def _said_of_operators(log: str) -> tuple[str, ...]:
    return tuple(line for line in log.splitlines() if _NO_SUCH_OPERATOR.search(line))[:3]


def _operator_missing(log: str) -> str | None:
    """What to do where a model has an operator that the server does not have."""
    found = _NO_SUCH_OPERATOR.search(log)
    if found is None:
        return None
    wheel = wheel_with(found[1])
    missing = f"the model has the operator {found[1]}, and this server does not"
    if wheel is None:
        return (
            f"{missing}. A server that is linked with a wheel loads a library of operators that you name: "
            "--set serving.op_libraries=FILE.so"
        )
    return (
        f"{missing}: it is in the wheel {wheel}. Download the one for this TensorFlow "
        f"(pip download --no-deps {wheel}), then --set serving.op_libraries=FILE.whl; upstream's own server, "
        "built with --from source, has it"
    )


def _judge_arguments(log: str) -> Iterator[Finding]:
    if found := _NO_SUCH_ARGUMENT.search(log):
        message = f"the server does not know the argument {found[1]}, and does without it"
        fix = "see serving.server_args; --help after the image's name prints the arguments that it knows"
        yield Finding("smoke-argument", "error", message, (), fix)


def _judge_stop(ran: Ran, tail: tuple[str, ...]) -> Iterator[Finding]:
    if ran.stopped.timed_out:
        message = f"the server did not end within {STOP_GRACE_S} s of SIGTERM"
        yield Finding("smoke-stop", "error", message, tail)
    elif ran.stopped.exit_code != 0:
        yield _crash("the server", ran.stopped.exit_code, ran.log)


def _answers(text: str) -> dict[str, Answer]:
    """The answers by the ids of their questions; a line that is none, such as a half one, is left out."""
    found: dict[str, Answer] = {}
    for line in text.splitlines():
        try:
            answer = json.loads(line)
        except ValueError:
            continue
        if isinstance(answer, dict) and "id" in answer:
            found[answer["id"]] = answer
    return found


def _outcome(question: Question, answer: Answer) -> SmokeOutcome:
    wrong = any(question.expected.problems(answer))
    return SmokeOutcome(question.id, int(wrong), str(answer.get("state", "")), _numbers(answer), None, ())


def _numbers(answer: Answer) -> tuple[float, ...]:
    """The numbers of a prediction, for the manifest: those of the first output by name that has some."""
    outputs = answer.get("response", {}).get("outputs", {})
    for name in sorted(outputs):
        found: Sequence[Any] = outputs[name].get("floatVal", ())
        if found:
            return tuple(float(value) for value in found)
    try:
        predictions = json.loads(answer.get("text", ""))["predictions"]
        return tuple(float(value) for value in predictions)
    except (ValueError, LookupError, TypeError):
        return ()


def _crash(what: str, code: int, log: str) -> Finding:
    cause = {
        132: "an illegal instruction: the CPU is older than -march",
        139: "a segmentation fault",
        127: "it cannot be started",
        126: "it cannot be started",
    }
    return Finding("smoke-crash", "error", f"{what}: {cause.get(code, f'exit code {code}')}", _tail(log))
