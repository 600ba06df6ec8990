"""The containers of the smoke test: how each server is started, and what it is asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.plans import PROJECT, make_linked_server_plan
from tfbuild.base.arch import Arch
from tfbuild.engine.facts import RunOptions, RunResult
from tfbuild.products.saved_model import ModelFolder
from tfbuild.products.serving.smoke.run import smoke

CASES = PROJECT / "dockerfiles" / "serving" / "smoke" / "cases.json"
MODEL = ModelFolder("models/mine", "mine", (1,), "7" * 40)
SAID = "TensorFlow ModelServer: 2.16.1+dev.sha.0d72695\n"


class Engine:
    """Answers with nothing but states; remembers how each server was started and what it was asked."""

    def __init__(self) -> None:
        self.started: list[tuple[tuple[str, ...], RunOptions]] = []
        self.asked: list[list[str]] = []
        self.authorities: list[str] = []

    def run_once(self, image: str, command: Sequence[str], options: RunOptions) -> RunResult:
        del image, command, options
        return RunResult(0, SAID, "")

    @contextmanager
    def serve(self, image: str, command: Sequence[str], options: RunOptions) -> Iterator[Engine]:
        del image
        self.started.append((tuple(command), options))
        yield self

    def beside(self, command: Sequence[str], timeout_s: float, *, speaks: bool) -> RunResult:
        del timeout_s
        if not speaks:
            return RunResult(0, "", "")
        asked = json.loads(command[-1])
        ids = [each["id"] for each in asked["questions"]]
        self.authorities.append(asked["caFile"])
        self.asked.append(ids)
        lines = [json.dumps({"id": name, "state": "AVAILABLE"}) for name in ids if "wait" in command[-1]]
        return RunResult(0, "\n".join(lines), "")

    def stop(self, grace_s: int) -> RunResult:
        del grace_s
        return RunResult(0, "", "the log")


def run(folder: Path, arch: Arch = Arch.AMD64, model: ModelFolder | None = None, **part: Any) -> Any:
    plan = make_linked_server_plan(arch=arch, model=model)
    plan = replace(plan, part=replace(plan.part, **part))
    shutil.copyfile(CASES, folder / "cases.json")
    if arch is Arch.ARM64:
        (folder / "qemu").write_text("")
    engine = Engine()
    effects = SimpleNamespace(engine=engine, reporter=SimpleNamespace(progress=lambda *_: None))
    layout = SimpleNamespace(smoke=folder, candidate="candidate")
    return SimpleNamespace(plan=plan, layout=layout, effects=effects, log=lambda name: folder / f"{name}.log")


def test_the_first_server_is_started_as_upstreams_documentation_does(tmp_path: Path) -> None:
    asked = run(tmp_path)
    smoke(asked)
    arguments, options = asked.effects.engine.started[0]
    assert arguments == ("--monitoring_config_file=/smoke/monitoring.config",)
    assert options.env == {"MODEL_BASE_PATH": "/smoke", "MODEL_NAME": "half_plus_two"}
    assert options.entrypoint is None
    assert asked.effects.engine.asked[0][0] == "half_plus_two state"
    assert (tmp_path / "smoke-server.log").read_text() == "the log"


def test_a_server_with_a_wrong_answer_is_the_last_one(tmp_path: Path) -> None:
    asked = run(tmp_path, model=MODEL)
    outcomes, findings = smoke(asked)
    # Nothing but states was answered.
    assert {each.id for each in findings} >= {"smoke-answer", "smoke-metrics"}
    assert len(asked.effects.engine.started) == 1
    assert outcomes[0].case == "version"


@pytest.fixture
def everything_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfbuild.products.serving.smoke.run.judge_server", lambda _: ([], []))


@pytest.mark.usefixtures("everything_is_right")
def test_then_come_real_models_and_the_images_own(tmp_path: Path) -> None:
    asked = run(tmp_path, model=MODEL)
    smoke(asked)
    _, models, own = asked.effects.engine.started
    assert "--model_config_file=/smoke/models.config" in models[0]
    assert "--enable_batching=true" in models[0]
    assert (models[1].env, own[1].env) == ({"MODEL_NAME": "convolution"}, {})
    assert asked.effects.engine.asked[2] == ["model mine"]
    assert {"convolution", "text", "switch of versions"} <= set(asked.effects.engine.asked[1])


@pytest.mark.usefixtures("everything_is_right")
def test_a_stand_in_is_asked_only_for_the_models_that_it_names(tmp_path: Path) -> None:
    none = run(tmp_path, smoke_models=())
    smoke(none)
    assert len(none.effects.engine.started) == 1
    one = run(tmp_path, smoke_models=("text",), smoke_services=())
    smoke(one)
    assert {each.partition(" ")[0] for each in one.effects.engine.asked[1]} == {"text", "no"}
    config = (tmp_path / "models.config").read_text()
    assert config.count("config {") == 1
    assert "/smoke/models/text" in config


@pytest.mark.usefixtures("everything_is_right")
def test_a_server_is_started_with_what_its_models_and_services_need(tmp_path: Path) -> None:
    whole = run(tmp_path)
    smoke(whole)
    options = {
        "--ssl_config_file=/smoke/tls.config",
        "--enable_grpc_healthcheck_service=true",
        "--prefer_tflite_model=true",
        "--xla_cpu_compilation_enabled=true",
    }
    assert options <= set(whole.effects.engine.started[1][0])
    assert whole.effects.engine.authorities == ["", "/smoke/ca.pem"]
    # 2.14.1 does not know the option, and says so.
    less = run(tmp_path, smoke_models=("text",), smoke_services=("tls",))
    smoke(less)
    assert options & set(less.effects.engine.started[1][0]) == {"--ssl_config_file=/smoke/tls.config"}
    assert {"grpc health", "grpc reflection"}.isdisjoint(less.effects.engine.asked[1])
    assert "grpc without tls" in less.effects.engine.asked[1]


@pytest.mark.usefixtures("everything_is_right")
def test_a_foreign_server_is_started_by_the_emulator(tmp_path: Path) -> None:
    asked = run(tmp_path, Arch.ARM64)
    smoke(asked)
    assert [options.entrypoint for _, options in asked.effects.engine.started] == [("/smoke/entry",)] * 2
