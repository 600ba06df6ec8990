"""A model server that is linked with TensorFlow's official wheel, the whole way, for both architectures.

The miniature has upstream's labels and files, and its model is loaded and computed by the wheel's libraries.
The last test compiles upstream's own source; it needs archives that CI does not have.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import PROJECT, Invoke
from tests.support.serving import Serve

LINKED = "tests/data/serving-releases/2.16.1-miniwheel.yaml"
LIBRARIES = {"libtensorflow_cc.so.2", "libtensorflow_framework.so.2"}
MACHINES = {"amd64": "EM_X86_64", "arm64": "EM_AARCH64"}


def manifest_of(output: str) -> dict[str, Any]:
    text = (Path(json.loads(output)["output"]) / "manifest.json").read_text()
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture(scope="session")
def linked(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Any]]:
    output = tmp_path_factory.mktemp("linked")
    done: dict[str, tuple[Path, Any]] = {}

    def made(arch: str) -> tuple[Path, Any]:
        if arch not in done:
            words = ("--arch", arch, "--output", str(output), "--json")
            ran = serve(*words, release=LINKED, timeout_s=3600)
            assert ran.ok, ran.stderr[-8000:]
            done[arch] = Path(json.loads(ran.stdout)["output"]), manifest_of(ran.stdout)
        return done[arch]

    return made


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_the_wheels_tensorflow_computes_half_plus_two(
    linked: Callable[[str], tuple[Path, Any]], arch: str
) -> None:
    folder, manifest = linked(arch)
    cases = {case["case"]: case for case in manifest["smoke"]}
    assert cases["half_plus_two"]["outputs"] == [2.5, 3.0, 4.5]
    assert cases["health"]["exit_code"] == 0
    assert cases["version"]["version"] == "TensorFlow ModelServer: 2.19.1-rc0+dev.sha.0d72695"
    assert {path.name for path in (folder / "lib").iterdir()} >= LIBRARIES
    assert {each["machine"] for each in manifest["elf"]} == {MACHINES[arch]}
    assert any("clang version 17" in line for line in manifest["tools"])
    server = next(each for each in manifest["elf"] if each["path"].endswith("tensorflow_model_server"))
    assert set(server["needed"]) >= LIBRARIES
    assert {"tensorflow", "tensorflow-serving", "libgrpc-dev"} <= {
        path.name for path in (folder / "share" / "licenses").iterdir()
    }


def test_what_the_gate_finds_ends_the_build_with_the_name_of_the_symbol(
    serve: Serve, linked: Callable[[str], tuple[Path, Any]], tmp_path: Path
) -> None:
    linked("amd64")
    # All that is linked in becomes visible to the wheel's libraries.
    words = ("--arch", "amd64", "--output", str(tmp_path), "--set", "serving.linkopts=-rdynamic")
    ran = serve(*words, release=LINKED, timeout_s=3600)
    assert ran.returncode == 6
    assert "the server exports symbols of libraries that TensorFlow has its own copies of" in ran.stderr
    assert "grpc::" in ran.stderr
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
