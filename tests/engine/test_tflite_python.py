"""TFLite in Python: from source and from the official wheel, in real containers."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import Invoke
from tests.support.operators import require_operators, require_zoo
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions, RunResult
from tfbuild.machine.cache import cache_root
from tfbuild.machine.runner import SubprocessRunner

PROJECT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).parent / "python" / "add.py"
MODELS = PROJECT / "dockerfiles" / "tflite" / "smoke" / "models"
SOURCE = ("--release", "2.14.1-debian", "--set", "runtime.flavour=python")
WHEEL = ("--from", "wheel", "--release", "2.14.0-wheel")
PLATFORMS = {"amd64": "linux/amd64", "arm64": "linux/arm64", "armhf": "linux/arm/v7"}


@dataclass(frozen=True)
class Built:
    """A finished build."""

    arch: str
    folder: Path
    image: str
    manifest: dict[str, Any]
    engine: DockerEngine

    @property
    def wheel(self) -> Path:
        (found,) = (self.folder / "python").glob("tflite_runtime-*.whl")
        return found

    @property
    def smoke(self) -> Path:
        """What the build's own smoke test had, the emulator among it."""
        return cache_root(os.environ) / "state" / str(self.manifest["build_id"]) / "smoke"

    def python(self, *arguments: str, files: dict[str, Path] | None = None) -> RunResult:
        """``python3 ARGUMENTS`` in the image, whose files are below /smoke; emulated where it is foreign."""
        given = {f"/smoke/{name}": path for name, path in (files or {}).items()}
        command: tuple[str, ...] = ("/usr/bin/python3", *arguments)
        if (self.smoke / "qemu").exists():
            given["/smoke/qemu"] = self.smoke / "qemu"
            command = ("/smoke/qemu", *command)
        options = RunOptions(
            platform=PLATFORMS[self.arch], files=given, timeout_s=300, entrypoint=command[:1]
        )
        return self.engine.run_once(self.image, command[1:], options)


Make = Callable[..., Built]


@pytest.fixture(scope="session")
def make(engine: DockerEngine, invoke: Invoke, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """A build by its words and architecture; each is made once a session."""
    done: dict[tuple[str, ...], Built] = {}
    output = tmp_path_factory.mktemp("python")

    def made(words: tuple[str, ...], arch: str) -> Built:
        key = (*words, arch)
        if key not in done:
            tag = f"tfbuild-test/python:{len(done)}"
            ran = invoke(
                "build-tflite", *words, "--arch", arch, "--tag", tag, "--output", str(output), "--json",
                timeout_s=3600,
            )  # fmt: skip
            assert ran.ok, ran.stderr[-8000:]
            folder = Path(json.loads(ran.stdout)["output"])
            manifest = json.loads((folder / "manifest.json").read_text())
            done[key] = Built(arch, folder, tag, manifest, engine)
        return done[key]

    yield made
    for built in done.values():
        engine.remove_image(built.image)


@pytest.fixture(scope="session", params=["amd64", "arm64"])
def source(request: pytest.FixtureRequest, make: Make) -> Built:
    return make(SOURCE, request.param)


@pytest.fixture(scope="session", params=["amd64", "armhf"])
def official(request: pytest.FixtureRequest, make: Make) -> Built:
    """For armhf as at the last point release: security archives do not carry it as long as the others."""
    more = ("--set", "debian.security_updates=false") if request.param == "armhf" else ()
    return make((*WHEEL, *more), request.param)


def test_xnnpack_is_in_use_through_python(source: Built) -> None:
    cases = {case["case"]: case for case in source.manifest["smoke"]}
    assert cases["add, python"]["outputs"] == [3.0, 9.0]
    for name in ("conv_float32, python", "conv_int8, python"):
        assert (cases[name]["delegated"], cases[name]["left"]) == (1, [])


def test_every_operator_answers_through_python_as_published_packages_do(source: Built) -> None:
    require_operators(source.manifest, "operators, python", "2.14.1")
    require_zoo(source.manifest, "zoo, python", too_new=3)


def test_a_model_that_ends_the_process_is_told_and_the_others_are_run(source: Built) -> None:
    files = {name: SCRIPT.parent / name for name in ("crashing/__init__.py", "crashing/interpreter.py")}
    files |= {name: source.smoke / name for name in ("operators.py", "operators.pack")}
    ran = source.python(
        "/smoke/operators.py", "crashing", "/smoke/operators.pack", "--only", "abs-float32", "--verbose",
        files=files,
    )  # fmt: skip
    assert ran.exit_code == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert "operator abs-float32-2x5 reference crashed signal 6" in lines
    assert "operators reference 6 5 0" in lines
    assert "operators xnnpack 6 5 5" in lines
    assert sum(" right " in line for line in lines) == 10


def test_a_users_script_runs_as_it_is(source: Built) -> None:
    files = {"add.py": SCRIPT, "add.bin": source.smoke / "add.bin"}
    ran = source.python("/smoke/add.py", "/smoke/add.bin", files=files)
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout == "[3.0, 9.0]\n"


def test_the_tag_of_the_wheel_is_what_auditwheel_says(source: Built, runner: SubprocessRunner) -> None:
    shown = runner.capture([sys.executable, "-m", "auditwheel", "show", str(source.wheel)])
    text = " ".join(shown.stdout.split())
    tag = source.wheel.stem.rpartition("-")[2]
    assert f'consistent with the following platform tag: "{tag}"' in text


def test_the_dist_folder_and_the_wheel_verify(source: Built, invoke: Invoke) -> None:
    for target in (source.folder, source.wheel):
        verified = invoke("verify", str(target), "--json")
        assert verified.ok, verified.stdout[-2000:]
        assert json.loads(verified.stdout)["facts"]["tag"]["fits"] == source.wheel.stem.rpartition("-")[2]


def test_there_is_no_pip_and_no_shell(source: Built) -> None:
    code = "import importlib.util as u; print([n for n in ('pip', 'ensurepip', 'venv') if u.find_spec(n)])"
    ran = source.python("-c", code)
    assert (ran.exit_code, ran.stdout) == (0, "[]\n")
    assert not source.folder.joinpath("lib").exists()


def test_the_official_wheel_answers_the_same(official: Built) -> None:
    files = {"add.py": SCRIPT, "model": MODELS / "add_float32.tflite"}
    ran = official.python("/smoke/add.py", "/smoke/model", files=files)
    assert ran.exit_code == 0, ran.stderr
    assert ran.stdout == "[3.0, 9.0]\n"


def test_every_operator_answers_through_the_official_wheel(official: Built) -> None:
    column = "" if official.arch == "armhf" else "tflite-runtime-2.14.0"
    require_operators(official.manifest, "operators, python", column)
    require_zoo(official.manifest, "zoo, python", too_new=3, ended=int(official.arch == "armhf"))


def test_the_official_wheel_stays_as_it_was_published(official: Built, invoke: Invoke) -> None:
    pins = {pin["filename"]: pin["sha256"] for pin in official.manifest["plan"]["pins"]}
    lines = (official.folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert sums[f"python/{official.wheel.name}"] == pins[official.wheel.name]
    assert invoke("verify", str(official.folder), "--policy", "tflite-wheel-scratch").ok
    if official.arch == "armhf":
        assert [root["security"] for root in official.manifest["roots"].values()] == [None, None]
