"""An application on top of the runtime image: the dist folder is all that its compiler sees of TFLite."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.engine.conftest import PROJECT, Built
from tfbuild.artifacts.elf.read import read_elf
from tfbuild.engine.docker_cli import DockerCli
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions
from tfbuild.machine.runner import SubprocessRunner

_APP = Path(__file__).parent / "app"
_BARE = Path(__file__).parent / "bare"
_BARE_TAG = "tfbuild-test/bare:1"


def _image(built: Built, work: Path, tag: str, context: Path, args: dict[str, str]) -> dict[str, Any]:
    """A bake definition that puts the dist folder of ``built``, made in ``work``, into an image."""
    # The root filesystem that it was built on: other tests leave those of other suites beside it.
    definition = json.loads((work / "bake.json").read_text())
    return {
        "target": {
            "root": {
                "context": definition["target"]["root"]["context"],
                "dockerfile": str(PROJECT / "dockerfiles/debian/base.Dockerfile"),
            },
            "app": {
                "context": str(context),
                "contexts": {
                    "root": "target:root",
                    "dist": str(built.folder),
                    "models": str(work / "smoke"),
                },
                "args": args,
                "platforms": [f"linux/{built.arch}"],
                "tags": [tag],
                "output": ["type=docker"],
            },
        }
    }


def _bake(definition: dict[str, Any], cli: DockerCli, runner: SubprocessRunner, folder: Path) -> None:
    bake_file = folder / "bake.json"
    bake_file.write_text(json.dumps(definition))
    argv = [*cli.buildx, "bake", f"--file={bake_file}", "--progress=plain", "app"]
    # Without the second one buildx loads the root filesystem too, as an image without a name.
    done = runner.run(argv, env={"BUILDX_BAKE_ENTITLEMENTS_FS": "0", "BUILDX_NO_DEFAULT_LOAD": "1"})
    assert done.ok, "\n".join(done.tail)


@pytest.fixture
def application(built: Built, cli: DockerCli, runner: SubprocessRunner, tmp_path: Path) -> str:
    """The image of the application for the architecture of ``built``."""
    triplet = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[built.arch]
    native = built.arch == built.manifest["plan"]["root"]["arch"]
    args = {
        "TFLITE_IMAGE": built.image,
        "TRIPLET": triplet,
        "COMPILER": "g++" if native else f"g++-{triplet.replace('_', '-')}",
    }
    # Both architectures are built side by side.
    tag = f"tfbuild-test/application:{built.arch}"
    with built.held() as work:
        _bake(_image(built, work, tag, _APP, args), cli, runner, tmp_path)
    return tag


def test_c_and_cxx_programs_run(application: str, built: Built, engine: DockerEngine) -> None:
    try:
        with built.held() as work:
            files = {f"/smoke/{path.name}": path for path in (work / "smoke").glob("qemu")}
            for program, expected in (("app-cc", "c++: 3 9\n"), ("app-c", "c 2.14.1: 3 9\n")):
                command = (*files, f"/app/{program}")
                options = RunOptions(platform=f"linux/{built.arch}", entrypoint=command[:1], files=files)
                ran = engine.run_once(application, command[1:], options)
                assert (ran.exit_code, ran.stdout) == (0, expected), ran.stderr
    finally:
        docker.from_env().images.remove(application, force=True)


def test_every_program_of_a_dist_folder_starts_from_another_place_on_a_bare_debian(
    build: Callable[[str], Built],
    cli: DockerCli,
    runner: SubprocessRunner,
    engine: DockerEngine,
    tmp_path: Path,
) -> None:
    built = build("amd64")
    programs = sorted(path.name for path in (built.folder / "bin").iterdir() if path.is_file())
    assert "benchmark_model" in programs
    try:
        with built.held() as work:
            _bake(_image(built, work, _BARE_TAG, _BARE, {}), cli, runner, tmp_path)
        for name in programs:
            options = RunOptions(entrypoint=(f"/elsewhere/tflite/bin/{name}",))
            ran = engine.run_once(_BARE_TAG, ("--help",), options)
            assert ran.exit_code != 127, ran.stderr
            assert "error while loading shared libraries" not in ran.stderr
        options = RunOptions(entrypoint=("/elsewhere/tflite/bin/benchmark_model",))
        ran = engine.run_once(_BARE_TAG, ("--graph=/models/add.bin", "--num_runs=1"), options)
        assert ran.exit_code == 0, ran.stderr
        assert "Inference timings in us" in ran.stdout + ran.stderr
    finally:
        docker.from_env().images.remove(_BARE_TAG, force=True)


def test_programs_look_for_libraries_beside_their_folder(built: Built) -> None:
    """Also where they cannot be run here."""
    for program in (built.folder / "bin").iterdir():
        assert read_elf(program).runpath == ("$ORIGIN/../lib",)
