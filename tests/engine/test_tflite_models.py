"""A build for the operators of given models alone, begun from what the whole build has compiled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.conftest import PROJECT, Built, Invoke
from tfbuild.artifacts.elf.read import read_elf
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions

MODELS = PROJECT / "dockerfiles" / "tflite" / "smoke" / "models"
GIVEN = ("conv_int8.tflite", "squeeze_excite_float32_batch1.tflite")


@pytest.fixture(scope="module")
def small(build: Callable[[str], Built], invoke: Invoke, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dist folder of the build for two models; no object of the whole build is compiled again."""
    build("amd64")
    models = [word for name in GIVEN for word in ("--model", str(MODELS / name))]
    output = tmp_path_factory.mktemp("models")
    words = ("--arch", "amd64", "--name", "models", "--output", str(output), "--json")
    ran = invoke("build-tflite", *words, *models)
    assert ran.ok, ran.stderr[-8000:]
    return Path(json.loads(ran.stdout)["output"])


def test_other_operators_are_not_in_the_libraries(small: Path, build: Callable[[str], Built]) -> None:
    whole = build("amd64").folder
    for name in ("lib/libtensorflowlite.so", "lib/libtensorflowlite_c.so", "bin/benchmark_model"):
        assert (small / name).stat().st_size < 0.6 * (whole / name).stat().st_size, name
    exports = read_elf(small / "lib/libtensorflowlite.so").exports
    assert [name for name in exports if "Register_CONV_2D" in name]
    assert not [name for name in exports if "Register_LSTM" in name]
    assert any("BuiltinOpResolver" in name for name in exports)


def test_given_models_run_and_all_others_are_judged(small: Path) -> None:
    report = json.loads((small / "verify.json").read_text())
    ran = {each["case"] for each in report["smoke"]}
    assert {f"{Path(name).stem}, {api}" for name in GIVEN for api in ("c", "c++")} <= ran
    assert {"operators, c", "operators, c++", "zoo, c", "zoo, c++"} <= ran
    assert [each for each in report["findings"] if each["severity"] == "error"] == []


def test_the_python_package_is_made_for_the_given_models_too(
    build: Callable[[str], Built], invoke: Invoke, tmp_path: Path
) -> None:
    build("amd64")
    mine = Path(shutil.copy(MODELS / GIVEN[0], tmp_path / "mine.tflite"))
    words = ("--set", "runtime.flavour=python", "--name", "models-python", "--output", str(tmp_path / "dist"))
    ran = invoke("build-tflite", "--arch", "amd64", "--model", str(mine), *words, "--json")
    assert ran.ok, ran.stderr[-8000:]
    report = json.loads((Path(json.loads(ran.stdout)["output"]) / "verify.json").read_text())
    # The suites say of each model with other operators that it was refused.
    expected = {"mine, python", "conv_int8, python", "operators, python", "zoo, python"}
    assert expected <= {each["case"] for each in report["smoke"]}
    assert [each for each in report["findings"] if each["severity"] == "error"] == []


def test_another_model_is_refused_with_the_reason(small: Path, engine: DockerEngine) -> None:
    image = json.loads((small / "manifest.json").read_text())["plan"]["image"]["tag"]
    name = "/model/add.tflite"
    files = {name: MODELS / "add_float32.tflite"}
    ran = engine.run_once(image, [f"--graph={name}"], RunOptions(files=files, mount="/model"))
    assert ran.exit_code != 0
    said = ran.stdout + ran.stderr
    assert "Didn't find op for builtin opcode 'ADD'" in said
    assert "tflite.ops=from-models" in said
