"""The GPU variant as far as a machine without a GPU shows it: 4 GB of wheels, ten minutes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.engine.conftest import Invoke
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions, RunResult

RELEASE = "2.21.0"
TAG = "tfbuild-test/keras:gpu"
ONE_LINE = "keras-entry: no NVIDIA GPU here, TensorFlow computes on the CPU (docker run --gpus all)\n"
# The libraries that TensorFlow asks the loader for by name, by the library of its own that asks:
# xla/tsl/platform/default/dso_loader.cc
ASKED = {
    "libtensorflow_framework.so.2": {
        "libcublas.so.12", "libcublasLt.so.12", "libcudart.so.12", "libcudnn.so.9", "libcufft.so.11",
        "libcupti.so.12", "libcusparse.so.12", "libnccl.so.2",
    },
    "libtensorflow_cc.so.2": {"libcusolver.so.11"},
}  # fmt: skip

pytestmark = [pytest.mark.gpu_image, pytest.mark.timeout(7200)]


@dataclass(frozen=True)
class Gpu:
    """The finished build, and how to start its image."""

    folder: Path
    engine: DockerEngine

    def run(self, *command: str, options: RunOptions | None = None) -> RunResult:
        return self.engine.run_once(TAG, command, options or RunOptions())


@pytest.fixture(scope="module")
def gpu(engine: DockerEngine, invoke: Invoke, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gpu]:
    output = tmp_path_factory.mktemp("gpu")
    words = ("--release", RELEASE, "--variant", "gpu", "--tag", TAG, "--output", str(output), "--json")
    ran = invoke("build-keras", *words, timeout_s=7200)
    assert ran.ok, ran.stderr[-8000:]
    yield Gpu(Path(json.loads(ran.stdout)["output"]), engine)
    engine.remove_image(TAG)


def test_without_a_gpu_it_says_so_in_one_line_and_computes(gpu: Gpu) -> None:
    program = "import tensorflow as tf; print(tf.config.list_physical_devices('GPU'), int(tf.add(2, 3)))"
    ran = gpu.run("python3", "-c", program)
    assert (ran.exit_code, ran.stdout, ran.stderr) == (0, "[] 5\n", ONE_LINE)


def test_the_nvidia_runtime_is_told_what_the_image_wants(gpu: Gpu) -> None:
    program = (
        "import os; print(os.environ['NVIDIA_VISIBLE_DEVICES'], os.environ['NVIDIA_DRIVER_CAPABILITIES'])"
    )
    assert gpu.run("python3", "-c", program).stdout == "all compute,utility\n"


def test_cuda_and_cudnn_are_where_tensorflow_looks_and_can_be_loaded(gpu: Gpu) -> None:
    probe = Path(__file__).parent / "keras" / "gpu_libraries.py"
    options = RunOptions(files={"/smoke/gpu_libraries.py": probe}, timeout_s=900)
    ran = gpu.run("python3", "/smoke/gpu_libraries.py", options=options)
    assert ran.exit_code == 0, ran.stderr[-3000:]
    told = defaultdict(list)
    for line in ran.stdout.splitlines():
        word, *rest = line.split("\t")
        told[word].append(rest)
    assert told["gpus"] == [["0"]]
    build = dict(told["build"])
    assert (build["is_cuda_build"], build["cuda_version"][:3], build["cudnn_version"]) == ("True", "12.", "9")
    paths = defaultdict(set)
    for asking, name in told["path"]:
        paths[asking].add(name)
    for asking, names in ASKED.items():
        assert names - paths[asking] == set()
    assert len(told["loaded"]) > 25
    # All but what links to the driver itself, which the machine with the GPU brings.
    assert {why.partition(": cannot open")[0] for _, why in told["failed"]} == {"OSError: libcuda.so.1"}
    assert told["ptxas"][0][0].startswith("12.")


def test_the_report_misses_nothing_but_the_driver(gpu: Gpu) -> None:
    verified = json.loads((gpu.folder / "verify.json").read_text())
    assert verified["findings"] == []
    (report,) = verified["reports"]
    links = report["facts"]["closure"]["links"]
    assert any("/nvidia/cudnn/" in link["owner"] for link in links)
    assert {link["needed"] for link in links if link["found"] is None} == {"libcuda.so.1"}
