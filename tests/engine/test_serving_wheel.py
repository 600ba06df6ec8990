"""A model server that is linked with TensorFlow's official wheel, the whole way, for both architectures.

The miniature has upstream's labels and files, and its model is loaded and computed by the wheel's libraries.
The last test compiles upstream's own source; it needs archives that CI does not have.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.engine.conftest import PROJECT, Invoke
from tests.support.serving import Serve, mirrors_of
from tfbuild.machine.runner import SubprocessRunner

LINKED = "tests/data/serving-releases/2.16.1-miniwheel.yaml"
LIBRARIES = {"libtensorflow_cc.so.2", "libtensorflow_framework.so.2"}
MACHINES = {"amd64": "EM_X86_64", "arm64": "EM_AARCH64"}
EXAMPLES = PROJECT / "examples" / "serving"
# It splits words at white space, by an operator of TensorFlow Text.
TOKENS = PROJECT / "tests" / "data" / "serving-models" / "tokens"
TEXT_WHEEL = (
    "tensorflow-text==2.16.1 --hash=sha256:ad20018b92a4c8403a488edf68b6a7304062c67171bbbf54ef857b9177a63bf2\n"
)
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


@pytest.fixture(scope="session")
def linked(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Build:
    output = tmp_path_factory.mktemp("linked")
    done: dict[str, Linked] = {}

    def made(arch: str) -> Linked:
        if arch not in done:
            words = ("--arch", arch, "--output", str(output), "--json")
            ran = serve(*words, release=LINKED, timeout_s=3600)
            assert ran.ok, ran.stderr[-8000:]
            result = json.loads(ran.stdout)
            done[arch] = Linked(Path(result["output"]), result["image"], manifest_of(ran.stdout))
        return done[arch]

    return made


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_the_wheels_tensorflow_computes_half_plus_two(linked: Build, arch: str) -> None:
    server = linked(arch)
    folder, manifest, cases = server.folder, server.manifest, server.cases
    assert cases["half_plus_two"]["outputs"] == [2.5, 3.0, 4.5]
    assert cases["health"]["exit_code"] == 0
    assert cases["version"]["version"] == "TensorFlow ModelServer: 2.19.1-rc0+dev.sha.0d72695"
    assert {path.name for path in (folder / "lib").iterdir()} >= LIBRARIES
    assert "image-owner" not in {each["id"] for each in manifest["findings"]}
    assert {each["machine"] for each in manifest["elf"]} == {MACHINES[arch]}
    assert any("clang version 17" in line for line in manifest["tools"])
    program = next(each for each in manifest["elf"] if each["path"].endswith("tensorflow_model_server"))
    assert set(program["needed"]) >= LIBRARIES
    assert {"tensorflow", "tensorflow-serving", "libgrpc-dev"} <= {
        path.name for path in (folder / "share" / "licenses").iterdir()
    }


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_real_models_answer_as_tensorflow_itself(linked: Build, arch: str) -> None:
    cases = linked(arch).cases
    assert not any(case["exit_code"] for case in cases.values())
    assert cases["convolution"]["outputs"] == pytest.approx(LOGITS, abs=0 if arch == "amd64" else 1e-6)
    # The answers of version 2, which took the place of version 1 while it was asked.
    assert cases["switch of versions"]["outputs"] == [3.0, 4.0, 7.0]
    assert {"text", "text rest", "text metadata", "text metrics", "health models"} <= set(cases)
    # A function that XLA compiled, through TLS, and what gRPC itself offers.
    assert {"compiled", "grpc without tls", "grpc health", "grpc reflection"} <= set(cases)


@contextmanager
def running(image: str, *arguments: str) -> Iterator[str]:
    """A container that serves the model ``convolution``; its ports on this machine as GRPC,REST."""
    client = docker.from_env()
    container = client.containers.create(
        image,
        command=list(arguments),
        environment={"MODEL_NAME": "convolution"},
        volumes={str(MODELS): {"bind": "/models", "mode": "ro"}},
        ports={"8500/tcp": ("127.0.0.1", None), "8501/tcp": ("127.0.0.1", None)},
        read_only=True,
    )
    try:
        container.start()
        container.reload()
        bound = container.attrs["NetworkSettings"]["Ports"]
        yield ",".join(bound[f"{port}/tcp"][0]["HostPort"] for port in (8500, 8501))
    finally:
        container.remove(force=True, v=True)


def inputs_of(model: str) -> str:
    cases = json.loads((MODELS.parent / "cases.json").read_text())
    case = next(each for each in cases if each["model"] == model)
    return json.dumps({name: nested(each["values"], each["shape"]) for name, each in case["inputs"].items()})


def nested(values: list[float], shape: list[int]) -> Any:
    size = len(values) // shape[0]
    parts = [values[at * size : (at + 1) * size] for at in range(shape[0])]
    return [nested(part, shape[1:]) if shape[1:] else part[0] for part in parts]


def test_the_example_asks_and_the_load_generator_measures_batching_off_and_on(
    linked: Build, runner: SubprocessRunner
) -> None:
    image, inputs = linked("amd64").image, inputs_of("convolution")

    def run(program: str, *words: str) -> str:
        ran = runner.capture(
            [sys.executable, str(EXAMPLES / program), "--model", "convolution", *words, inputs], timeout_s=300
        )
        assert ran.ok, ran.stderr
        return ran.stdout

    with running(image) as off, running(image, "--enable_batching=true") as on:
        grpc, _, rest = off.partition(",")
        wait_for(int(rest))
        wait_for(int(on.partition(",")[2]))
        said = run("client.py", "--host", "127.0.0.1", "--grpc-port", grpc, "--rest-port", rest)
        answers = dict(line.split(" ", 1) for line in said.splitlines())
        for api in ("rest", "grpc"):
            logits = json.loads(answers[api])["logits"]
            assert [*logits[0], *logits[1]] == pytest.approx(LOGITS)
        servers = ("--server", f"off=127.0.0.1:{off}", "--server", f"on=127.0.0.1:{on}")
        lines = run("load.py", *servers, "--seconds", "1", "--json").splitlines()
    table = [json.loads(line) for line in lines]
    assert [(each["server"], each["api"], each["clients"]) for each in table] == [
        (name, api, count) for name in ("off", "on") for api in ("rest", "grpc") for count in ("1", "8", "64")
    ]
    for each in table:
        assert int(each["requests"]) > 10
        assert each["failed"] == "0"
        assert 0 < float(each["p50 ms"]) <= float(each["p99 ms"])


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


def docker_says(runner: SubprocessRunner, *words: str) -> str:
    ran = runner.capture(["docker", *words], timeout_s=120)
    assert ran.ok, ran.stderr
    return ran.stdout.strip()


@contextmanager
def started(runner: SubprocessRunner, words: list[str]) -> Iterator[tuple[str, int]]:
    """The container of ``docker run --detach WORDS``, and its REST port on this machine, 0 if it has none."""
    name = docker_says(runner, "run", "--detach", *words)
    try:
        bound = json.loads(docker_says(runner, "inspect", "--format={{json .NetworkSettings.Ports}}", name))
        yield name, int((bound.get("8501/tcp") or [{"HostPort": 0}])[0]["HostPort"])
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


def test_operators_of_a_wheel_are_loaded_and_a_part_is_left_out(
    serve: Serve, linked: Build, runner: SubprocessRunner, tmp_path: Path
) -> None:
    linked("amd64")
    (tmp_path / "text.txt").write_text(TEXT_WHEEL)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    target = ["--only-binary=:all:", "--python-version=3.11", "--platform=manylinux2014_x86_64"]
    got = runner.capture([*pip, *target, f"--dest={tmp_path}", f"--requirement={tmp_path / 'text.txt'}"])
    assert got.ok, got.stderr
    (wheel,) = tmp_path.glob("*.whl")
    words = ("--arch", "amd64", "--output", str(tmp_path), "--json", "--model", str(TOKENS))
    ran = serve(
        *(*words, "--set", f"serving.op_libraries={wheel}", "--set", "serving.without=reflection"),
        release=LINKED,
        timeout_s=3600,
    )
    assert ran.ok, ran.stderr[-8000:]
    manifest = manifest_of(ran.stdout)
    cases = {case["case"]: case for case in manifest["smoke"]}
    assert cases["model tokens"]["exit_code"] == 0
    assert "grpc reflection" not in cases
    assert [each["name"] for each in manifest["plan"]["part"]["without"]] == ["reflection"]
    folder = Path(json.loads(ran.stdout)["output"])
    assert (folder / "lib" / "operators" / "_whitespace_tokenizer.so").is_file()


def test_a_model_is_trained_exported_served_asked_and_measured_by_one_script(
    linked: Build, mirror: Path, runner: SubprocessRunner
) -> None:
    linked("amd64")
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    settings = {"SERVING_RELEASE": LINKED, "SECONDS_EACH": "1", "PATH": programs, **mirrors_of(mirror)}
    ran = runner.capture([str(EXAMPLES / "train-and-serve.sh")], env=settings, timeout_s=1800)
    assert ran.ok, ran.stderr[-8000:]
    assert "the server says what Keras said" in ran.stdout
    table = [line.split() for line in ran.stdout.splitlines()[-12:]]
    assert [row[:3] for row in table] == [
        [name, api, count] for name in ("off", "on") for api in ("rest", "grpc") for count in ("1", "8", "64")
    ]


def test_what_the_gate_finds_ends_the_build_with_the_name_of_the_symbol(
    serve: Serve, linked: Build, tmp_path: Path
) -> None:
    linked("amd64")
    # A function that is called as gRPC's are becomes visible to the wheel's libraries.
    options = 'serving.linkopts=[-rdynamic, "-Wl,--defsym=grpc_leaked=main"]'
    ran = serve(
        "--arch", "amd64", "--output", str(tmp_path), "--set", options, release=LINKED, timeout_s=3600
    )
    assert ran.returncode == 6
    assert "the server exports symbols of libraries that TensorFlow has its own copies of" in ran.stderr
    assert "grpc_leaked" in ran.stderr
    assert not list(tmp_path.rglob("tensorflow_model_server"))


def test_a_source_with_other_build_files_is_not_compiled(serve: Serve, mirror: Path, tmp_path: Path) -> None:
    release = tmp_path / "2.16.1-miniwheel.yaml"
    release.write_text((PROJECT / LINKED).read_text())
    stored = json.loads((PROJECT / LINKED).with_suffix(".sources.json").read_text())
    stored["sources"].remove("tensorflow_serving/model_servers/model.cc")
    release.with_suffix(".sources.json").write_text(json.dumps(stored))
    ran = serve("--arch", "amd64", "--output", str(tmp_path / "dist"), release=str(release))
    assert ran.returncode == 7
    assert "tensorflow_serving/model_servers/model.cc: in the source, not in the list" in ran.stderr


@pytest.mark.archives
@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_upstreams_own_source_answers(invoke: Invoke, tmp_path: Path, arch: str) -> None:
    mirror = os.environ["TFBUILD_TEST_MIRROR"]
    ran = invoke(
        *("build-serving", "--release", "2.16.1-wheel", "--arch", arch, "--output", str(tmp_path), "--json"),
        env={"TFBUILD_MIRRORS": f"https://={mirror}/"},
        timeout_s=7200,
    )
    assert ran.ok, ran.stderr[-8000:]
    cases = {case["case"]: case for case in manifest_of(ran.stdout)["smoke"]}
    assert cases["half_plus_two"]["outputs"] == [2.5, 3.0, 4.5]
    assert cases["version"]["version"] == "TensorFlow ModelServer: 2.16.1+dev.sha.0d72695"
    assert cases["convolution"]["outputs"][:3] == [15.8828125, 0.41015625, 19.703125]
    assert cases["switch of versions"]["outputs"] == [3.0, 4.0, 7.0]
