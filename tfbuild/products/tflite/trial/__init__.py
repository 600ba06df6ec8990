"""How images of TFLite are tried: upstream's benchmark_model, or the Python interpreter in them."""

from __future__ import annotations

from pathlib import Path

from tfbuild.base.errors import UsageError
from tfbuild.base.project import PROJECT
from tfbuild.build.trial import Measurement, Start, Trial
from tfbuild.engine.facts import ImageFacts, RunOptions
from tfbuild.plan.plan import BUILD_ID_LABEL
from tfbuild.products.tflite.trial.figures import read_program, read_script

_PROGRAM = "benchmark_model"
_SCRIPT = Path("dockerfiles", "trial", "tflite.py")
_FOLDER = "/smoke"
_MODEL = f"{_FOLDER}/model.tflite"
# A round: so many inferences and so many seconds at least, after half a second that is not counted.
_RUNS, _SECONDS, _WARM_UP = 20, 1.0, 0.5
_TIMEOUT_S = 600
# The file identifier of the schema, behind the offset of the root table:
# tensorflow/lite/schema/schema.fbs, https://flatbuffers.dev/internals/#file-identifiers
_IDENTIFIER = b"TFL3"


def recognises(image: ImageFacts) -> bool:
    """Ours by their label, and whatever starts benchmark_model."""
    label = image.labels.get(BUILD_ID_LABEL, "")
    return label.startswith("tflite-") or _starts_program(image)


def start(image: ImageFacts, name: str, model: Path | None) -> Start:
    """The model is run once, as upstream's benchmark does."""
    if model is None:
        raise UsageError(
            f"{name} computes a model: which one?", hint=f"invoke run {name} --model FILE.tflite"
        )
    asked = measure(image, model, 1)
    if _starts_program(image):
        own = f"docker run --rm -v $PWD/{model.name}:/model.tflite:ro {name} --graph=/model.tflite"
    else:
        own = f"docker run --rm -v $PWD:/data:ro {name} /data/YOUR-SCRIPT.py"
    return Start(command=asked.command, options=asked.options, docker=own)


def measure(image: ImageFacts, model: Path, threads: int) -> Measurement:
    """One process that loads ``model`` and computes it for a second."""
    _require_model(model)
    files = {_MODEL: model}
    command: tuple[str, ...]
    if _starts_program(image):
        command = (
            f"--graph={_MODEL}",
            f"--num_threads={threads}",
            f"--num_runs={_RUNS}",
            f"--min_secs={_SECONDS}",
            f"--warmup_min_secs={_WARM_UP}",
        )
        return Measurement(
            command=command, options=RunOptions(files=files, timeout_s=_TIMEOUT_S), read=read_program
        )
    files[f"{_FOLDER}/{_SCRIPT.name}"] = PROJECT / _SCRIPT
    command = (
        f"{_FOLDER}/{_SCRIPT.name}",
        _MODEL,
        str(threads),
        str(_RUNS),
        str(_SECONDS),
        str(_WARM_UP),
    )
    return Measurement(
        command=command, options=RunOptions(files=files, timeout_s=_TIMEOUT_S), read=read_script
    )


def _starts_program(image: ImageFacts) -> bool:
    return any(word.rpartition("/")[2] == _PROGRAM for word in image.entrypoint)


def _require_model(model: Path) -> None:
    if not model.is_file():
        raise UsageError(f"--model takes a .tflite file, and there is none at {model}")
    with model.open("rb") as file:
        begins = file.read(8)
    if begins[4:] != _IDENTIFIER:
        raise UsageError(
            f"{model} is not a TFLite model: {_IDENTIFIER.decode()} does not stand at its byte 4",
            hint="--model FILE.tflite",
        )


TRIAL = Trial(recognises=recognises, start=start, measure=measure)
