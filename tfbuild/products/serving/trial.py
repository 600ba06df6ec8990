"""How images of a model server are tried: it serves a model on this machine's loopback."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tfbuild.base.errors import UsageError
from tfbuild.build.trial import Start, Trial
from tfbuild.engine.attended import LOOPBACK
from tfbuild.engine.facts import ImageFacts, RunOptions
from tfbuild.plan.plan import BUILD_ID_LABEL
from tfbuild.products.saved_model import read_model

# The contract of upstream's image: https://www.tensorflow.org/tfx/serving/docker
_GRPC, _REST, _MODELS = 8500, 8501, "/models"
_PROGRAMS = ("tensorflow_model_server", "tf_serving_entrypoint")
_NAME = "MODEL_NAME"
_UNNAMED = "model"  # what the image says where no model is in it


def recognises(image: ImageFacts) -> bool:
    """Ours by their label, and whatever starts a model server."""
    label = image.labels.get(BUILD_ID_LABEL, "")
    return label.startswith("serving-") or any(
        program in word for word in image.entrypoint for program in _PROGRAMS
    )


def start(image: ImageFacts, name: str, model: Path | None) -> Start:
    """The server with ``model``, a folder with versions, or with the one that is in the image."""
    served = image_model(image)
    files: dict[str, Path] = {}
    if model is not None:
        served = read_model(model).name
        files = {
            f"{_MODELS}/{served}/{each.relative_to(model).as_posix()}": each
            for each in sorted(model.rglob("*"))
            if each.is_file()
        }
    elif served is None:
        raise UsageError(
            f"{name} has no model in it: which one should it serve?",
            hint=f"invoke run {name} --model MODEL, a folder like MODEL/1/saved_model.pb",
        )
    given = ""
    if model is not None:
        given = f"-v {shlex.quote(str(model.absolute()))}:{_MODELS}/{served}:ro -e {_NAME}={served} "
    return Start(
        options=RunOptions(files=files, mount=_MODELS, env={_NAME: served}),
        ports={_REST: "REST", _GRPC: "gRPC"},
        calls=partial(_calls, served),
        docker=f"docker run --rm -p {_REST}:{_REST} -p {_GRPC}:{_GRPC} {given}{name}",
    )


def image_model(image: ImageFacts) -> str | None:
    """The name of the model that is in the image; None where it has none."""
    names = [word.partition("=")[2] for word in image.env if word.startswith(f"{_NAME}=")]
    return names[-1] if names and names[-1] != _UNNAMED else None


def _calls(model: str, ports: Mapping[int, int]) -> tuple[str, ...]:
    rest = f"http://{LOOPBACK}:{ports[_REST]}/v1/models/{model}"
    return (
        f"curl {rest}",
        f"curl {rest}/metadata",
        f"curl -d '{{\"instances\": [1.0, 2.0, 5.0]}}' {rest}:predict  # what it takes: metadata",
        f"gRPC: {LOOPBACK}:{ports[_GRPC]}",
    )


TRIAL = Trial(
    recognises=recognises,
    start=start,
    why_not="a server is measured under load: python examples/serving/load.py",
)
