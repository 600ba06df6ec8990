"""What was written for upstream's image works with the name of ours alone.

Documented lines, compose files, and Kubernetes manifests; the files are in ``tests/data/deployments``.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.kubernetes import Pod
from tests.support.linked import LOGITS, MODELS, Build, docker_says, ports_of, predicted, started
from tests.support.serving import PROJECT
from tfbuild.machine.runner import SubprocessRunner

DEPLOYMENTS = PROJECT / "tests" / "data" / "deployments"
UPSTREAM = "tensorflow/serving"

# The lines of https://www.tensorflow.org/tfx/serving/docker, with another image and free ports.
PORTS = "-p 127.0.0.1::8500 -p 127.0.0.1::8501"
DOCUMENTED = {
    "an example": (
        f"-t --rm {PORTS} -v {MODELS}/convolution:/models/convolution -e MODEL_NAME=convolution IMAGE"
    ),
    "a configuration file": (
        f"-t {PORTS} --mount type=bind,source={MODELS}/convolution/,target=/models/convolution "
        "--mount type=bind,source=CONFIG,target=/models/models.config IMAGE "
        "--model_config_file=/models/models.config"
    ),
    "the server's own name": (
        f"{PORTS} -v {MODELS}:/models --entrypoint /usr/bin/tensorflow_model_server IMAGE "
        "--port=8500 --rest_api_port=8501 --model_name=convolution --model_base_path=/models/convolution"
    ),
}


@pytest.mark.parametrize("line", list(DOCUMENTED))
def test_upstreams_documented_lines_work_with_the_name_of_the_image_alone(
    linked: Build, runner: SubprocessRunner, tmp_path: Path, line: str
) -> None:
    config = tmp_path / "models.config"
    config.write_text(
        "model_config_list { config { name: 'convolution' base_path: '/models/convolution/' "
        "model_platform: 'tensorflow' } }"
    )
    words = DOCUMENTED[line].replace("IMAGE", linked("amd64").image).replace("CONFIG", str(config)).split()
    with started(runner, words) as (_, rest):
        assert predicted(rest) == pytest.approx(LOGITS)


def test_a_model_is_put_into_an_image_as_upstream_documents_it(
    linked: Build, runner: SubprocessRunner
) -> None:
    """The server has to wait for the model: docker copies it into the container that runs."""
    own = "tfbuild-test/own-model"
    with started(runner, [linked("amd64").image]) as (base, _):
        docker_says(runner, "cp", f"{MODELS}/convolution", f"{base}:/models/convolution")
        docker_says(runner, "commit", "--change", "ENV MODEL_NAME convolution", base, own)
    try:
        with started(runner, [*PORTS.split(), own]) as (_, rest):
            assert predicted(rest) == pytest.approx(LOGITS)
    finally:
        docker_says(runner, "rmi", own)


@contextmanager
def composed(runner: SubprocessRunner, compose: list[str], file: Path) -> Iterator[str]:
    """The container of the service ``serving`` of a compose file."""
    words = [*compose, "--project-name", f"tfbuild-test-{uuid.uuid4().hex[:8]}", "--file", str(file)]
    try:
        up = runner.capture([*words, "up", "--detach"], timeout_s=120)
        assert up.ok, up.stderr
        yield runner.capture([*words, "ps", "--quiet", "serving"], timeout_s=120).stdout.strip()
    finally:
        runner.capture([*words, "down", "--timeout", "1", "--volumes"], timeout_s=120)


@pytest.mark.parametrize("name", ["compose.yaml", "compose-entrypoint.yaml"])
def test_a_compose_file_for_upstreams_image_works_with_the_name_alone(
    linked: Build, runner: SubprocessRunner, compose: list[str], tmp_path: Path, name: str
) -> None:
    (tmp_path / "models").symlink_to(MODELS)
    shutil.copy(DEPLOYMENTS / "models.config", tmp_path)
    text = (DEPLOYMENTS / name).read_text().replace(f"image: {UPSTREAM}", f"image: {linked('amd64').image}")
    for port in ("8500", "8501"):
        text = text.replace(f'"{port}:{port}"', f'"127.0.0.1::{port}"')  # other tests run beside this one
    (tmp_path / name).write_text(text)
    with composed(runner, compose, tmp_path / name) as container:
        assert predicted(ports_of(runner, container)[8501]) == pytest.approx(LOGITS)


@pytest.mark.parametrize("name", ["deployment.yaml", "deployment-command.yaml"])
def test_a_kubernetes_manifest_for_upstreams_image_works_with_the_name_alone(
    linked: Build, runner: SubprocessRunner, tmp_path: Path, name: str
) -> None:
    """A node starts the container so; docs/explanation/serving.md says how it was compared with Podman's."""
    text = (DEPLOYMENTS / name).read_text().replace(f"image: {UPSTREAM}", f"image: {linked('amd64').image}")
    pod = Pod.read(text.replace("/srv/models", str(MODELS)))
    with started(runner, pod.words(tmp_path)) as (container, rest):
        assert predicted(rest) == pytest.approx(LOGITS)
        assert pod.failing(ports_of(runner, container)) == []
