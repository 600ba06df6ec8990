"""What is asked of a running model server, and the judgement of what it says."""

from __future__ import annotations

import base64
import copy
import json
import struct
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plans import PROJECT, make_server_plan
from tfbuild.engine.facts import RunResult
from tfbuild.products.serving.smoke.cases import Case, Tensor, flat, read_cases, received, shape_of
from tfbuild.products.serving.smoke.judge import Heard, Ran, judge_server, judge_version
from tfbuild.products.serving.smoke.questions import (
    Question,
    about_half_plus_two,
    about_models,
    metrics_path,
    server_arguments,
)

PATTERN = r"^TensorFlow ModelServer: 2\.19\.1(-rc\d+)?(\+dev\.sha\..*)?$"
STOPPED = RunResult(0, "", "the log of the server")
WELL = RunResult(0, "", "")
CASES = read_cases((PROJECT / "dockerfiles/serving/smoke/cases.json").read_text(encoding="utf-8"))
HALF = about_half_plus_two(120, "/metrics")
SERVICES = ("health", "reflection", "tls")
MODELS = tuple(about_models(CASES, 120, "/metrics", 0.0, "/smoke", SERVICES))
Answers = dict[str, dict[str, Any]]


def page(model: str) -> str:
    series = f':tensorflow:serving:request_count{{model_name="{model}",status="OK"}} 2'
    return f"# TYPE :tensorflow:serving:request_count counter\n{series}\n"


def response(case: Case) -> dict[str, Any]:
    return {
        "modelSpec": {"name": case.model, "version": str(case.version)},
        "outputs": {name: tensor.message() for name, tensor in case.outputs.items()},
    }


def right_half() -> Answers:
    y = Tensor("float32", (3,), (2.5, 3.0, 4.5))
    return {
        "half_plus_two state": {"state": "AVAILABLE"},
        "half_plus_two": {"status": 200, "text": '{"predictions": [2.5, 3.0, 4.5]}'},
        "half_plus_two grpc": {"response": {"outputs": {"y": y.message()}}},
        "metrics": {"status": 200, "text": page("half_plus_two")},
    }


def right_models() -> Answers:
    found: Answers = {}
    for case in CASES:
        found[f"{case.model} state"] = {"state": "AVAILABLE"}
        if case.model == "versions":
            continue
        signature = {
            kind: {name: {"dtype": each.type_name} for name, each in group.items()}
            for kind, group in (("inputs", case.inputs), ("outputs", case.outputs))
        }
        metadata = {"metadata": {"signature_def": {"signature_def": {"serving_default": signature}}}}
        outputs: Any = {name: _nested(list(each.plain()), each.shape) for name, each in case.outputs.items()}
        if len(outputs) == 1:
            (outputs,) = outputs.values()
        found |= {
            case.model: {"response": response(case)},
            f"{case.model} rest": {"status": 200, "text": json.dumps({"outputs": outputs})},
            f"{case.model} metadata": {"status": 200, "text": json.dumps(metadata)},
            f"{case.model} metrics": {"status": 200, "text": page(case.model)},
        }
    before, after = (response(case) for case in CASES if case.model == "versions")
    words = "Servable not found for request: Latest(nobody)"
    return found | {
        "no such model": {"status": 5, "text": words},
        "no such model rest": {"status": 404, "text": f'{{"error": "{words}"}}'},
        "grpc health": {"state": "SERVING"},
        "grpc health ModelService": {"state": "SERVING"},
        "grpc health PredictionService": {"state": "SERVING"},
        "grpc reflection": {
            "services": ["tensorflow.serving.ModelService", "tensorflow.serving.PredictionService"]
        },
        "grpc without tls": {"status": 14, "text": "failed to connect to all addresses"},
        "switch of versions": {"before": before, "response": after, "asked": 60},
    }


def _nested(values: list[Any], shape: tuple[int, ...]) -> Any:
    if not shape:
        return values[0]
    size = len(values) // shape[0]
    return [_nested(values[at * size : (at + 1) * size], shape[1:]) for at in range(shape[0])]


def found(
    questions: tuple[Question, ...],
    answers: Answers,
    *,
    stopped: RunResult = STOPPED,
    health: RunResult = WELL,
    exit_code: int = 0,
) -> list[str]:
    text = "".join(json.dumps({"id": name, **answer}) + "\n" for name, answer in answers.items())
    heard = Heard(questions, RunResult(exit_code, text, ""))
    return [each.id for each in judge_server(Ran("server", heard, stopped, health))[1]]


def test_a_right_server_has_no_finding() -> None:
    assert found(HALF, right_half()) == []
    assert found(MODELS, right_models()) == []


def changed_answer(name: str, answer: dict[str, Any]) -> list[str]:
    return found(MODELS, right_models() | {name: answer})


def test_a_service_that_is_not_there_or_not_well_is_a_finding() -> None:
    assert changed_answer("grpc health", {"state": "NOT_SERVING"}) == ["smoke-service"]
    assert changed_answer("grpc health", {"status": 12, "state": "UNKNOWN"}) == ["smoke-service"]
    assert changed_answer("grpc reflection", {"status": 12}) == ["smoke-service"]
    one = {"services": ["tensorflow.serving.ModelService"]}
    assert changed_answer("grpc reflection", one) == ["smoke-service"]


def test_a_server_that_answers_without_the_tls_it_was_told_to_use_is_a_finding() -> None:
    case = next(each for each in CASES if each.model == "convolution")
    assert changed_answer("grpc without tls", {"response": response(case)}) == ["smoke-service"]


def test_each_question_has_an_answer_in_these_tests() -> None:
    assert {each.id for each in HALF} == set(right_half())
    assert {each.id for each in MODELS} == set(right_models())


@pytest.mark.parametrize("name", [each.id for each in MODELS])
def test_no_answer_to_any_question_is_overlooked(name: str) -> None:
    answers = right_models()
    answers[name] = {}
    assert found(MODELS, answers)[0].startswith("smoke-")


@pytest.mark.parametrize(
    ("name", "answer", "ids"),
    [
        ("half_plus_two", {"status": 200, "text": '{"predictions": [2.5, 3.0, 4.6]}'}, ["smoke-answer"]),
        ("half_plus_two", {"status": 200, "text": '{"predictions": [2.5, 3.0]}'}, ["smoke-answer"]),
        ("half_plus_two", {"status": 200, "text": "not JSON"}, ["smoke-answer"]),
        ("half_plus_two", {"status": 200, "text": "[1]"}, ["smoke-answer"]),
        ("half_plus_two grpc", {"status": 5, "text": "not found"}, ["smoke-answer"]),
        ("half_plus_two grpc", {"response": {"outputs": {"z": {}}}}, ["smoke-answer"]),
        ("half_plus_two grpc", {"response": {"outputs": {"y": {"dtype": "DT_HALF"}}}}, ["smoke-answer"]),
        ("metrics", {"status": 404, "text": "not found"}, ["smoke-metrics"]),
        ("metrics", {"status": 200, "text": "# nothing\n"}, ["smoke-metrics"]),
        ("half_plus_two state", {"state": "LOADING"}, ["smoke-model"]),
    ],
)
def test_each_wrong_answer_is_told(name: str, answer: dict[str, Any], ids: list[str]) -> None:
    assert found(HALF, {**right_half(), name: answer}) == ids


def changed(name: str, change: Callable[[dict[str, Any]], None]) -> list[str]:
    answers = copy.deepcopy(right_models())
    change(answers[name])
    return found(MODELS, answers)


def test_one_bit_of_one_output_is_a_wrong_answer() -> None:
    def next_float(answer: dict[str, Any]) -> None:
        values = answer["response"]["outputs"]["logits"]["floatVal"]
        bits = struct.unpack("<i", struct.pack("<f", values[0]))[0]
        values[0] = struct.unpack("<f", struct.pack("<i", bits + 1))[0]

    assert changed("convolution", next_float) == ["smoke-answer"]
    tolerant = tuple(about_models(CASES, 120, "/metrics", 1e-6, "/smoke"))
    answers = right_models()
    next_float(answers["convolution"])
    assert found(tolerant, answers) == []


def test_probabilities_may_differ_a_little_and_not_more() -> None:
    def moved(by: float) -> Callable[[dict[str, Any]], None]:
        def move(answer: dict[str, Any]) -> None:
            answer["response"]["outputs"]["probabilities"]["floatVal"][2] += by

        return move

    assert changed("convolution", moved(1e-7)) == []
    assert changed("convolution", moved(1e-4)) == ["smoke-answer"]


def test_a_wrong_word_is_a_wrong_answer() -> None:
    def other_word(answer: dict[str, Any]) -> None:
        answer["response"]["outputs"]["joined"]["stringVal"][0] = base64.b64encode(b"another").decode()

    assert changed("text", other_word) == ["smoke-answer"]


@pytest.mark.parametrize(
    "change",
    [
        {"failed": 1},
        {"neither": 1},
        {"asked": 0},
        {"status": 3, "text": "no such file"},
        {"response": response(CASES[-2])},
        {"before": response(CASES[-1])},
    ],
)
def test_a_switch_of_versions_loses_no_request(change: dict[str, Any]) -> None:
    assert changed("switch of versions", lambda answer: answer.update(change)) == ["smoke-switch"]


def test_metadata_of_another_type_is_told() -> None:
    def other_type(answer: dict[str, Any]) -> None:
        answer["text"] = answer["text"].replace("DT_INT64", "DT_INT32")

    assert changed("text metadata", other_type) == ["smoke-metadata"]


def test_a_wrong_answer_shows_what_was_said_and_the_log_of_the_server() -> None:
    answers = {**right_half(), "half_plus_two grpc": {"status": 5, "text": "no such model"}}
    text = "".join(json.dumps({"id": name, **each}) + "\n" for name, each in answers.items())
    (finding,) = judge_server(Ran("server", Heard(HALF, RunResult(0, text, "")), STOPPED, WELL))[1]
    assert "status 5 no such model" in finding.message
    assert "the log of the server" in finding.evidence


def test_an_operator_that_the_server_lacks_is_named_with_the_server_that_has_it() -> None:
    log = RunResult(255, "", "Not found: Op type not registered 'SentencepieceOp' in binary running on host.")
    heard = Heard(HALF, RunResult(1, '{"id": "half_plus_two state", "state": "LOADING"}\n', ""))
    finding, _ = judge_server(Ran("model", heard, log))[1]
    assert finding.id == "smoke-model"
    assert finding.fix is not None
    assert "the operator SentencepieceOp" in finding.fix
    assert "in the wheel tensorflow-text" in finding.fix
    assert "--from source" in finding.fix
    mine = RunResult(255, "", "Not found: Op type not registered 'MyOwn' in binary running on host.")
    finding, _ = judge_server(Ran("model", heard, mine))[1]
    assert finding.fix is not None
    assert "--set serving.op_libraries=FILE.so" in finding.fix


def test_a_model_that_gets_available_without_its_operator_is_a_finding() -> None:
    log = RunResult(
        0, "", "E mlir: Failed to parse f: Op type not registered 'TFText>RoundRobinTrim' in binary"
    )
    answers = "".join(json.dumps({"id": name, **answer}) + "\n" for name, answer in right_half().items())
    (finding,) = judge_server(Ran("model", Heard(HALF, RunResult(0, answers, "")), log))[1]
    assert (finding.id, finding.evidence) == ("smoke-model", (log.stderr,))
    assert finding.fix is not None
    assert "in the wheel tensorflow-text" in finding.fix


def test_what_was_not_asked_is_told_once() -> None:
    answers = {name: each for name, each in right_half().items() if name.endswith("state")}
    assert found(HALF, answers, exit_code=139) == ["smoke-model"]


def test_an_argument_that_the_server_ignores_is_named() -> None:
    log = RunResult(0, "unknown argument: --grpc_max_thread=64\nusage: tensorflow_model_server\n", "")
    answers = "".join(json.dumps({"id": name, **answer}) + "\n" for name, answer in right_half().items())
    (finding,) = judge_server(Ran("server", Heard(HALF, RunResult(0, answers, "")), log, WELL))[1]
    assert finding.id == "smoke-argument"
    assert "--grpc_max_thread=64" in finding.message


def test_a_server_that_does_not_heed_sigterm_is_an_error() -> None:
    late = replace(STOPPED, timed_out=True, exit_code=137)
    assert found(HALF, right_half(), stopped=late) == ["smoke-stop"]


def test_a_server_that_crashes_when_it_stops_is_an_error() -> None:
    assert found(HALF, right_half(), stopped=replace(STOPPED, exit_code=139)) == ["smoke-crash"]


def test_a_health_check_that_fails_is_an_error() -> None:
    assert found(HALF, right_half(), health=RunResult(1, "", "not available")) == ["smoke-health"]


def test_the_manifest_gets_the_numbers_of_a_prediction() -> None:
    text = "".join(json.dumps({"id": name, **each}) + "\n" for name, each in right_half().items())
    outcomes, _ = judge_server(Ran("server", Heard(HALF, RunResult(0, text, "")), STOPPED, WELL))
    cases = {each.case: each for each in outcomes}
    assert cases["half_plus_two"].outputs == cases["half_plus_two grpc"].outputs == (2.5, 3.0, 4.5)
    assert cases["half_plus_two state"].version == "AVAILABLE"
    assert cases["health"].exit_code == 0


@pytest.mark.parametrize(
    ("line", "ids"),
    [
        ("TensorFlow ModelServer: 2.19.1", []),
        ("TensorFlow ModelServer: 2.19.1-rc0+dev.sha.no_git", []),
        ("TensorFlow ModelServer: 2.18.1-rc0+dev.sha.no_git", ["smoke-version"]),
        ("", ["smoke-version"]),
    ],
)
def test_the_version_is_that_of_the_release(line: str, ids: list[str]) -> None:
    ran = RunResult(0, f"{line}\nTensorFlow Library: 2.19.1\n", "")
    assert [finding.id for finding in judge_version(ran, PATTERN)] == ids


def test_an_illegal_instruction_names_the_cpu() -> None:
    (finding,) = judge_version(RunResult(132, "", ""), PATTERN)
    assert "older than -march" in finding.message


def test_monitoring_is_on_in_the_test_also_where_the_image_has_it_off() -> None:
    off = make_server_plan().part
    assert server_arguments(off, "/smoke") == ("--monitoring_config_file=/smoke/monitoring.config",)
    on = make_server_plan(
        "2.19.1", "opt", make_server_plan().arch, "serving.monitoring.prometheus=true",
        "serving.monitoring.path=/metrics",
    ).part  # fmt: skip
    assert server_arguments(on, "/smoke") == ()
    assert metrics_path(on) == "/metrics"
    assert metrics_path(off) == "/monitoring/prometheus/metrics"


def test_a_probe_that_printed_nothing_gave_no_wrong_answer() -> None:
    ran = Ran("server", Heard(HALF, RunResult(0, "", "")), RunResult(0, "", ""), WELL)
    (finding,) = judge_server(ran)[1]
    assert finding.id == "smoke-no-output"


# -- tensors -------------------------------------------------------------------------------------------

SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(data=st.data(), shape=SHAPES)
def test_a_tensor_is_received_as_it_was_sent(data: st.DataObject, shape: tuple[int, ...]) -> None:
    size = 1
    for each in shape:
        size *= each
    values = tuple(data.draw(st.lists(FLOATS, min_size=size, max_size=size)))
    tensor = Tensor("float32", shape, values)
    assert received(json.loads(json.dumps(tensor.message()))) == tensor
    packed = base64.b64encode(struct.pack(f"<{size}f", *values)).decode()
    content = {key: value for key, value in tensor.message().items() if key != "floatVal"}
    assert received({**content, "tensorContent": packed}) == tensor
    nested = tensor.nested()
    assert (shape_of(nested), tuple(flat(nested))) == (shape, values)


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"dtype": "DT_HALF"},
        {"dtype": "DT_FLOAT", "tensorShape": {"dim": [{"size": "3"}]}, "floatVal": [1, 2]},
    ],
)
def test_what_is_no_tensor_of_these_models_is_refused(message: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"tensor of the type|values for the shape"):
        received(message)


def test_bytes_that_are_not_as_many_as_the_shape_says_are_refused() -> None:
    shape = {"dim": [{"size": "3"}]}
    message = {"dtype": "DT_FLOAT", "tensorShape": shape, "tensorContent": "AAAA"}
    with pytest.raises(ValueError, match="bytes for the shape"):
        received(message)
