"""How images are tried: what is started, how it is called, and what the figures in its output are."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.base.errors import UsageError
from tfbuild.engine.facts import ImageFacts, RunResult, image_facts
from tfbuild.products import keras, serving, tflite
from tfbuild.products.keras.trial import labels_of
from tfbuild.products.table import trial_of
from tfbuild.products.tflite.trial.figures import read_program, read_script

# What benchmark_model of 2.14.1 logs, shortened.
PROGRAM = """INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
INFO: count=50 first=70 curr=67 min=66 max=91 avg=68.4 std=3

INFO: Inference timings in us: Init: 4321, First inference: 120, Warmup (avg): 69.5, Inference (avg): 68.4
INFO: Memory footprint delta from the start of the tool (MB): init=1.5 overall=2.25
"""


def image(entrypoint: str = "", build: str = "", env: tuple[str, ...] = (), **settings: str) -> ImageFacts:
    """``settings`` are the variables of an application."""
    labels = {**({"tfbuild.build-id": build} if build else {}), **dict(labels_of(settings))}
    return image_facts(
        {"Id": "sha256:1", "Config": {"Entrypoint": entrypoint.split(), "Labels": labels, "Env": list(env)}}
    )


PROGRAM_IMAGE = image("/usr/bin/benchmark_model", "tflite-2.14.1-debian-opt-amd64")
PYTHON_IMAGE = image("/usr/bin/python3", "tflite-2.14.1-debian-opt-python-amd64")
SERVER_IMAGE = image(
    "/usr/bin/tf_serving_entrypoint", "serving-2.20.0-opt-amd64", ("MODEL_NAME=model", "A=b")
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "mobilenet.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3 and so on")
    return path


@pytest.mark.parametrize(
    ("found", "product"),
    [
        (PROGRAM_IMAGE, "tflite"),
        (PYTHON_IMAGE, "tflite"),
        (SERVER_IMAGE, "serving"),
        (image("/usr/bin/tf_serving_entrypoint.sh"), "serving"),  # upstream's own
        (image("/usr/local/bin/keras-entry", "keras-2.21.0-opt-amd64"), "keras"),
        (image("/bin/sh"), None),
    ],
)
def test_an_image_is_recognised(found: ImageFacts, product: str | None) -> None:
    known = trial_of(found)
    assert (known[0] if known else None) == product


def test_the_program_measures_with_as_many_threads_as_asked_for(model: Path) -> None:
    assert tflite.PRODUCT.trial
    assert tflite.PRODUCT.trial.measure
    asked = tflite.PRODUCT.trial.measure(PROGRAM_IMAGE, model, 4)
    assert "--num_threads=4" in asked.command
    assert asked.options.files == {"/smoke/model.tflite": model}
    ran = RunResult(0, "", PROGRAM)
    found = asked.read(ran)
    assert (found.latency_ms, found.load_ms, found.memory_mib) == (0.0684, 4.321, 2.25)


def test_the_interpreter_for_python_measures_with_a_script(model: Path) -> None:
    assert tflite.PRODUCT.trial
    assert tflite.PRODUCT.trial.measure
    asked = tflite.PRODUCT.trial.measure(PYTHON_IMAGE, model, 2)
    script = asked.options.files[asked.command[0]]
    assert script.is_file()
    assert asked.command[1:3] == ("/smoke/model.tflite", "2")
    found = asked.read(RunResult(0, "latency_ms 1.5\nload_ms 2e1\nmemory_mib 3.25\n", "INFO: x\n"))
    assert (found.latency_ms, found.load_ms, found.memory_mib) == (1.5, 20.0, 3.25)


@given(st.text(), st.sampled_from([read_program, read_script]))
def test_output_without_figures_is_no_traceback(text: str, read: object) -> None:
    with pytest.raises(ValueError, match="printed no times"):
        read(RunResult(0, text, ""))  # type: ignore[operator]


def test_what_is_no_model_is_refused_before_anything_starts(tmp_path: Path) -> None:
    assert tflite.PRODUCT.trial
    wrong = tmp_path / "x.tflite"
    wrong.write_bytes(b"PK\x03\x04 a zip file")
    for path in (wrong, tmp_path / "nothing", tmp_path):
        with pytest.raises(UsageError):
            tflite.PRODUCT.trial.start(PROGRAM_IMAGE, "i", path)
    with pytest.raises(UsageError, match="which one"):
        tflite.PRODUCT.trial.start(PROGRAM_IMAGE, "i", None)


def test_a_server_is_told_its_model_and_how_to_ask_for_it(tmp_path: Path) -> None:
    assert serving.PRODUCT.trial
    version = tmp_path / "half_plus_two" / "7"
    (version / "variables").mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"\x12\x00")
    for name in ("variables.index", "variables.data-00000-of-00001"):
        (version / "variables" / name).write_bytes(b"x")
    start = serving.PRODUCT.trial.start(SERVER_IMAGE, "server", version.parent)
    assert start.options.env == {"MODEL_NAME": "half_plus_two"}
    assert "/models/half_plus_two/7/variables/variables.index" in start.options.files
    calls = "\n".join(start.calls({8501: 40001, 8500: 40002}))
    assert "http://127.0.0.1:40001/v1/models/half_plus_two:predict" in calls
    assert "127.0.0.1:40002" in calls
    assert f"-v {version.parent}:/models/half_plus_two:ro -e MODEL_NAME=half_plus_two" in start.docker
    with pytest.raises(UsageError, match="no model in it"):
        serving.PRODUCT.trial.start(SERVER_IMAGE, "server", None)
    own = image("/usr/bin/tf_serving_entrypoint", "serving-2", ("MODEL_NAME=own",))
    assert serving.PRODUCT.trial.start(own, "server", None).options.env == {"MODEL_NAME": "own"}


def test_an_application_gets_its_port_and_its_model(tmp_path: Path) -> None:
    assert keras.PRODUCT.trial
    file = tmp_path / "m.keras"
    file.write_bytes(b"PK")
    app = image("/e", "keras-2.21.0-opt-serve-amd64", PORT="8080", MODEL_FILE="/models/model.keras")
    start = keras.PRODUCT.trial.start(app, "app", file)
    assert start.options.files == {"/models/model.keras": file}
    assert start.docker == f"docker run --rm -p 8080:8080 -v {file}:/models/model.keras:ro app"
    assert start.calls({8080: 40003}) == ("curl http://127.0.0.1:40003/",)
    silent = image("/e", "keras-2.21.0-opt-amd64", PORT="no")
    assert keras.PRODUCT.trial.start(silent, "app", None).ports == {}
    away = image("/e", "keras-2", MODEL_FILE="/elsewhere/m.keras")
    with pytest.raises(UsageError, match="not below /models"):
        keras.PRODUCT.trial.start(away, "app", file)
