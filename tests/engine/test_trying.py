"""A finished build tried: measured, compared, started, and its builder entered. Nothing is left behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.engine.conftest import PROJECT, Built, Invoke
from tfbuild.engine.engine import DockerEngine
from tfbuild.machine.programs import Captured
from tfbuild.machine.runner import SubprocessRunner

MODEL = PROJECT / "dockerfiles" / "tflite" / "smoke" / "models" / "conv_int8.tflite"


@pytest.fixture(scope="module")
def native(build: Callable[[str], Built]) -> Built:
    return build("amd64")


def answer(ran: Captured, name: str) -> dict[str, Any]:
    assert ran.ok, ran.stderr[-3000:]
    return valid(ran, name)


def valid(ran: Captured, name: str) -> dict[str, Any]:
    document = json.loads(ran.stdout)
    jsonschema.validate(document, json.loads((PROJECT / "schemas" / f"{name}.schema.json").read_text()))
    assert isinstance(document, dict)
    return document


def containers(runner: SubprocessRunner, image: str) -> str:
    """Other tests have containers of other images meanwhile."""
    return runner.capture(["docker", "ps", "--all", "--quiet", "--filter", f"ancestor={image}"]).stdout


def test_it_is_measured_and_compared(native: Built, invoke: Invoke, tmp_path: Path) -> None:
    words = ("--model", str(MODEL), "--threads", "1,2", "--rounds", "1")
    measured = answer(invoke("benchmark", str(native.folder), *words, "--json"), "benchmark")
    assert [each["threads"] for each in measured["series"]] == [1, 2]
    assert all(0 < each["latency_ms"]["median"] < 100 for each in measured["series"])
    page = tmp_path / "page.html"
    ran = invoke(
        "compare", str(native.folder), str(native.folder / "lib/libtensorflowlite_c.so"),
        "--html", str(page), "--json",
    )  # fmt: skip
    first, second = answer(ran, "compare")["subjects"]
    assert first["figures"]["series"] == measured["series"]
    assert first["march"] == "x86-64-v3"
    assert {Path(each["path"]).name for each in first["files"]} >= {
        "libtensorflowlite.so",
        "libtensorflowlite_c.so",
        "benchmark_model",
    }
    assert second["figures"] is None
    assert page.stat().st_size > 20_000


def test_it_runs_and_leaves_nothing(native: Built, invoke: Invoke, runner: SubprocessRunner) -> None:
    ran = invoke("run", native.image, "--model", str(MODEL))
    assert ran.ok, ran.stderr
    assert "Inference timings in us" in ran.stdout
    assert "docker run --rm" in ran.stderr
    assert containers(runner, native.image) == ""


def test_its_builder_has_the_tree_and_the_settings(
    native: Built, invoke: Invoke, engine: DockerEngine
) -> None:
    command = (
        "cat /tree/log/exit-code; echo $TRIPLET; bash /tfbuild/compile.sh compile 3>&1 | tail -n 1; exit 3"
    )
    ran = invoke("shell", native.build_id, "--command", command, "--json")
    assert ran.returncode == 6, ran.stderr[-3000:]
    told = valid(ran, "shell")
    assert told["exit_code"] == 3
    assert told["output"][:2] == ["0", "x86_64-linux-gnu"]
    assert told["output"][2] == "ninja: no work to do."
    assert engine.image(f"tfbuild/shell:{native.build_id}") is None
    assert "needs a terminal" in invoke("shell", native.build_id).stderr
