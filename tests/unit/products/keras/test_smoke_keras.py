"""The judgement of what an image of Keras computed."""

from __future__ import annotations

import pytest

from tests.support.keras import make_plan
from tfbuild.engine.facts import RunResult
from tfbuild.products.keras.part import KerasModel
from tfbuild.products.keras.smoke import ANSWERS, judge_keras, judge_model, outcomes

PART = make_plan().part
VERSIONS = {name.removesuffix("-cpu"): version for name, version in PART.versions}


def printed(**changes: str) -> RunResult:
    lines = {f"version:{name}": version for name, version in VERSIONS.items()} | {"backend": "tensorflow"}
    lines |= {case: " ".join(map(str, answer)) for case, answer in ANSWERS.items()} | changes
    text = "2026-01-01 I tensorflow/core\n" + "".join(f"{case}\t{value}\n" for case, value in lines.items())
    return RunResult(0, text, "")


def test_right_answers_have_no_findings() -> None:
    assert judge_keras(PART, printed()) == ()
    assert {each.case for each in outcomes(printed())} >= {"fit", "matmul", "version:keras"}


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        ({"version:keras": "2.15.0"}, "smoke-version"),
        ({"version:tensorflow": ""}, "smoke-version"),
        ({"backend": "jax"}, "smoke-backend"),
        ({"fit": "1.5 0.6"}, "smoke-answer"),
        ({"matmul": "19 22 43"}, "smoke-answer"),
        ({"reload": "what"}, "smoke-answer"),
    ],
)
def test_each_wrong_word_is_found(changes: dict[str, str], finding: str) -> None:
    assert [each.id for each in judge_keras(PART, printed(**changes))] == [finding]


def test_silence_and_crashes_are_findings() -> None:
    assert len(judge_keras(PART, RunResult(0, "other\tthing\n", ""))) == len(ANSWERS) + len(VERSIONS) + 1


def test_a_program_that_printed_nothing_gave_no_wrong_answer() -> None:
    (finding,) = judge_keras(PART, RunResult(0, "", ""))
    assert finding.id == "smoke-no-output"
    (crash,) = judge_keras(PART, RunResult(132, "", "Illegal instruction\n"))
    assert (crash.id, crash.severity) == ("smoke-crash", "error")
    assert "out of memory" in judge_keras(PART, RunResult(137, "", "", out_of_memory=True))[0].message
    assert "too long" in judge_keras(PART, RunResult(137, "", "", timed_out=True))[0].message


def test_a_model_that_cannot_be_loaded_is_told_with_its_reason() -> None:
    model = KerasModel("m.keras", "m.keras", "keras", "1" * 40)
    assert judge_model(model, RunResult(0, "loaded\tm, 3 parameters\n", "")) == ()
    stderr = "warning\nTypeError: Could not locate class 'Mine'. Make sure\nmore\n"
    (found,) = judge_model(model, RunResult(3, "", stderr))
    assert found.id == "model-not-loaded"
    assert "TypeError: Could not locate class 'Mine'" in found.message
    assert judge_model(model, RunResult(139, "", ""))[0].message.endswith("139")
