"""The judgement of what the smoke programs did."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plans import PROJECT, make_plan
from tfbuild.base.arch import Arch
from tfbuild.base.values import SmokeOutcome
from tfbuild.build.smoke import repeated
from tfbuild.engine.facts import RunResult
from tfbuild.products.tflite.smoke.cases import (
    NOT_DELEGATED,
    DynamicGraphs,
    SmokeCase,
    judge,
    parse_outcome,
    smoke_cases,
)

CASES = {case.id: case for case in smoke_cases(xnnpack=True, dynamic="told")}
ADD = CASES["add, c"]
CONV = CASES["conv_int8, c++"]
DYNAMIC = CASES["dynamic_reshape_float32, c++"]
DELEGATED = {
    "conv_float32",
    "conv_int8",
    "mean_subtracted_float32_batch2",
    "squeeze_excite_float32_batch1",
    "squeeze_excite_float32_batch2",
    "squeeze_excite_int8_batch1",
    "squeeze_excite_int8_batch2",
}
VERSION = "2.14.1"


def test_only_a_foreign_build_has_a_cpu_to_be_emulated() -> None:
    assert {case.cpu for case in make_plan().part.smoke} == {""}
    foreign = make_plan("2.14.1-debian", "neoverse-n1", Arch.ARM64).part
    assert {case.cpu for case in foreign.smoke} == {"neoverse-n1"}
    assert [case.cpu for case in foreign.operators] == ["neoverse-n1"] * 4 + [""] * 4
    native = make_plan("2.14.1-debian", "opt", Arch.ARM64, build_arch=Arch.ARM64).part
    assert {case.cpu for case in (*native.smoke, *native.operators)} == {""}


def test_an_inference_of_each_api_runs_where_the_list_of_cpus_is_hidden() -> None:
    hidden = [case for case in CASES.values() if case.hides]
    assert [case.program for case in hidden] == ["smoke-c", "smoke-cc"]
    assert all(case.must_delegate and case.outputs for case in hidden)
    assert [case.with_delegate for case in hidden] == [True, False]
    # XNNPACK that is out of use there is a quirk of a release: the answer must be right all the same.
    limited = [case for case in smoke_cases(xnnpack=True, needs_cpus=True) if case.hides]
    assert [(case.must_delegate, case.with_delegate) for case in limited] == [(False, False)] * 2
    (finding,) = judge(hidden[1], replace(good(hidden[1]), delegated=0), version=VERSION, stderr="")
    assert (finding.id, finding.severity) == ("xnnpack-not-in-use", "error")
    assert "cpuinfo" in (finding.fix or "")


def good(case: SmokeCase) -> SmokeOutcome:
    delegated = 1 if case.must_delegate else 0
    return SmokeOutcome(case.id, 0, VERSION, case.outputs, delegated, ())


def ids(case: SmokeCase, outcome: SmokeOutcome, stderr: str = "") -> list[str]:
    return [finding.id for finding in judge(case, outcome, version=VERSION, stderr=stderr)]


@pytest.mark.parametrize(
    "case", smoke_cases(xnnpack=True) + smoke_cases(xnnpack=False), ids=lambda case: case.id
)
def test_a_right_answer_has_no_finding(case: SmokeCase) -> None:
    assert ids(case, good(case)) == []


def test_both_apis_are_asked_for_float_and_int8_and_each_such_model_must_be_delegated() -> None:
    must = {case.id for case in CASES.values() if case.must_delegate and not case.hides}
    assert must == {f"{model}, {api}" for model in DELEGATED for api in ("c", "c++")}
    # C++ has XNNPACK in its default resolver; a C program adds it.
    assert {case.program for case in CASES.values() if case.with_delegate} == {"smoke-c"}


def test_the_programs_and_models_are_made_by_the_recipe() -> None:
    script = (PROJECT / "dockerfiles" / "tflite" / "build-smoke.sh").read_text()
    for name in {case.program for case in CASES.values()}:
        assert name in script
    for name in {case.model for case in CASES.values()}:
        ours = PROJECT / "dockerfiles" / "tflite" / "smoke" / "models" / name.replace(".tflite", ".json")
        assert name in script or ours.is_file()


def test_a_command_starts_the_program_with_the_model_and_plain_numbers() -> None:
    assert ADD.command("/smoke") == ("/smoke/smoke-c", "/smoke/add.bin", "1", "3")
    assert CASES["conv_int8, c"].command("/s")[:4] == ("/s/smoke-c", "/s/conv_int8.tflite", "--xnnpack", "1")


@pytest.mark.parametrize(
    ("code", "words"), [(132, "illegal instruction"), (139, "segmentation fault"), (1, "exit code 1")]
)
def test_a_crash_says_why_and_shows_what_was_printed(code: int, words: str) -> None:
    outcome = replace(good(ADD), exit_code=code, outputs=())
    (finding,) = judge(ADD, outcome, version=VERSION, stderr="one\ncannot load\n")
    assert (finding.id, finding.severity) == ("smoke-crash", "error")
    assert words in finding.message
    assert finding.evidence == ("one", "cannot load")


@pytest.mark.parametrize("outputs", [(3.0,), (3.0, 9.0, 0.0), (3.0, 9.01), (9.0, 3.0), (float("nan"), 9.0)])
def test_a_wrong_answer_is_shown_beside_the_right_one(outputs: tuple[float, ...]) -> None:
    outcome = replace(good(ADD), outputs=outputs)
    (finding,) = judge(ADD, outcome, version=VERSION, stderr="")
    assert finding.id == "smoke-answer"
    assert finding.evidence[0] == "expected 3 9"


def test_another_version_of_the_library_is_found() -> None:
    assert ids(ADD, replace(good(ADD), version="2.13.0")) == ["smoke-version"]
    assert ids(ADD, replace(good(ADD), version="")) == ["smoke-version"]


@pytest.mark.parametrize(("delegated", "left"), [(0, ()), (None, ()), (0, (3,)), (1, (3,))])
def test_a_convolution_that_xnnpack_does_not_run_is_an_error(
    delegated: int | None, left: tuple[int, ...]
) -> None:
    outcome = replace(good(CONV), delegated=delegated, left=left)
    (finding,) = judge(CONV, outcome, version=VERSION, stderr="")
    assert (finding.id, finding.severity) == ("xnnpack-not-in-use", "error")
    assert finding.fix is not None
    assert "XNNPACK_DELEGATE_ENABLE_QS8" in finding.fix


def test_other_operators_may_be_left_to_tflite() -> None:
    assert ids(CONV, replace(good(CONV), left=(6, 114))) == []


def test_a_graph_with_dynamic_tensors_is_run_in_each_way_and_its_answer_is_the_same() -> None:
    ways = [case for case in CASES.values() if case.model == DYNAMIC.model]
    assert [(case.program, case.with_delegate) for case in ways] == [
        ("smoke-c", False),
        ("smoke-c", True),
        ("smoke-cc", False),
    ]
    assert {case.outputs for case in ways} == {(10.0, 9.0, 26.0, 17.0)}


def test_a_library_that_loses_its_delegate_without_a_word_is_found() -> None:
    told = f"WARNING: {NOT_DELEGATED} with a graph that has dynamic-sized tensors (tensor#8 ..."
    for way in ("dynamic_reshape_float32, c, delegate", "dynamic_reshape_float32, c++"):
        case = CASES[way]
        outcome = SmokeOutcome(case.id, 0, VERSION, case.outputs, 0, (77, 45, 83, 22, 9))
        assert ids(case, outcome, told) == []
        assert ids(case, outcome, "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.") == [
            "smoke-silent"
        ]


def test_a_release_that_delegates_dynamic_graphs_has_to_do_so() -> None:
    cases = {case.id: case for case in smoke_cases(xnnpack=True, dynamic="delegated")}
    case = cases[DYNAMIC.id]
    assert ids(case, SmokeOutcome(case.id, 0, VERSION, case.outputs, 1, (77, 45, 83))) == []
    assert ids(case, SmokeOutcome(case.id, 0, VERSION, case.outputs, 0, (77, 45, 83, 22, 9))) == [
        "xnnpack-not-in-use"
    ]


@pytest.mark.parametrize("dynamic", [None, "untold"])
def test_of_other_releases_only_the_answer_of_a_dynamic_graph_is_asked(dynamic: DynamicGraphs | None) -> None:
    cases = {case.id: case for case in smoke_cases(xnnpack=True, dynamic=dynamic)}
    case = cases[DYNAMIC.id]
    assert ids(case, SmokeOutcome(case.id, 0, VERSION, case.outputs, 0, ())) == []
    assert ids(case, SmokeOutcome(case.id, 0, VERSION, (10.0, 9.0, 26.0, 16.0), 0, ())) == ["smoke-answer"]


def test_without_xnnpack_nothing_has_to_be_delegated() -> None:
    (case,) = (case for case in smoke_cases(xnnpack=False) if case.id == CONV.id)
    assert ids(case, replace(good(case), delegated=0, left=(3,))) == []


def test_all_that_is_wrong_is_told_at_once() -> None:
    outcome = SmokeOutcome(CONV.id, 0, "1.0", (1.0,), 0, (3,))
    assert ids(CONV, outcome) == ["smoke-version", "smoke-answer", "xnnpack-not-in-use"]


def test_the_programs_lines_are_read_and_others_skipped() -> None:
    told = "INFO: Created TensorFlow Lite XNNPACK delegate for CPU."
    text = "\n".join([told, "version 2.14.1", "delegated 2", "left 3", "left 6", "output 3 9.5 -1e-3"])
    assert parse_outcome(CONV, 0, text) == SmokeOutcome(CONV.id, 0, "2.14.1", (3.0, 9.5, -0.001), 2, (3, 6))


@given(st.text(), st.integers(0, 255))
def test_any_output_can_be_read_and_judged(text: str, code: int) -> None:
    judge(CONV, parse_outcome(CONV, code, text), version=VERSION, stderr=text)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=4), st.integers(0, 9))
def test_what_a_program_prints_is_what_is_read(values: list[float], delegated: int) -> None:
    text = f"version {VERSION}\ndelegated {delegated}\noutput {' '.join(map(repr, values))}\n"
    outcome = parse_outcome(ADD, 0, text)
    assert (list(outcome.outputs), outcome.delegated) == (values, delegated)


@given(st.sampled_from(["delegated x", "left", "left 1.5", "output 1 two", "delegated"]))
def test_a_garbled_line_is_never_taken_for_an_answer(line: str) -> None:
    outcome = parse_outcome(ADD, 0, f"{line}\n")
    assert (outcome.delegated, outcome.left, outcome.outputs) == (None, (), ())


def test_no_answer_is_not_a_wrong_answer() -> None:
    silent = parse_outcome(CONV, 0, "")
    (finding,) = judge(CONV, silent, version=VERSION, stderr="")
    assert finding.id == "smoke-no-output"
    assert "no answer was printed" in finding.message
    assert "run the command again" in str(finding.fix)


def test_an_answer_that_was_cut_off_is_no_wrong_answer_either() -> None:
    cut = parse_outcome(CONV, 0, f"version {VERSION}\ndelegated 1\n")
    assert ids(CONV, cut) == ["smoke-no-output"]


def test_a_second_run_is_told() -> None:
    ran = RunResult(0, "output 1", "", repeated=True)
    assert [(each.id, each.severity) for each in repeated("add, c", ran)] == [("smoke-repeated", "warning")]
    assert repeated("add, c", RunResult(0, "output 1", "")) == ()
