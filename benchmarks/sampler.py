"""Peak memory and CPU time of a build, read from /proc and the control groups while it runs.

A process belongs to a build when its environment says so: inside the build step by the build argument
BUILD_ID, which BuildKit puts into the environment of what it runs; outside by a variable that the client was
started with. This works where the engine is on this machine and its processes may be looked at (root).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

CLIENT_VARIABLE = "BENCHMARKED_BUILD"
# A run with nothing to do is over after half a second. A long one must not be slowed down: a look at
# compilers takes some ten milliseconds.
_FIRST_INTERVAL_S, _LATER_INTERVAL_S = 0.1, 1.0
_FIRST_S = 2.0


@dataclass
class Usage:
    """What was seen; ``None`` where nothing was. Bytes and seconds."""

    build_peak: int | None = None
    client_peak: int | None = None
    cpu_by_group: dict[str, float] = field(default_factory=dict)

    @property
    def cpu_s(self) -> float | None:
        """CPU time inside build steps, of all CPUs together."""
        return sum(self.cpu_by_group.values()) if self.cpu_by_group else None


@contextmanager
def sampled(build_id: str) -> Iterator[Usage]:
    """Watch the build ``build_id`` while the block runs; the value is complete afterwards."""
    usage, stop = Usage(), threading.Event()
    markers = {
        f"BUILD_ID={build_id}".encode(): "build",
        f"{CLIENT_VARIABLE}={build_id}".encode(): "client",
    }

    def watch() -> None:
        began = time.monotonic()
        while not stop.wait(_FIRST_INTERVAL_S if time.monotonic() - began < _FIRST_S else _LATER_INTERVAL_S):
            _sample(usage, markers)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield usage
    finally:
        stop.set()
        thread.join()


def _sample(usage: Usage, markers: dict[bytes, str]) -> None:
    sums: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            side = next((side for marker, side in markers.items() if marker in variables), None)
            if side is None:
                continue
            sums[side] = sums.get(side, 0) + _memory(folder)
            if side == "build":
                usage.cpu_by_group.update(_cpu(folder))
        except OSError:  # ended meanwhile, or not ours to read
            continue
    if "build" in sums:
        usage.build_peak = max(usage.build_peak or 0, sums["build"])
    if "client" in sums:
        usage.client_peak = max(usage.client_peak or 0, sums["client"])


def _memory(process: Path) -> int:
    """Its part of the memory in use, what it shares divided among the sharers
    (https://www.kernel.org/doc/html/latest/filesystems/proc.html, Pss)."""
    for line in (process / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    return 0


def _cpu(process: Path) -> dict[str, float]:
    """CPU seconds of the process's control group, by its path: version 2, else version 1 (cgroups(7))."""
    root = Path("/sys/fs/cgroup")
    for line in (process / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers and (root / path.lstrip("/") / "cpu.stat").is_file():
            text = (root / path.lstrip("/") / "cpu.stat").read_text()
            microseconds = next(int(entry.split()[1]) for entry in text.splitlines() if "usage_usec" in entry)
            return {path: microseconds / 1e6}
        if "cpuacct" in controllers.split(","):
            names = ("cpuacct", "cpu,cpuacct")
            files = [root / name / path.lstrip("/") / "cpuacct.usage" for name in names]
            found = next((file for file in files if file.is_file()), None)
            if found:
                return {path: int(found.read_text()) / 1e9}
    return {}
