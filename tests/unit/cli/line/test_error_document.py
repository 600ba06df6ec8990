"""With ``--json`` an error is a document on stdout too, whatever the command and whatever is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import tasks
from tests.support.commands import Acts, run_invoke
from tests.support.plans import PROJECT
from tfbuild.cli.usage import commands_of

SCHEMA = json.loads((PROJECT / "schemas" / "error.schema.json").read_text())
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    found = Acts()
    found.refuse(monkeypatch)
    return found


def failed(line: str, capsys: Captured) -> Any:
    code = run_invoke(*line.split())
    told = capsys.readouterr()
    document = json.loads(told.out)
    jsonschema.validate(document, SCHEMA)
    error = document["error"]
    assert error["exit_code"] == code != 0
    assert told.err.startswith(f"error: {error['message']}")
    return error


def test_every_command_that_makes_something_has_json() -> None:
    without = {name for name, command in commands_of(tasks.ns).items() if "--json" not in command.names}
    assert without == {"test"}


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        ("build-tflite --json --config optt", 3, "unknown config 'optt'; did you mean 'opt'?"),
        ("build-tflite --json --jobs 0", 2, "--jobs takes a positive whole number, not '0'"),
        ("build-serving --json --dry-run --release 2.2.0", 3, "there is no serving release '2.2.0'"),
        ("build-keras --json", 4, "build_plan began"),
        ("fetch --product tflight --json", 3, "unknown product 'tflight'"),
        ("bundle --json", 2, "either --load FILE alone"),
        ("lock --product tflite --release 2.20.0 --json", 4, "lock_release began"),
        ("setup --json", 4, "setup began"),
        ("clean --json", 4, "clean_up began"),
        ("du --json", 4, "room_taken began"),
        ("new-config x --json", 4, "write_config began"),
        ("explain nope --json", 3, "'nope' is no finding, exit code or state"),
        ("list-keys nope. --json", 3, "no key"),
        ("show-config nope --json", 3, "unknown config 'nope'"),
        ("verify /dev/null --json", 2, "is a device"),
        ("diagnose --json --facts x --host-facts", 2, "--host-facts describes this machine only"),
        ("check-upstream --json", 2, "where is the clone"),
    ],
)
def test_the_error_of_a_command(line: str, code: int, message: str, capsys: Captured) -> None:
    error = failed(line, capsys)
    assert error["exit_code"] == code
    assert message in error["message"]


@pytest.mark.parametrize(
    "line",
    [
        "build-tflite --json --cofnig opt",
        "build-tflite --cofnig opt --json",
        "build-tflite --json -- x",
        "biuld-tflite --json",
        "--dry build-tflite --json",
        "verify --json",
    ],
)
def test_a_command_line_that_cannot_be_followed(line: str, capsys: Captured) -> None:
    error = failed(line, capsys)
    assert error["exit_code"] == 2
    assert error["hint"]


def test_words_that_are_bazels_ask_for_no_document(capsys: Captured) -> None:
    assert run_invoke("build-serving", "--nope", "--", "--json") == 2
    assert capsys.readouterr().out == ""


def test_problems_of_a_configuration_have_their_places(capsys: Captured, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("description: m\nextends: opt\ncompile:\n  marhc: native\n  lto: maybe\n")
    error = failed(f"build-tflite --json --dry-run --config {file}", capsys)
    assert error["exit_code"] == 2
    assert error["details"] == []
    assert [(each["path"], each["line"], each["column"]) for each in error["problems"]] == [
        (str(file), 4, 3),
        (str(file), 5, 8),
    ]
    assert "did you mean 'march'?" in error["problems"][0]["message"]


def test_without_json_stdout_stays_empty(capsys: Captured) -> None:
    assert run_invoke("build-tflite", "--config", "optt") == 3
    assert capsys.readouterr().out == ""
