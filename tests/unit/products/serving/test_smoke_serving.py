"""What is asked of a running model server, and the judgement of what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.plans import make_server_plan
from tfbuild.engine.facts import RunResult
from tfbuild.products.serving.smoke import MODEL, Probe, Questions, judge_server, judge_version, metrics_path

PATTERN = r"^TensorFlow ModelServer: 2\.19\.1(-rc\d+)?(\+dev\.sha\..*)?$"
RIGHT = "state AVAILABLE\nrest 2.5 3 4.5\ngrpc 2.5 3 4.5\nmetrics 12\n"
STOPPED = RunResult(0, "", "the log of the server")


def found(stdout: str, stopped: RunResult = STOPPED, exit_code: int = 0, health: int = 0) -> list[str]:
    probes = [
        Probe(MODEL, (), RunResult(exit_code, stdout, "")),
        Probe("health", (), RunResult(health, "", "not available")),
    ]
    return [finding.id for finding in judge_server(probes, stopped, "the log of the server")[1]]


def test_a_right_server_has_no_finding() -> None:
    assert found(RIGHT) == []


@pytest.mark.parametrize(
    ("stdout", "ids"),
    [
        (RIGHT.replace("rest 2.5 3 4.5", "rest 2.5 3 4.6"), ["smoke-answer"]),
        (RIGHT.replace("grpc 2.5 3 4.5", "error grpc 5 not found"), ["smoke-answer"]),
        (RIGHT.replace("rest 2.5 3 4.5", "rest 2.5 3"), ["smoke-answer"]),
        (RIGHT.replace("metrics 12", "metrics 0"), ["smoke-metrics"]),
        (RIGHT.replace("metrics 12", "error metrics HTTP 404"), ["smoke-metrics"]),
        ("state LOADING\n", ["smoke-model"]),
        ("\n", ["smoke-no-output"]),
        ("", ["smoke-no-output"]),
        ("state AVAILABLE\n", ["smoke-answer", "smoke-answer", "smoke-metrics"]),
    ],
)
def test_each_wrong_answer_is_told(stdout: str, ids: list[str]) -> None:
    assert found(stdout) == ids


def test_a_wrong_answer_shows_what_was_said_and_the_log_of_the_server() -> None:
    probe = Probe(MODEL, (), RunResult(0, RIGHT.replace("grpc 2.5 3 4.5", "error grpc 5 no such model"), ""))
    (finding,) = judge_server([probe], STOPPED, "the log of the server")[1]
    assert "grpc 5 no such model" in "\n".join(finding.evidence)
    assert "the log of the server" in finding.evidence


def test_a_server_that_does_not_heed_sigterm_is_an_error() -> None:
    assert found(RIGHT, replace(STOPPED, timed_out=True, exit_code=137)) == ["smoke-stop"]


def test_a_server_that_crashes_when_it_stops_is_an_error() -> None:
    assert found(RIGHT, replace(STOPPED, exit_code=139)) == ["smoke-crash"]


def test_a_health_check_that_fails_is_an_error() -> None:
    assert found(RIGHT, health=1) == ["smoke-health"]


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
    questions = Questions("/smoke", 120, "/monitoring/prometheus/metrics")
    off = make_server_plan().part
    assert questions.server_arguments(off) == ("--monitoring_config_file=/smoke/monitoring.config",)
    on = make_server_plan(
        "2.19.1", "opt", make_server_plan().arch, "serving.monitoring.prometheus=true",
        "serving.monitoring.path=/metrics",
    ).part  # fmt: skip
    assert questions.server_arguments(on) == ()
    assert metrics_path(on) == "/metrics"
    assert metrics_path(off) == "/monitoring/prometheus/metrics"


def test_a_probe_that_printed_nothing_gave_no_wrong_answer() -> None:
    probe = Probe(MODEL, (), RunResult(0, "", ""))
    _, (finding,) = judge_server([probe], STOPPED, "")
    assert finding.id == "smoke-no-output"


def test_only_a_health_check_that_is_well_may_be_silent() -> None:
    assert [each.speaks for each in Questions("/smoke", 1, "/m").probes(("entry",))] == [True, False]
