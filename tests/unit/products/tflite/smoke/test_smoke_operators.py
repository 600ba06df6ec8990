"""The judgement of the suite of single operators."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tfbuild.base.values import Finding
from tfbuild.products.tflite.smoke.operators import (
    OperatorCase,
    OperatorLimit,
    column_for,
    columns,
    judge_operators,
    native_cases,
    parse_operators,
    script_cases,
)

VERSION = "2.14.1"
LIMIT = OperatorLimit("five-dimensions", ("mul-float32-5d*",))
C, CXX, ZOO_C, ZOO_CXX = native_cases(VERSION, (LIMIT,), xnnpack=True)
COUNTS = "operators reference 3 3 0\noperators xnnpack 3 3 2\n"
GOOD = f"version {VERSION}\n{COUNTS}"
WRONG = (
    "operator mean-float32-keep xnnpack wrong output 1: 5 of 10 values differ; from value 5 on: "
    "got 1 -4 expected -2 -1\n"
)


def findings(
    stdout: str, *, case: OperatorCase = CXX, code: int = 0, stderr: str = ""
) -> tuple[Finding, ...]:
    outcome, faults = parse_operators(case, code, stdout)
    return judge_operators(case, outcome, faults, version=VERSION, stderr=stderr)


def test_a_right_suite_has_no_finding_and_its_numbers_are_kept() -> None:
    outcome, faults = parse_operators(CXX, 0, GOOD)
    assert [(each.way, each.models, each.right, each.delegated) for each in outcome.operators] == [
        ("reference", 3, 3, 0),
        ("xnnpack", 3, 3, 2),
    ]
    assert (outcome.case, outcome.version, faults) == ("operators, c++", VERSION, ())
    assert findings(GOOD) == ()


def test_a_wrong_answer_names_the_model_and_both_answers() -> None:
    (finding,) = findings(f"version {VERSION}\n{WRONG}{COUNTS}")
    assert (finding.id, finding.severity) == ("smoke-answer", "error")
    assert finding.message == "operators, c++: mean-float32-keep (xnnpack): a wrong answer"
    assert finding.evidence[1:] == ("got 1 -4", "expected -2 -1")


@pytest.mark.parametrize(
    ("line", "identifier", "words"),
    [
        ("failed failed to setup XNNPACK runtime (Invoke)", "smoke-operator-failed", "it cannot be run"),
        ("crashed signal 6", "smoke-crash", "it ends the process"),
        ("left not run by XNNPACK: operators 40", "xnnpack-not-in-use", "does not run it"),
    ],
)
def test_every_way_to_be_wrong_is_an_error_of_that_model(line: str, identifier: str, words: str) -> None:
    (finding,) = findings(f"{GOOD}operator pad-int8 xnnpack {line}\n")
    assert (finding.id, finding.severity) == (identifier, "error")
    assert "pad-int8 (xnnpack)" in finding.message
    assert words in finding.message
    assert finding.evidence == (line.partition(" ")[2],)


def test_a_crash_of_one_model_does_not_hide_another() -> None:
    lines = "operator a reference crashed signal 11\noperator b reference crashed signal 6\n"
    assert [finding.message for finding in findings(GOOD + lines)] == [
        "operators, c++: a (reference): it ends the process",
        "operators, c++: b (reference): it ends the process",
    ]


@pytest.mark.parametrize(
    "stdout",
    [
        f"version {VERSION}\n",
        f"version {VERSION}\noperators reference 3 3 0\n",
        f"version {VERSION}\noperators reference 0 0 0\noperators xnnpack 3 3 2\n",
    ],
    ids=["nothing", "half", "no model"],
)
def test_models_that_were_not_run_are_not_taken_for_right(stdout: str) -> None:
    assert {(finding.id, finding.severity) for finding in findings(stdout)} == {("smoke-incomplete", "error")}


def test_a_program_that_cannot_start_says_why() -> None:
    (finding,) = findings("", code=127, stderr="operators-cc: cannot execute")
    assert (finding.id, finding.evidence) == ("smoke-crash", ("operators-cc: cannot execute",))


def test_another_version_than_the_release_has_is_an_error() -> None:
    assert [finding.id for finding in findings(GOOD.replace(VERSION, "2.13.0"))] == ["smoke-version"]


@pytest.mark.parametrize(
    "line", ["crashed signal 6", "wrong 3 bytes of output, expected 4", "failed (Invoke)"]
)
def test_a_limit_of_the_release_is_one_warning_with_its_quirk(line: str) -> None:
    lines = "".join(f"operator mul-float32-5d{number} reference {line}\n" for number in range(3))
    (finding,) = findings(GOOD + lines)
    assert (finding.id, finding.severity) == ("operator-limit", "warning")
    assert "five-dimensions" in finding.message
    assert len(finding.evidence) == 3
    assert finding.fix is not None
    assert "mul-float32-5d2" in finding.fix


def test_a_limit_covers_neither_other_models_nor_a_lost_delegate() -> None:
    lines = "operator mul-float32-4d reference crashed signal 6\noperator mul-float32-5d xnnpack left 18\n"
    assert [finding.id for finding in findings(GOOD + lines)] == ["smoke-crash", "xnnpack-not-in-use"]


def test_without_xnnpack_only_the_reference_kernels_are_asked() -> None:
    case, *_ = native_cases(VERSION, (), xnnpack=False)
    assert case.command("/smoke") == ("/smoke/operators-c", "/smoke/operators.pack", "--no-xnnpack")
    assert findings(f"version {VERSION}\noperators reference 3 3 0\n", case=case) == ()


def test_a_command_names_what_the_delegation_is_compared_with() -> None:
    assert C.command("/smoke")[-2:] == ("--column", "2.14.1")
    case, zoo = script_cases("2.3.0", (), "ai_edge_litert", xnnpack=True, like="ai_edge_litert")
    assert case.command("/smoke") == (
        "/usr/bin/python3", "/smoke/operators.py", "ai_edge_litert", "/smoke/operators.pack",
        "--column", "litert-2.3.0",
    )  # fmt: skip
    assert zoo.command("/smoke")[3] == "/smoke/zoo.pack"
    assert (ZOO_C.id, ZOO_CXX.command("/smoke")[:2]) == ("zoo, c", ("/smoke/operators-cc", "/smoke/zoo.pack"))


TOO_NEW = (
    "operator lstm-dynamic reference failed Didn't find op for builtin opcode 'FULLY_CONNECTED' "
    "version '12'. An older version of this builtin might be supported.\n"
)


def test_a_model_that_a_release_is_too_old_for_is_a_warning_that_names_the_operator() -> None:
    limit = OperatorLimit("newer-converters", unknown=("FULLY_CONNECTED 12",))
    (finding,) = findings(GOOD + TOO_NEW, case=replace(ZOO_C, limits=(limit,)))
    assert (finding.id, finding.severity) == ("operator-limit", "warning")
    assert finding.fix == (
        "models with FULLY_CONNECTED 12, as newer converters write them, need another release: lstm-dynamic"
    )


def test_an_operator_that_the_release_does_not_say_it_lacks_is_an_error() -> None:
    limit = OperatorLimit("newer-converters", unknown=("FULLY_CONNECTED 13",))
    assert [each.id for each in findings(GOOD + TOO_NEW, case=replace(ZOO_C, limits=(limit,)))] == [
        "smoke-operator-failed"
    ]
    assert findings(GOOD, case=replace(ZOO_C, limits=(limit,))) == ()


def test_litert_s_own_api_tells_no_version() -> None:
    cases = native_cases("2.2.0", (), xnnpack=True, package="ai_edge_litert", litert=True)
    own = [case for case in cases if case.program == "operators-litert"]
    limit = OperatorLimit("output-sizes", ("dynamic_shapes-*",), api="litert")
    limited = native_cases("2.2.0", (limit,), xnnpack=True, package="ai_edge_litert", litert=True)
    assert {case.program for case in limited if case.limits} == {"operators-litert"}
    assert [case.id for case in own] == ["operators, litert", "zoo, litert"]
    assert findings(f"version \n{COUNTS}", case=own[0]) == ()
    assert [each.id for each in findings(f"version \n{COUNTS}", case=cases[0])] == ["smoke-version"]


@pytest.mark.parametrize(
    ("version", "package", "column"),
    [
        ("2.14.1", "", "2.14.1"),
        ("2.16.2", "", "2.14.1"),
        ("2.21.0", "", "2.21.0"),
        ("2.30.0", "", "2.21.0"),
        ("2.13.0", "", "2.14.1"),
        ("2.14.0", "tflite_runtime", "tflite-runtime-2.14.0"),
        ("2.4.0", "ai_edge_litert", "litert-2.3.0"),
    ],
)
def test_a_release_is_compared_with_the_nearest_recorded_one_below_it(
    version: str, package: str, column: str
) -> None:
    assert column_for(version, package) == column
    assert column in columns()


def test_lines_of_others_are_skipped() -> None:
    noise = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\noperators many words here\noperator x\n"
    outcome, faults = parse_operators(CXX, 0, noise + GOOD)
    clean, _ = parse_operators(CXX, 0, GOOD)
    assert (replace(outcome), faults) == (clean, ())
