"""The miniature that is linked with TensorFlow's wheel: a finished build of it, and its containers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.support.serving import PROJECT
from tfbuild.machine.runner import SubprocessRunner

LINKED = "tests/data/serving-releases/2.16.1-miniwheel.yaml"
MODELS = PROJECT / "dockerfiles" / "serving" / "smoke" / "models"
# convolution's answers of TensorFlow itself are in cases.json beside the models.
LOGITS = [15.8828125, 0.41015625, 19.703125, 1.8828125, 4.98828125, 6.7890625]


@dataclass(frozen=True)
class Linked:
    """A finished build."""

    folder: Path
    image: str
    manifest: dict[str, Any]

    @property
    def cases(self) -> dict[str, dict[str, Any]]:
        return {case["case"]: case for case in self.manifest["smoke"]}


Build = Callable[[str], Linked]


def manifest_of(output: str) -> dict[str, Any]:
    text = (Path(json.loads(output)["output"]) / "manifest.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


def inputs_of(model: str) -> str:
    cases = json.loads((MODELS.parent / "cases.json").read_text())
    case = next(each for each in cases if each["model"] == model)
    return json.dumps({name: nested(each["values"], each["shape"]) for name, each in case["inputs"].items()})


def nested(values: list[float], shape: list[int]) -> Any:
    size = len(values) // shape[0]
    parts = [values[at * size : (at + 1) * size] for at in range(shape[0])]
    return [nested(part, shape[1:]) if shape[1:] else part[0] for part in parts]


def wait_for(port: int) -> None:
    """Until the model on the REST port ``port`` is there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with suppress(OSError, HTTPException):
            connection = HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/v1/models/convolution")
            if b"AVAILABLE" in connection.getresponse().read():
                return
        time.sleep(0.2)
    pytest.fail("the server did not start")


def docker_says(runner: SubprocessRunner, *words: str) -> str:
    ran = runner.capture(["docker", *words], timeout_s=120)
    assert ran.ok, ran.stderr
    return ran.stdout.strip()


def ports_of(runner: SubprocessRunner, container: str) -> Mapping[int, int]:
    """The ports of a container, each with its port on this machine."""
    bound = json.loads(docker_says(runner, "inspect", "--format={{json .NetworkSettings.Ports}}", container))
    return {int(port.partition("/")[0]): int(on[0]["HostPort"]) for port, on in bound.items() if on}


@contextmanager
def started(runner: SubprocessRunner, words: list[str]) -> Iterator[tuple[str, int]]:
    """The container of ``docker run --detach WORDS``, and its REST port on this machine, 0 if it has none."""
    name = docker_says(runner, "run", "--detach", *words)
    try:
        yield name, ports_of(runner, name).get(8501, 0)
    finally:
        docker_says(runner, "rm", "--force", "--volumes", name)


def predicted(port: int) -> list[float]:
    """What the model ``convolution`` on the REST port ``port`` answers."""
    wait_for(port)
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(
        "POST", "/v1/models/convolution:predict", json.dumps({"inputs": json.loads(inputs_of("convolution"))})
    )
    outputs = json.loads(connection.getresponse().read())["outputs"]
    logits = outputs["logits"]
    return [*logits[0], *logits[1]]
