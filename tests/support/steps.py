"""The processes of a build step that runs now in an engine on this machine."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")


def processes(build_id: str) -> Iterator[tuple[int, str]]:
    """Process id and command line of each process of the step: BuildKit gives the first one BUILD_ID, and all
    of them one control group."""
    groups = {_group(pid) for pid in _all() if f"BUILD_ID={build_id}" in _read(pid, "environ").split("\0")}
    groups.discard("")
    for pid in _all():
        if groups and _group(pid) in groups:
            yield pid, _read(pid, "cmdline").replace("\0", " ")


def wait_for(build_id: str, word: str, timeout_s: float) -> int:
    """The id of a process of the step whose command line has ``word``. Raises :class:`TimeoutError`."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for pid, line in processes(build_id):
            if word in line:
                return pid
        time.sleep(0.05)
    raise TimeoutError(f"no process of {build_id} with {word} within {timeout_s} s")


def limit_memory(pid: int, size: int) -> None:
    """Let the control group of ``pid`` have ``size`` bytes. Raises :class:`OSError` where that is not ours
    to say (https://docs.kernel.org/admin-guide/cgroup-v2.html#memory)."""
    first = _GROUPS / "memory" / _group(pid).lstrip("/") / "memory.limit_in_bytes"
    if first.exists():
        first.write_text(str(size))
        return
    second = _GROUPS / _group(pid).lstrip("/")
    if (second / "memory.swap.max").exists():
        (second / "memory.swap.max").write_text("0")
    (second / "memory.max").write_text(str(size))


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _all() -> list[int]:
    return [int(each.name) for each in Path("/proc").glob("[0-9]*")]


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:  # ended meanwhile, or not ours
        return ""


def _group(pid: int) -> str:
    """Path of the control group that limits memory: version 1, else version 2; empty for none of its own."""
    for line in _read(pid, "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if (not controllers or "memory" in controllers.split(",")) and path != "/":
            return path
    return ""
