"""What an image of Keras must compute, and the judgement of what it did; pure.

``dockerfiles/keras/smoke/smoke.py`` computes; one step of gradient descent there can be done by hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.smoke import no_output, repeated
from tfbuild.engine.facts import RunResult
from tfbuild.products.keras.part import KerasModel, KerasPart

# By the names that smoke.py prints.
ANSWERS = {
    "matmul": (19.0, 22.0, 43.0, 50.0),
    "fit": (1.5, 0.5),
    "reload": (6.5,),  # 1.5 * 4 + 0.5
}
# The module whose version each distribution has.
_MODULES = {"tensorflow-cpu": "tensorflow"}


def outcomes(ran: RunResult) -> tuple[SmokeOutcome, ...]:
    """What the program printed: one outcome per line that is its own."""
    found = []
    for line in ran.stdout.splitlines():
        case, tab, value = line.partition("\t")
        if not tab:
            continue
        numbers = _numbers(value) if case in ANSWERS else ()
        found.append(SmokeOutcome(case, ran.exit_code, "" if numbers else value, numbers, None, ()))
    return tuple(found)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in text.split())
    except ValueError:
        return ()


def judge_keras(part: KerasPart, ran: RunResult) -> tuple[Finding, ...]:
    """What is wrong with what the program printed; nothing if all is right."""
    if ran.exit_code != 0:
        why = "it took too long" if ran.timed_out else f"exit code {ran.exit_code}"
        why = "the container ran out of memory" if ran.out_of_memory else why
        evidence = tuple(ran.stderr.strip().splitlines()[-10:])
        return (Finding("smoke-crash", "error", f"the smoke test of TensorFlow failed: {why}", evidence),)
    said = {each.case: each for each in outcomes(ran)}
    if not said:
        return (no_output("the smoke test of TensorFlow", ran.stderr),)
    return (*repeated("the smoke test of TensorFlow", ran), *_versions(part, said), *_answers(said))


def _versions(part: KerasPart, said: dict[str, SmokeOutcome]) -> Iterator[Finding]:
    for name, version in part.versions:
        module = _MODULES.get(name, name)
        told = said.get(f"version:{module}")
        if told is None or told.version != version:
            text = f"{module} says version {told.version if told else 'nothing'}, the lock has {version}"
            yield Finding("smoke-version", "error", text)
    backend = said.get("backend")
    if backend is None or backend.version != "tensorflow":
        yield Finding("smoke-backend", "error", f"Keras computes with {backend.version if backend else '?'}")


def _answers(said: dict[str, SmokeOutcome]) -> Iterator[Finding]:
    for case, answer in ANSWERS.items():
        got = said[case].outputs if case in said else ()
        right = len(got) == len(answer) and all(
            math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-5)
            for one, other in zip(got, answer, strict=True)
        )
        if not right:
            evidence = (f"expected {answer}", f"got      {got}")
            yield Finding("smoke-answer", "error", f"{case}: a wrong answer", evidence)


def judge_model(model: KerasModel, ran: RunResult) -> tuple[Finding, ...]:
    """Whether the image could load its model."""
    if ran.exit_code == 0:
        return ()
    lines = [line for line in ran.stderr.strip().splitlines() if line.strip()]
    # The reason is where the error of the loader begins; frames of a crash come before it.
    reason = next((line for line in reversed(lines) if "Error: " in line), lines[-1] if lines else "")
    return (
        Finding(
            "model-not-loaded",
            "error",
            f"this TensorFlow and Keras cannot load {model.path}: {reason[:300] or ran.exit_code}",
            tuple(lines[-10:]),
            "save it with the Keras of this release: model.save('model.keras'); "
            "for a SavedModel, model.export('DIR')",
        ),
    )
