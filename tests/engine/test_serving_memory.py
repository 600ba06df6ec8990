"""Too little memory: what the kernel kills, and what the user is told."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.serving import start_build
from tests.support.steps import kill, limit_memory, wait_for
from tfbuild.machine.cache import cache_root

BUILD_ID = "serving-2.19.1-mini-debug-memory-amd64"
GIB = 1 << 30
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(mirror: Path, tmp_path: Path) -> Start:
    """Starts a build that no cache has an action of."""

    def started(*words: str) -> subprocess.Popen[str]:
        define = f"compile.defines.TFBUILD_TEST={time.time_ns()}"
        common = ("--config", "debug", "--set", define, "--name", "memory", "--output", str(tmp_path))
        return start_build([*common, "--jobs", "1", *words], mirror)

    return started


@pytest.fixture
def own_engine() -> None:
    """The test looks at processes of the engine and limits them."""
    if os.geteuid() != 0:
        pytest.skip("needs root, and an engine on this machine")


def test_a_compiler_that_the_kernel_kills_is_explained(own_engine: None, start: Start) -> None:
    process = start("--set", "source.patches=tests/data/patches/memory.patch")
    # A real limit: the control group of the build step gets less than the compiler wants.
    limit_memory(wait_for(BUILD_ID, "compile-all", 600), GIB)
    told = _failed(process)
    assert "Killed signal terminated program cc1plus" in told
    assert "--jobs" in told
    assert "memory" in told
    assert "http_server.cc" in _log("compile")


@pytest.mark.parametrize(
    ("step", "phase", "at_work"),
    [("fetch-deps", "fetch", r"Analyzing: target"), ("compile", "compile", r"\[\d+ / \d+\] .*Compiling")],
)
def test_a_bazel_that_is_killed_is_explained(
    own_engine: None, start: Start, step: str, phase: str, at_work: str
) -> None:
    began = time.time()
    process = start()
    # Not sooner: a client whose server is gone before it has a command starts another one.
    _wait_for_text(step, at_work, began)
    # Bazel's Java process calls itself so, after the folder it works in; the client before it does not.
    kill(wait_for(BUILD_ID, "bazel(source)", 60))
    told = _failed(process)
    assert f"the {phase} phase" in told
    assert "Bazel itself ran out of memory" in told
    assert "--jobs" in told


def _wait_for_text(step: str, pattern: str, began: float) -> None:
    """Until the transcript of ``step`` has ``pattern``; it grows while the step runs."""
    deadline = time.monotonic() + 1800
    while time.monotonic() < deadline:
        for log in (cache_root(os.environ) / "state" / BUILD_ID / "logs").glob(f"*-{step}.log"):
            if log.stat().st_mtime > began and re.search(pattern, log.read_text(errors="replace")):
                return
        time.sleep(0.1)
    pytest.fail(f"{step} did not get going")


def _failed(process: subprocess.Popen[str]) -> str:
    _, told = process.communicate(timeout=900)
    assert process.returncode == 6, told[-4000:]
    return told


def _log(phase: str) -> str:
    logs = cache_root(os.environ) / "state" / BUILD_ID / "logs"
    return next(logs.glob(f"*-compile-{phase}.log")).read_text(errors="replace")
