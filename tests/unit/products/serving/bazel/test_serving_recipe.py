"""The recipe of the model server: phases and network, the miniature upstream, the entry program."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.archives import DATA, pack_miniatures
from tests.support.plans import PROJECT, make_linked_server_plan, make_server_plan
from tests.support.products import Product, load_release
from tfbuild.base.arch import Arch
from tfbuild.build.buildkit.bake import BakeOptions
from tfbuild.build.layout import Layout
from tfbuild.products.saved_model import ModelFolder
from tfbuild.products.serving.bazel.bake import serving_definition
from tfbuild.products.serving.wheel.bake import definition as linked_definition

RECIPE = PROJECT / "dockerfiles" / "serving"
MINI = "tests/data/serving-releases/2.19.1-mini.yaml"
LINKED = "tests/data/serving-releases/2.16.1-miniwheel.yaml"
OWN_BAZEL = "tests/data/serving-releases/2.19.1-minibazel.yaml"


def targets(**options: Any) -> dict[str, dict[str, Any]]:
    plan = make_server_plan("2.19.1", "opt", Arch.ARM64)
    layout = Layout(Path("/project"), Path("/cache"), plan.build_id)
    return serving_definition(plan, layout, BakeOptions(**options))["target"]


def test_only_what_fetches_has_the_network() -> None:
    runs = re.split(r"^RUN ", (RECIPE / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    networked = [run for run in runs if not run.startswith("--network=none")]
    done = [re.findall(r"bash /tfbuild/(.*)", run)[0] for run in networked]
    # The last is the stage for a remote cache.
    assert done == [
        "compile.sh fetch-all",
        "compile.sh compile-all",
    ]


def test_the_compile_has_the_network_only_for_a_remote_cache() -> None:
    assert targets()["compile"]["args"]["NETWORK"] == "none"
    plan = make_server_plan("2.19.1", "opt", Arch.AMD64, "remote.cache=grpcs://cache.example:9092")
    layout = Layout(Path("/project"), Path("/cache"), plan.build_id)
    definition = serving_definition(plan, layout)
    assert definition["target"]["compile"]["args"]["NETWORK"] == "default"


def test_bazel_looks_again_in_each_run_but_once_in_one() -> None:
    one, other = targets(nonce="1"), targets(nonce="2")
    assert one["compile"] != other["compile"]
    assert one["compile"]["args"] == one["fetch"]["args"]
    assert one["image"] == other["image"]


def test_bazel_gets_the_limits_of_the_engine_in_the_form_it_knows() -> None:
    found = targets(jobs=6, memory_mib=12288)["compile"]["args"]
    assert found["LIMITS"] == "--jobs=6 --local_cpu_resources=6 --local_ram_resources=12288"


def test_the_image_names_the_model_that_is_in_it() -> None:
    model = ModelFolder("models/mine", "mine", (1,), "7" * 40)
    for plan, definition in (
        (make_server_plan("2.19.1", "opt", Arch.AMD64), serving_definition),
        (make_linked_server_plan(), linked_definition),
    ):
        with_one = replace(plan, part=replace(plan.part, model=model))
        layout = Layout(Path("/project"), Path("/cache"), plan.build_id)
        found = [definition(each, layout)["target"]["image"]["args"] for each in (plan, with_one)]
        assert [each.get("MODEL_NAME") for each in found] == [None, "mine"]
        assert found[1].items() >= found[0].items()


def test_every_context_that_the_recipe_mounts_is_given() -> None:
    text = (RECIPE / "Dockerfile").read_text()
    stages = set(re.findall(r" AS (\S+)", text))
    mounted = set(re.findall(r"from=([\w-]+)", text)) - stages
    assert mounted <= set(targets()["compile"]["contexts"])
    # Its compiler is not waited for before the server is compiled.
    assert "probe-builder" not in targets()["compile"]["contexts"]
    assert targets()["smoke"]["contexts"]["probe-builder"] == "target:probe-builder"


def test_the_hashes_of_the_miniature_are_those_of_its_files(tmp_path: Path) -> None:
    made = pack_miniatures(tmp_path)
    release, linked = (load_release(PROJECT, Product.SERVING, name) for name in (MINI, LINKED))
    assert linked.wheel.tensorflow.archive.sha256 == made["tensorflow-mini.tar"]
    named = {
        "serving-mini.tar": release.source.sha256,
        "serving-mini-wheel.tar": linked.source.sha256,
        "tensorflow-mini.tar": release.serving.archives[0].sha256,
        "boost-mini.tar": release.serving.overrides[0].download.sha256,
    }
    assert named == made, "put these into the release's file"
    workspace = (DATA / "serving-mini" / "WORKSPACE").read_text()
    assert made["tensorflow-mini.tar"] in workspace


def test_the_miniatures_differ_in_their_bazel_alone() -> None:
    debians, own = (load_release(PROJECT, Product.SERVING, name) for name in (MINI, OWN_BAZEL))
    assert (own.source, own.version, own.debian) == (debians.source, debians.version, debians.debian)
    assert own.serving
    assert debians.serving
    assert own.serving.archives == debians.serving.archives
    assert own.serving.overrides == debians.serving.overrides
    assert own.serving.bazel.package is None


# -- the entry program ---------------------------------------------------------------------------------

needs_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    """The entry program with a server that prints its arguments and waits."""
    server = tmp_path / "server"
    shutil.copyfile(DATA / "children" / "server.py", server)
    server.chmod(0o755)
    (tmp_path / "server-args").write_text("--enable_batching=true\n\n--flag=two words\n")
    program = tmp_path / "entry"
    source = RECIPE / "entry" / "tf_serving_entrypoint.c"
    macros = [f'-DSERVER="{server}"', f'-DSERVER_ARGUMENTS="{tmp_path / "server-args"}"']
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    subprocess.run(["cc", *flags, *macros, str(source), "-o", str(program)], check=True)
    return program


def start(entry: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(entry), *words],
        env={"PATH": os.environ["PATH"], **environment},
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> list[str]:
    assert process.stdout is not None
    words: list[str] = json.loads(process.stdout.readline())
    return words


@needs_compiler
@pytest.mark.real_processes
def test_the_environment_becomes_arguments_as_with_upstream(entry: Path) -> None:
    process = start(entry, "--more=1", MODEL_NAME="mine", MODEL_BASE_PATH="/elsewhere", SERVER_ENDS="0")
    assert first_line(process) == [
        "--port=8500",
        "--rest_api_port=8501",
        "--model_name=mine",
        "--model_base_path=/elsewhere/mine",
        "--enable_batching=true",
        "--flag=two words",
        "--more=1",
    ]
    assert process.wait(10) == 0


@needs_compiler
@pytest.mark.real_processes
def test_what_is_not_set_is_as_in_upstreams_image(entry: Path) -> None:
    process = start(entry, MODEL_NAME="", SERVER_ENDS="0")
    assert {"--model_name=model", "--model_base_path=/models/model"} <= set(first_line(process))
    process.wait(10)


@needs_compiler
@pytest.mark.real_processes
def test_the_end_of_the_server_is_the_end_of_the_container(entry: Path) -> None:
    process = start(entry, SERVER_ENDS="37")
    assert process.wait(10) == 37


@needs_compiler
@pytest.mark.real_processes
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_that_was_asked_for_is_a_success(entry: Path, number: signal.Signals) -> None:
    process = start(entry)
    first_line(process)
    process.send_signal(number)
    assert process.wait(5) == 0


@needs_compiler
@pytest.mark.real_processes
def test_a_server_that_is_killed_is_not(entry: Path) -> None:
    process = start(entry)
    first_line(process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[0]), signal.SIGSEGV)
    assert process.wait(5) == 128 + signal.SIGSEGV


@needs_compiler
@pytest.mark.real_processes
@pytest.mark.parametrize("name", ["../secret", "a/b", ".."])
def test_a_model_name_cannot_leave_the_folder_of_models(entry: Path, name: str) -> None:
    assert start(entry, MODEL_NAME=name).wait(10) == 2


@needs_compiler
@pytest.mark.real_processes
def test_a_server_that_is_missing_is_said(entry: Path) -> None:
    (entry.parent / "server").unlink()
    assert start(entry).wait(10) == 127


@needs_compiler
@pytest.mark.real_processes
@pytest.mark.parametrize(("answer", "code"), [("AVAILABLE", 0), ("LOADING", 1), ("nothing", 1)])
def test_the_health_check_asks_for_the_model(entry: Path, tmp_path: Path, answer: str, code: int) -> None:
    server = subprocess.Popen(
        [str(DATA / "children" / "models.py"), answer], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        # As the kernel shows what the first process was started with.
        line = tmp_path / "cmdline"
        line.write_bytes(b"entry\0--model_name=mine\0--rest_api_port=" + port.encode() + b"\0")
        began = time.monotonic()
        assert start(entry, "--healthcheck", TF_SERVING_CMDLINE=str(line)).wait(20) == code
        assert time.monotonic() - began < 10
    finally:
        server.kill()
        server.wait()
