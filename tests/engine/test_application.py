"""An application on top of the runtime image: the dist folder is all that its compiler sees of TFLite."""

from __future__ import annotations

import json
import os
from pathlib import Path

import docker
import pytest

from tests.engine.conftest import PROJECT, Built
from tfbuild.engine.docker_cli import DockerCli
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions
from tfbuild.machine.cache import cache_root
from tfbuild.machine.runner import SubprocessRunner

_APP = Path(__file__).parent / "app"
_TAG = "tfbuild-test/application:1"


@pytest.fixture
def application(built: Built, cli: DockerCli, runner: SubprocessRunner, tmp_path: Path) -> str:
    """The image of the application for the architecture of ``built``."""
    plan = built.manifest["plan"]
    rootfs = next((cache_root(os.environ) / "bases").glob(f"*-{plan['root']['arch']}-*"))
    triplet = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[built.arch]
    native = built.arch == plan["root"]["arch"]
    definition = {
        "target": {
            "root": {
                "context": str(rootfs),
                "dockerfile": str(PROJECT / "dockerfiles/debian/base.Dockerfile"),
            },
            "app": {
                "context": str(_APP),
                "contexts": {
                    "root": "target:root",
                    "dist": str(built.folder),
                    "models": str(built.work / "smoke"),
                },
                "args": {
                    "TFLITE_IMAGE": built.image,
                    "TRIPLET": triplet,
                    "COMPILER": "g++" if native else f"g++-{triplet.replace('_', '-')}",
                },
                "platforms": [f"linux/{built.arch}"],
                "tags": [_TAG],
                "output": ["type=docker"],
            },
        }
    }
    bake_file = tmp_path / "bake.json"
    bake_file.write_text(json.dumps(definition))
    argv = [*cli.buildx, "bake", f"--file={bake_file}", "--progress=plain", "app"]
    done = runner.run(argv, env={"BUILDX_BAKE_ENTITLEMENTS_FS": "0"})
    assert done.ok, "\n".join(done.tail)
    return _TAG


def test_c_and_cxx_programs_run(application: str, built: Built, engine: DockerEngine) -> None:
    emulator = built.work / "smoke" / "qemu"
    files = {"/smoke/qemu": emulator} if emulator.exists() else {}
    prefix = tuple(files)
    try:
        for program, expected in (("app-cc", "c++: 3 9\n"), ("app-c", "c 2.14.1: 3 9\n")):
            command = (*prefix, f"/app/{program}")
            options = RunOptions(platform=f"linux/{built.arch}", entrypoint=command[:1], files=files)
            ran = engine.run_once(application, command[1:], options)
            assert (ran.exit_code, ran.stdout) == (0, expected), ran.stderr
    finally:
        docker.from_env().images.remove(_TAG, force=True)
