"""The miniature upstream the whole way through build-serving, with a real Bazel."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.engine.conftest import Invoke
from tests.support.patches import diff_of
from tests.support.products import Product, load_release
from tests.support.reporters import SilentReporter
from tests.support.serving import MINIATURE, OWN_BAZEL, Serve, mirrors_of, start_build
from tests.support.started import answer_of, started
from tfbuild.base.errors import PackagingError
from tfbuild.build.layout import Layout
from tfbuild.build.run import Run
from tfbuild.build.steps import bake_targets, empty_folders, make_roots
from tfbuild.cli.wiring import build_effects
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions
from tfbuild.machine.cache import cache_root, prepare_cache
from tfbuild.plan.words import Words, host_arch
from tfbuild.products import table
from tfbuild.products.serving.smoke.run import smoke

PROJECT = Path(__file__).resolve().parents[2]
SOURCE = PROJECT / "tests" / "data" / "serving-mini"
MODEL = (
    PROJECT / "tests/data/serving-mini/tensorflow_serving/servables/tensorflow/testdata"
    / "saved_model_half_plus_two_cpu"
)  # fmt: skip


Begin = Callable[..., Run[Any]]


@dataclass(frozen=True)
class Server:
    """A finished build."""

    folder: Path
    image: str
    manifest: dict[str, Any]

    def log(self, name: str) -> str:
        return next((self.folder / "logs").glob(f"*-{name}.log")).read_text(errors="replace")


@pytest.fixture(scope="session")
def make(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Server]:
    output = tmp_path_factory.mktemp("serving")
    done: dict[str, Server] = {}

    def made(arch: str) -> Server:
        if arch not in done:
            ran = serve("--arch", arch, "--output", str(output), "--json", timeout_s=3600)
            assert ran.ok, ran.stderr[-8000:]
            result = json.loads(ran.stdout)
            folder = Path(result["output"])
            manifest = json.loads((folder / "manifest.json").read_text())
            done[arch] = Server(folder, result["image"], manifest)
        return done[arch]

    return made


@pytest.fixture
def amd64(make: Callable[[str], Server]) -> Server:
    return make("amd64")


@pytest.mark.parametrize("arch", ["amd64", "arm64"])
def test_half_plus_two_through_both_apis(make: Callable[[str], Server], arch: str) -> None:
    server = make(arch)
    cases = {case["case"]: case for case in server.manifest["smoke"]}
    assert cases["half_plus_two"]["outputs"] == [2.5, 3.0, 4.5]
    assert cases["health"]["exit_code"] == 0
    assert re.match(r"TensorFlow ModelServer: 2\.19\.1-rc0\+dev\.sha\.", cases["version"]["version"])
    machine = {"amd64": "EM_X86_64", "arm64": "EM_AARCH64"}[arch]
    assert {each["machine"] for each in server.manifest["elf"]} == {machine}
    assert any(line.startswith("bazel") for line in server.manifest["tools"])
    assert "image-owner" not in {each["id"] for each in server.manifest["findings"]}
    linked_in = {each["owner"] for each in server.manifest["contents"]}
    assert any(name.startswith("libc6-dev") for name in linked_in)  # of the entry program


@pytest.fixture
def begin(mirror: Path, engine: DockerEngine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Begin:
    """A build that has only begun: its steps are carried out one by one."""
    for name, value in mirrors_of(mirror).items():
        monkeypatch.setenv(name, value)

    def begun(name: str, cache: Path) -> Run[Any]:
        words = Words(release=name)
        plan = table.plan_of(PROJECT, "serving", words, env=os.environ, build_arch=host_arch())
        release = load_release(PROJECT, Product.SERVING, name)
        effects = build_effects(plan, release, tmp_path, offline=False, reporter=SilentReporter())
        layout = Layout(PROJECT, prepare_cache(cache), plan.build_id)
        run = Run(plan, table.recipe_of(plan), layout, effects, tmp_path)
        run.logs.mkdir(parents=True, exist_ok=True)
        return run

    return begun


def test_what_follows_a_compile_works_on_the_debian_of_real_releases(
    amd64: Server, begin: Begin, engine: DockerEngine, tmp_path: Path
) -> None:
    # Theirs takes a day on Debian 11, and this comes at its end. The server is the miniature's.
    mini = begin(MINIATURE, cache_root(os.environ))
    real = begin("2.19.1", tmp_path / "cache")
    assert real.plan.root.suite == "bullseye"
    # Of this machine's mirror, not as it was on a day.
    real.plan = replace(real.plan, root=replace(real.plan.root, snapshot=None))
    layout = real.layout
    empty_folders(layout.archives, layout.request, layout.model, layout.repositories, layout.runtime)
    empty_folders(layout.source(real.plan), layout.downloads)
    for pin in real.plan.pins:
        (layout.downloads / pin.filename).touch()  # Bazel, which nothing starts here
    shutil.copytree(mini.layout.out, layout.out, dirs_exist_ok=True)
    try:
        make_roots(real)
        bake_targets(real, ("runtime-files", "smoke"), real.log("runtime-files"), PackagingError)
        with tarfile.open(layout.runtime / "runtime.tar") as runtime:
            names = {each.name.removeprefix("./") for each in runtime}
        shutil.rmtree(mini.layout.smoke, ignore_errors=True)
        shutil.copytree(layout.smoke, mini.layout.smoke)
        engine.tag_image(amd64.image, mini.layout.candidate)
        outcomes, findings = smoke(mini)
    finally:
        engine.remove_image(mini.layout.candidate)
    assert {"usr/lib/x86_64-linux-gnu/libc.so.6", "var/lib/dpkg/status.d/libc6.md5sums"} <= names
    assert findings == []
    assert [each.case for each in outcomes] == [each["case"] for each in amd64.manifest["smoke"]]


@pytest.mark.archives
def test_a_bazel_of_upstreams_own_does_the_same(serve: Serve, tmp_path: Path, engine: DockerEngine) -> None:
    # As all releases of TensorFlow Serving: one program by its hash, and limits in the form of before 7.1.
    tag = "tfbuild-test/serving-bazel:1"
    try:
        ran = serve("--output", str(tmp_path), "--tag", tag, "--json", release=OWN_BAZEL, timeout_s=3600)
        assert ran.ok, ran.stderr[-4000:]
        manifest = json.loads((Path(json.loads(ran.stdout)["output"]) / "manifest.json").read_text())
        cases = {case["case"]: case for case in manifest["smoke"]}
        assert cases["half_plus_two"]["outputs"] == [2.5, 3.0, 4.5]
        assert "bazel 2.1.0" in manifest["tools"][0]
    finally:
        engine.remove_image(tag)


def test_the_images_of_both_architectures_become_one(
    make: Callable[[str], Server], serve: Serve, engine: DockerEngine
) -> None:
    output = make("amd64").folder.parents[3]
    make("arm64")
    ran = serve("--arch", "amd64,arm64", "--output", str(output), "--json")
    assert ran.ok, ran.stderr[-4000:]
    result = json.loads(ran.stdout)
    try:
        assert [each["status"] for each in result["builds"]] == ["up-to-date", "up-to-date"]
        assert [each["platform"] for each in result["images"]] == ["linux/amd64", "linux/arm64"]
        assert Path(result["archive"]["path"]).is_file()
    finally:
        if result["loaded"]:
            engine.remove_image(result["image"])


def test_building_it_again_with_empty_caches_gives_the_same_bytes(
    amd64: Server, invoke: Invoke, mirror: Path
) -> None:
    ran = invoke("reproduce", str(amd64.folder), "--json", env=mirrors_of(mirror))
    assert ran.ok, ran.stdout[-4000:] + ran.stderr[-4000:]
    (again,) = json.loads(ran.stdout)["builds"]
    assert (again["equal"], again["image"], again["other_inputs"]) == (True, "same", [])


def test_the_image_is_a_drop_in_for_upstreams(amd64: Server, engine: DockerEngine) -> None:
    config = docker.from_env().images.get(amd64.image).attrs["Config"]
    assert set(config["ExposedPorts"]) == {"8500/tcp", "8501/tcp"}
    assert {"MODEL_NAME=model", "MODEL_BASE_PATH=/models"} <= set(config["Env"])
    assert config["User"] == "65532:65532"
    # Manifests give upstream's entry program as the command.
    named = RunOptions(entrypoint=("/usr/bin/tf_serving_entrypoint.sh",), timeout_s=30)
    assert engine.run_once(amd64.image, ["--version"], named).stdout.startswith("TensorFlow ModelServer: ")
    # No model: the server says so, and waits for one.
    ran = engine.run_once(amd64.image, [], RunOptions(timeout_s=5))
    assert ran.timed_out
    assert "Could not find base path /models/model" in ran.stderr


def test_a_second_run_does_nothing(amd64: Server, serve: Serve) -> None:
    before = (amd64.folder / "manifest.json").stat().st_mtime_ns
    ran = serve("--output", str(amd64.folder.parents[3]), "--json")
    assert json.loads(ran.stdout)["status"] == "up-to-date"
    assert (amd64.folder / "manifest.json").stat().st_mtime_ns == before


def test_the_profile_of_bazel_and_its_complete_logs_are_kept(amd64: Server) -> None:
    assert next((amd64.folder / "logs").glob("*-profile.gz")).stat().st_size > 1000
    assert "Build completed successfully" in amd64.log("compile-compile")


def test_bazel_shows_the_flags_of_the_configuration_in_its_commands(amd64: Server) -> None:
    actions = amd64.log("compile-actions")
    compiled = actions.partition("action 'Compiling tensorflow_serving/model_servers/main.cc'")[2]
    assert "-march=x86-64-v3" in compiled
    assert "-O3" in compiled
    assert "action 'Linking tensorflow_serving/model_servers/tensorflow_model_server'" in actions


def test_a_model_becomes_part_of_the_image(serve: Serve, tmp_path: Path, engine: DockerEngine) -> None:
    model = tmp_path / "half"
    _copy_model(model)
    tag = "tfbuild-test/serving-model:1"
    ran = serve("--model", str(model), "--output", str(tmp_path / "dist"), "--tag", tag, "--json")
    try:
        assert ran.ok, ran.stderr[-4000:]
        manifest = json.loads((Path(json.loads(ran.stdout)["output"]) / "manifest.json").read_text())
        state = {case["case"]: case["version"] for case in manifest["smoke"]}
        assert state["model half"] == "AVAILABLE"
    finally:
        engine.remove_image(tag)


def test_run_serves_a_model_to_this_machine_alone(amd64: Server, tmp_path: Path) -> None:
    model = tmp_path / "half"
    _copy_model(model)
    with started(amd64.image, "--model", str(model)) as document:
        assert {each["container"] for each in document["ports"]} == {8500, 8501}
        status, found = answer_of(document, 8501, "/v1/models/half:predict", '{"instances": [1, 2, 5]}')
        assert (status, found) == (200, {"predictions": [2.5, 3.0, 4.5]})


def _copy_model(target: Path) -> None:
    for source in MODEL.rglob("*"):
        if source.is_file():
            copy = target / source.relative_to(MODEL)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    # TensorFlow writes an index beside the values; the small server needs none.
    index = target / "00000123" / "variables" / "variables.index"
    index.write_bytes(b"")


def test_a_changed_copt_compiles_again_and_reverting_it_does_not(
    amd64: Server, serve: Serve, tmp_path: Path, engine: DockerEngine
) -> None:
    tag = "tfbuild-test/serving-copt:1"
    define = f"compile.defines.TFBUILD_TEST={int(time.time())}"
    try:
        changed = serve(
            "--set", define, "--name", "copt", "--output", str(tmp_path / "changed"), "--tag", tag
        )
        assert changed.ok, changed.stderr[-4000:]
        assert _ran(_log("compile-compile", "opt-copt")) > 10
        words = ("--set", "runtime.labels.team=edge", "--name", "back", "--output", str(tmp_path / "back"))
        # The recipe brings out what is in /tree/log; no action depends on this option.
        back = serve(*words, "--tag", tag, "--", "--execution_log_json_file=/tree/log/execution.json")
        assert back.ok, back.stderr[-4000:]
        spawns = _spawns(_log("compile-execution", "opt-back", "json"))
        # The disk cache has every object of the first build. Only what is compiled with the time of the build
        # (the version, a stamp of the link) may run: it does where that time is another one.
        compiled = [each["mnemonic"] for each in spawns if not each["cacheHit"]]
        assert set(compiled) <= {"CppLinkstampCompile"}, compiled
        assert sum(each["cacheHit"] for each in spawns) > 10
    finally:
        engine.remove_image(tag)


def _log(name: str, config: str, suffix: str = "log") -> str:
    logs = cache_root(os.environ) / "state" / f"serving-2.19.1-mini-{config}-amd64" / "logs"
    return next(logs.glob(f"*-{name}.{suffix}")).read_text(errors="replace")


def _spawns(text: str) -> list[dict[str, Any]]:
    """What Bazel's execution log has: JSON objects, one after the other."""
    found, decoder, text = [], json.JSONDecoder(), text.strip()
    while text:
        one, end = decoder.raw_decode(text)
        found.append(one)
        text = text[end:].lstrip()
    return found


def _ran(log: str) -> int:
    """Actions that Bazel really carried out: its closing line counts them by where they ran."""
    closing = re.findall(r"INFO: \d+ processes?: (.*)\.$", log, re.MULTILINE)[-1]
    return sum(int(count) for count in re.findall(r"(\d+) local", closing))


def test_an_unknown_flag_is_told_before_anything_is_fetched_or_compiled(serve: Serve, tmp_path: Path) -> None:
    ran = serve("--output", str(tmp_path), "--", "--no_such_flag=1")
    assert ran.returncode == 6
    assert "--no_such_flag" in ran.stderr
    assert "the check phase" in ran.stderr


def test_a_compile_error_names_the_file_and_is_continued_after(serve: Serve, tmp_path: Path) -> None:
    wrong = "compile.cxxflags=-include/no/such/header.h"
    broken = serve("--output", str(tmp_path), "--set", wrong, "--name", "broken")
    assert broken.returncode == 6
    assert "/no/such/header.h" in broken.stderr
    assert "log: " in broken.stderr
    assert _log("compile-compile", "opt-broken")


def test_an_interrupted_compile_goes_on(mirror: Path, tmp_path: Path) -> None:
    define = f"compile.defines.TFBUILD_TEST={time.time_ns()}"
    words = ["--config", "debug", "--set", define, "--name", "interrupted", "--output", str(tmp_path)]
    words += ["--jobs", "1"]
    work = cache_root(os.environ) / "state" / "serving-2.19.1-mini-debug-interrupted-amd64"
    process = start_build(words, mirror)
    _wait_for(work, 25, process)
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues" in stderr
    process = start_build(words, mirror)
    _, stderr = process.communicate(timeout=1800)
    assert process.returncode == 0, stderr[-4000:]
    log = next((work / "logs").glob("*-compile-compile.log")).read_text(errors="replace")
    closing = re.findall(r"INFO: \d+ processes?: (.*)\.$", log, re.MULTILINE)[-1]
    everything = 30
    assert _ran(log) < everything - 3, closing
    docker.from_env().images.remove("tfbuild/serving:2.19.1-mini-debug-interrupted-amd64", force=True)


def _wait_for(work: Path, actions: int, process: subprocess.Popen[str]) -> None:
    """Until Bazel has done ``actions``; the transcript grows while it runs."""
    deadline = time.monotonic() + 1800
    began = time.time()
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        logs = [log for log in work.glob("logs/*-compile.log") if log.stat().st_mtime > began]
        text = "".join(log.read_text(errors="replace") for log in logs)
        if any(int(done) >= actions for done in re.findall(r"\[(\d+) / \d+\]", text)):
            return
        time.sleep(0.2)
    pytest.fail("the compile did not get going")


def test_a_patch_changes_the_server_whatever_it_is_called(serve: Serve, tmp_path: Path) -> None:
    version = "tensorflow_serving/model_servers/version.cc"
    patch = tmp_path / "version.diff"
    patch.write_text(diff_of(SOURCE, version, "+dev.sha.", "+dev.sha.by-a-diff."))
    tag = "tfbuild-test/serving-patched:1"
    try:
        ran = serve(
            "--set", f"source.patches={patch}", "--output", str(tmp_path), "--tag", tag, "--json",
            timeout_s=3600,
        )  # fmt: skip
        assert ran.ok, ran.stderr[-4000:]
        folder = Path(json.loads(ran.stdout)["output"])
        manifest = json.loads((folder / "manifest.json").read_text())
        cases = {case["case"]: case for case in manifest["smoke"]}
        assert "+dev.sha.by-a-diff." in cases["version"]["version"]
        (log,) = (folder / "logs").glob("*-prepare.log")
        assert "1 of 1 patches applied\n" in log.read_text()
    finally:
        docker.from_env().images.remove(tag, force=True)
