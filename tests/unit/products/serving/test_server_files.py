"""What the server starts with: its parameter files, and what is refused before it would refuse them."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.configs import Folder
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.config.load import ResolvedConfig
from tfbuild.products.serving.files import server_args, server_files
from tfbuild.products.serving.keys import ServingKeys


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path).write(mine="description: m\n")


def files(config: ResolvedConfig) -> dict[str, str]:
    return {file.name: file.text for file in server_files(config.values.of(ServingKeys))}


def test_nothing_is_written_unless_asked_for(folder: Folder) -> None:
    config = folder.load()
    assert files(config) == {}
    assert server_args(config.values.of(ServingKeys)) == ()


def test_all_of_batching_and_monitoring(folder: Folder) -> None:
    """The file is upstream's testdata/batching_config.txt with the rest of the message's fields."""
    folder.write(
        full="""
        description: f
        serving:
          server_args: [--tensorflow_intra_op_parallelism=4]
          batching:
            enabled: true
            max_batch_size: 128
            batch_timeout_micros: 0
            max_enqueued_batches: 1000000
            num_batch_threads: 8
            allowed_batch_sizes: [32, 128]
            pad_variable_length_inputs: true
          monitoring:
            prometheus: true
            path: /metrics
        """
    )
    config = folder.load("full")
    assert files(config) == {
        "batching.conf": dedent(
            """\
            max_batch_size { value: 128 }
            batch_timeout_micros { value: 0 }
            max_enqueued_batches { value: 1000000 }
            num_batch_threads { value: 8 }
            allowed_batch_sizes: 32
            allowed_batch_sizes: 128
            pad_variable_length_inputs: true
            """
        ),
        "monitoring.conf": 'prometheus_config {\n  enable: true\n  path: "/metrics"\n}\n',
    }
    assert server_args(config.values.of(ServingKeys)) == (
        "--enable_batching=true",
        "--batching_parameters_file=/etc/tensorflow-serving/batching.conf",
        "--monitoring_config_file=/etc/tensorflow-serving/monitoring.conf",
        "--tensorflow_intra_op_parallelism=4",
    )


def test_batching_without_numbers_leaves_them_to_the_server(folder: Folder) -> None:
    config = folder.load("mine", Arch.AMD64, "serving.batching.enabled=true")
    assert files(config) == {}
    assert server_args(config.values.of(ServingKeys)) == ("--enable_batching=true",)


@pytest.mark.parametrize(
    ("sets", "where", "problem"),
    [
        (["serving.batching.max_batch_size=8"], 0, "batching is off: set serving.batching.enabled to true"),
        (
            [
                "serving.batching.enabled=true",
                "serving.batching.max_batch_size=8",
                "serving.batching.allowed_batch_sizes=8,4",
            ],
            2,
            "in increasing order",
        ),
        (
            [
                "serving.batching.enabled=true",
                "serving.batching.max_batch_size=8",
                "serving.batching.allowed_batch_sizes=2,4",
            ],
            2,
            "to be max_batch_size, which is 8",
        ),
        (
            ["serving.batching.enabled=true", "serving.batching.allowed_batch_sizes=2,4"],
            1,
            "to be max_batch_size, which is not given",
        ),
        (["serving.batching.max_batch_size=0"], 0, "found '0'"),
        (["serving.monitoring.path=metrics"], 0, "'metrics' does not match"),
        (['serving.monitoring.path=/a"b'], 0, "does not match"),
        (["serving.server_args=port=1"], 0, "an argument begins with --"),
        (["serving.server_args=--port=1"], 0, "the port is 8500"),
        (["serving.server_args=--model_name=x"], 0, "the variable MODEL_NAME"),
        (["serving.server_args=--enable_batching"], 0, "use serving.batching.enabled"),
        (["remote.cache=cache.example"], 0, "does not match"),
        (["serving.copts=-march=haswell"], 0, "use compile.march"),
        (["serving.linkopts=-flto"], 0, "use compile.lto"),
    ],
)
def test_what_the_server_or_the_build_would_stumble_over(
    folder: Folder, sets: list[str], where: int, problem: str
) -> None:
    problems = folder.problems("mine", Arch.AMD64, *sets)
    assert any(each.startswith(f"--set {sets[where]}: ") and problem in each for each in problems), problems


def test_the_example_of_the_documentation_gives_the_files_that_it_shows(folder: Folder) -> None:
    page = (PROJECT / "docs" / "serving.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(# build_configs/serve\.yaml\n.*?)```", page, re.DOTALL)
    folder.write(opt="description: o\n", serve=shown)
    expected = dict(re.findall(r"```\n# (\w+\.conf)\n(.*?)```", page, re.DOTALL))
    assert set(expected) == {"batching.conf", "monitoring.conf"}
    assert files(folder.load("serve")) == expected
