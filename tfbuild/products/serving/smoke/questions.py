"""What the running server is asked; pure.

half_plus_two is upstream's own test model (y = x / 2 + 2), and the question is the one of its documentation:
https://www.tensorflow.org/tfx/serving/docker. ``dockerfiles/serving/smoke`` has the program that asks, and
``questions.proto`` there the form of a question and of an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tfbuild.products.serving.files import MONITORING
from tfbuild.products.serving.part import ServerPart
from tfbuild.products.serving.smoke.cases import Case, Tensor
from tfbuild.products.serving.smoke.expectations import (
    DECIMAL,
    Available,
    Expectation,
    GrpcOutputs,
    Healthy,
    Lists,
    Metadata,
    Metrics,
    Refused,
    RestOutputs,
    Switched,
)

MODEL = "half_plus_two"
VALUES = (1.0, 2.0, 5.0)
ANSWERS = (2.5, 3.0, 4.5)
VERSIONS = "versions"  # the model that has two, to be switched between
COMPILED, TFLITE = "compiled", "tflite"
# Upstream sets the state of both (server.cc), and registers what the reflection lists.
_HEALTHY = ("", "ModelService", "PredictionService")
_SERVICES = ("tensorflow.serving.ModelService", "tensorflow.serving.PredictionService")
_METRICS = "/monitoring/prometheus/metrics"
_PATH = re.compile(r'path:\s*"([^"]+)"')
# Codes of https://grpc.github.io/grpc/core/md_doc_statuscodes.html, and of HTTP for the same.
_NOT_FOUND = 5
_UNAVAILABLE = 14
_HTTP_NOT_FOUND = 404


@dataclass(frozen=True)
class Question:
    """One question, as the JSON of its message, and what is expected."""

    id: str
    asked: Mapping[str, Any]
    expected: Expectation


def metrics_path(part: ServerPart) -> str:
    """Where the metrics page is: as the image's own monitoring file says, else where the test's says."""
    text = next((file.text for file in part.server_files if file.name == MONITORING), "")
    found = _PATH.search(text)
    return found[1] if found else _METRICS


def server_arguments(part: ServerPart, folder: str) -> tuple[str, ...]:
    """Monitoring is on in the test: with the image's own file where it has one, else with that in
    ``folder``."""
    if any(file.name == MONITORING for file in part.server_files):
        return ()
    return (f"--monitoring_config_file={folder}/monitoring.config",)


def arguments_for(models: Collection[str], services: Collection[str], folder: str) -> tuple[str, ...]:
    """What a server of these models and services is started with besides."""
    options = {
        "--xla_cpu_compilation_enabled=true": COMPILED in models,
        "--prefer_tflite_model=true": TFLITE in models,
        "--enable_grpc_healthcheck_service=true": "health" in services,
        f"--ssl_config_file={folder}/tls.config": "tls" in services,
    }
    return tuple(option for option, wanted in options.items() if wanted)


def about_half_plus_two(start_s: int, metrics: str) -> tuple[Question, ...]:
    """Upstream's own test model, as its documentation asks it. ``start_s``: how long the server may take."""
    shape = (len(VALUES),)
    given, expected = Tensor("float32", shape, VALUES), {"y": Tensor("float32", shape, ANSWERS)}
    body = json.dumps({"instances": list(VALUES)})
    request = {"modelSpec": {"name": MODEL}, "inputs": {"x": given.message()}}
    return (
        state_of(MODEL, start_s, f"{MODEL} state"),
        Question(MODEL, _post(MODEL, body), RestOutputs("predictions", expected)),
        Question(f"{MODEL} grpc", {"predict": request}, GrpcOutputs(expected, tolerance=DECIMAL)),
        Question("metrics", _get(metrics), Metrics()),
    )


def state_of(model: str, start_s: int, name: str) -> Question:
    """Whether ``model`` gets AVAILABLE within ``start_s`` seconds; ``name`` is the question's id."""
    return Question(name, {"wait": {"model": model, "seconds": start_s}}, Available())


def about_models(
    cases: Sequence[Case],
    start_s: int,
    metrics: str,
    tolerance: float,
    folder: str,
    services: Collection[str] = (),
) -> Iterator[Question]:
    """Real models, whose files lie in ``folder``, then what ``services`` says that the server offers besides.

    ``tolerance`` as for :class:`GrpcOutputs`.
    """
    for name in dict.fromkeys(case.model for case in cases):
        yield state_of(name, start_s, f"{name} state")
    for case in cases:
        if case.model == VERSIONS:
            continue
        name = case.model
        request = {"modelSpec": {"name": name}, "inputs": _messages(case)}
        yield Question(name, {"predict": request}, _outputs(case, tolerance))
        inputs = [each.nested() for each in case.inputs.values()]
        body = json.dumps({"inputs": inputs[0]})
        yield Question(f"{name} rest", _post(name, body), RestOutputs("outputs", case.outputs))
        types = Metadata(_types(case.inputs), _types(case.outputs))
        yield Question(f"{name} metadata", _get(f"/v1/models/{name}/metadata"), types)
        yield Question(f"{name} metrics", _get(metrics), Metrics(name))
    yield from _refusals()
    if "health" in services:
        for name in _HEALTHY:
            asked = {"health": {"service": name}}
            yield Question(f"grpc health {name}".strip(), asked, Healthy())
    if "reflection" in services:
        yield Question("grpc reflection", {"services": {}}, Lists(_SERVICES))
    if "tls" in services:
        request = {"modelSpec": {"name": cases[0].model}, "inputs": _messages(cases[0])}
        refused = Refused(_UNAVAILABLE, finding="smoke-service")
        yield Question("grpc without tls", {"plain": request}, refused)
    yield from _switch(cases, start_s, tolerance, folder)


def _refusals() -> Iterator[Question]:
    # Upstream's words: ServerCore and the manager behind it.
    request = {"modelSpec": {"name": "nobody"}}
    words = "Servable not found for request"
    yield Question("no such model", {"predict": request}, Refused(_NOT_FOUND, words))
    rest = _post("nobody", '{"inputs": [1.0]}')
    yield Question("no such model rest", rest, Refused(_HTTP_NOT_FOUND, words))


def _switch(cases: Sequence[Case], start_s: int, tolerance: float, folder: str) -> Iterator[Question]:
    """From the first version of the model that has two to the second, by a new configuration."""
    two = [case for case in cases if case.model == VERSIONS]
    if not two:
        return
    before, after = two
    models = [_configured(case, folder) for case in (*(each for each in cases if each not in two), after)]
    asked = {
        "config": {"modelConfigList": {"config": models}},
        "ask": {"modelSpec": {"name": VERSIONS}, "inputs": _messages(before)},
        "version": str(after.version),
        "seconds": start_s,
    }
    expected = Switched(_outputs(before, tolerance), _outputs(after, tolerance))
    yield Question("switch of versions", {"switch": asked}, expected)


def models_config(cases: Sequence[Case], folder: str) -> str:
    """The text of --model_config_file: each model in ``folder``, in the first version that is asked for."""
    first = {case.model: case for case in reversed(cases)}
    lines = (
        f'  config {{ name: "{case.model}" base_path: "{folder}/models/{case.model}"'
        f' model_platform: "tensorflow"'
        f" model_version_policy {{ specific {{ versions: {case.version} }} }} }}\n"
        for case in first.values()
    )
    return "".join(("model_config_list {\n", *lines, "}\n"))


def _configured(case: Case, folder: str) -> dict[str, Any]:
    """A ModelConfig."""
    return {
        "name": case.model,
        "basePath": f"{folder}/models/{case.model}",
        "modelPlatform": "tensorflow",
        "modelVersionPolicy": {"specific": {"versions": [str(case.version)]}},
    }


def _types(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    return {name: each.type_name for name, each in tensors.items()}


def _messages(case: Case) -> dict[str, Any]:
    return {name: each.message() for name, each in case.inputs.items()}


def _outputs(case: Case, tolerance: float) -> GrpcOutputs:
    # make_models.py says which outputs no two machines have the same bits of.
    return GrpcOutputs(case.outputs, case.version, tolerance, frozenset({"probabilities"}))


def _get(path: str) -> dict[str, Any]:
    return {"http": {"method": "GET", "path": path}}


def _post(model: str, body: str) -> dict[str, Any]:
    return {"http": {"method": "POST", "path": f"/v1/models/{model}:predict", "body": body}}
