"""A model server that is linked with TensorFlow's official wheel, the whole way, for both architectures.

The miniature has upstream's labels and files, and its model is loaded and computed by the wheel's libraries.
The last test compiles upstream's own source; it needs archives that CI does not have.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from tests.engine.conftest import PROJECT, Invoke
from tests.support.linked import LINKED, LOGITS, MODELS, Build, inputs_of, manifest_of, wait_for
from tests.support.serving import Serve, mirrors_of
from tfbuild.machine.runner import SubprocessRunner

LIBRARIES = {"libtensorflow_cc.so.2", "libtensorflow_framework.so.2"}
MACHINES = {"amd64": "EM_X86_64", "arm64": "EM_AARCH64"}
EXAMPLES = PROJECT / "examples" / "serving"
# It splits words at white space, by an operator of TensorFlow Text.
TOKENS = PROJECT / "tests" / "data" / "serving-models" / "tokens"
TEXT_WHEEL = (
    "tensorflow-text==2.16.1 --hash=sha256:ad20018b92a4c8403a488edf68b6a7304062c67171bbbf54ef857b9177a63bf2\n"
)


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
