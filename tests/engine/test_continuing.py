"""Changes, interruptions and failures: what is compiled again, what is kept, what is left running."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import docker
import pytest

from tests.engine.conftest import PROJECT, RELEASE, Built, Invoke
from tfbuild.machine.cache import cache_root
from tfbuild.plan.plan import BUILD_ID_LABEL

_LEAF_PATCH = PROJECT / "tests" / "data" / "patches" / "leaf.patch"
_DEBUG = "tflite-2.14.1-debian-debug-amd64"
_INTERRUPTED = "tflite-2.14.1-debian-debug-interrupted-amd64"
_NO_INT8 = PROJECT / "tests" / "data" / "patches" / "no-int8.patch"
_BAD_PATCH = PROJECT / "tests" / "data" / "patches" / "does-not-apply.patch"


def _edges(build_id: str) -> list[str]:
    """What the last compile of ``build_id`` compiled or linked."""
    logs = cache_root(os.environ) / "state" / build_id / "logs"
    text = next(logs.glob("*-compile-compile.log")).read_text(errors="replace")
    return re.findall(r"^\[\d+/\d+\] (.*)$", text, re.MULTILINE)


@pytest.fixture
def amd64(build: Callable[[str], Built]) -> Built:
    return build("amd64")


def _nameless(build_id: str) -> set[str]:
    """Images without a name that ``build_id`` can have left; other builds run beside it."""
    images = docker.from_env().images.list(filters={"dangling": True})
    return {image.id for image in images if image.labels.get(BUILD_ID_LABEL, build_id) == build_id}


def test_a_change_that_touches_no_flag_compiles_nothing(amd64: Built, invoke: Invoke, tmp_path: Path) -> None:
    build_id = f"tflite-{RELEASE}-opt-relabelled-amd64"
    before = _nameless(build_id)
    ran = invoke(
        "build-tflite", "--arch", "amd64", "--output", str(tmp_path), "--json",
        "--set", "compile.strip=false", "--set", "runtime.labels.team=edge",
        "--name", "relabelled", "--tag", "tfbuild-test/relabelled:1",
    )  # fmt: skip
    try:
        assert ran.ok, ran.stderr[-4000:]
        assert _edges(build_id) == []
        manifest = json.loads((Path(json.loads(ran.stdout)["output"]) / "manifest.json").read_text())
        assert manifest["image"]["labels"]["team"] == "edge"
        assert _nameless(build_id) <= before, "the build left an image without a name"
    finally:
        docker.from_env().images.remove("tfbuild-test/relabelled:1", force=True)


def test_a_changed_patch_compiles_what_depends_on_it(invoke: Invoke, tmp_path: Path) -> None:
    patch = tmp_path / "work.patch"
    words = (
        "build-tflite", "--arch", "amd64", "--output", str(tmp_path), "--tag", "tfbuild-test/patched:1",
        "--set", f"source.patches={patch}", "--name", "patched",
    )  # fmt: skip
    try:
        for text in ("before", f"after, {time.time()}"):  # the first one makes the tree, through ccache
            patch.write_text(_LEAF_PATCH.read_text().replace("Changed by a test", text))
            ran = invoke(*words)
            assert ran.ok, ran.stderr[-4000:]
        assert "replaces the build tflite-2.14.1-debian-opt-patched-amd64 of " in ran.stderr
        edges = _edges(f"tflite-{RELEASE}-opt-patched-amd64")
        compiled = [edge for edge in edges if edge.startswith("Building")]
        assert len(compiled) == 1, compiled
        assert compiled[0].endswith("kernels/floor.cc.o")
    finally:
        docker.from_env().images.remove("tfbuild-test/patched:1", force=True)


def test_a_patch_that_does_not_apply(amd64: Built, invoke: Invoke) -> None:
    before = (amd64.folder / "SHA256SUMS").read_bytes()
    ran = invoke(
        "build-tflite", "--arch", "amd64", "--output", str(amd64.folder.parents[3]),
        "--set", f"source.patches={_BAD_PATCH}",
    )  # fmt: skip
    assert ran.returncode == 6
    assert "does-not-apply.patch" in ran.stderr
    assert "log: " in ran.stderr
    assert (amd64.folder / "SHA256SUMS").read_bytes() == before


def test_a_build_that_xnnpack_does_not_take_part_in_is_refused(amd64: Built, invoke: Invoke) -> None:
    """int8 loses its delegation without a define, and nothing but the smoke test would tell.

    A patch has the effect of the missing define in the one file that asks for it: the rest comes from ccache.
    """
    before = (amd64.folder / "SHA256SUMS").read_bytes()
    ran = invoke(
        "build-tflite", "--arch", "amd64", "--output", str(amd64.folder.parents[3]),
        "--set", f"source.patches={_NO_INT8}",
    )  # fmt: skip
    assert ran.returncode == 7, ran.stderr[-4000:]
    assert "xnnpack-not-in-use" in ran.stderr
    assert "conv_int8, c++" in ran.stderr
    assert "conv_float32" not in ran.stderr
    assert (amd64.folder / "SHA256SUMS").read_bytes() == before


def _start(work: Path, *words: str) -> subprocess.Popen[str]:
    shutil.rmtree(work / "logs", ignore_errors=True)
    return subprocess.Popen(
        [str(Path(sys.executable).parent / "invoke"), *words],
        cwd=PROJECT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def _wait_for(work: Path, edges: int, process: subprocess.Popen[str]) -> None:
    """Until the compile has done ``edges`` edges; its transcript grows while it runs."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        text = "".join(log.read_text(errors="replace") for log in work.glob("logs/*-compile.log"))
        if len(re.findall(r"^\[\d+/\d+\]", text, re.MULTILINE)) >= edges:
            return
        time.sleep(0.2)
    pytest.fail("the compile did not get going")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_compile_leaves_nothing_and_goes_on(
    invoke: Invoke, tmp_path: Path, number: signal.Signals
) -> None:
    words = (
        "build-tflite", "--arch", "amd64", "--config", "debug", "--output", str(tmp_path), "--jobs", "2",
        "--set", "compile.ccache=false", "--set", f"compile.defines.TFBUILD_TEST={int(time.time())}",
        "--name", "interrupted",
    )  # fmt: skip
    work = cache_root(os.environ) / "state" / _INTERRUPTED
    process = _start(work, *words)
    _wait_for(work, 4, process)
    assert _left_running(_INTERRUPTED), "the check below would not notice a compiler"
    began = time.monotonic()
    os.kill(process.pid, number)
    _, stderr = process.communicate(timeout=30)
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert "the same command continues" in stderr
    assert not _left_running(_INTERRUPTED)

    process = _start(work, *words)
    _wait_for(work, 1, process)
    os.kill(process.pid, number)
    process.communicate(timeout=30)
    transcript = next(work.glob("logs/*-compile.log")).read_text(errors="replace")
    left = int(re.findall(r"^\[\d+/(\d+)\]", transcript, re.MULTILINE)[0])
    whole = 254
    assert left <= whole - 4, f"{left} of {whole} files are compiled again"
    assert not _left_running(_INTERRUPTED)


def _left_running(build_id: str) -> list[str]:
    """Processes of the build, those in builder containers included: its arguments are their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            name = (process / "comm").read_text().strip()
        except OSError:
            continue
        if f"BUILD_ID={build_id}".encode() in environment:
            found.append(name)
    return found


def test_the_same_build_twice_at_once(invoke: Invoke, tmp_path: Path) -> None:
    words = ("build-tflite", "--arch", "amd64", "--config", "debug", "--output", str(tmp_path))
    work = cache_root(os.environ) / "state" / _DEBUG
    process = _start(work, *words, "--set", "compile.ccache=false")
    try:
        _wait_for(work, 1, process)
        second = invoke(*words, env={"TFBUILD_LOCK_WAIT": "0"}, timeout_s=60)
        assert second.returncode == 9
        assert str(process.pid) in second.stderr
        assert f"building {_DEBUG}" in second.stderr
    finally:
        os.kill(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
