"""Runs in the container: lets the programs take turns, and prints all figures as one JSON document.

rounds.py ROUNDS INFERENCES-PER-ROUND NEIGHBOURS THREADS... -- MODEL...

A round has more inferences where they are short.

The programs live through all rounds and wait while it is another's turn; who begins changes every round, so
that what else the machine does meets all of them alike. NEIGHBOURS programs want a CPU each all the while.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

HERE = Path(__file__).resolve().parent
PROGRAMS = {
    "wheel": (sys.executable, str(HERE / "bench_wheel.py")),
    "C++": (str(HERE / "bench-cc"),),
    "C": (str(HERE / "bench-c"),),
}
# A turn takes at least so long. After a pause a scheduler leaves two threads on one CPU for tens of
# milliseconds, and the kernel counts the time of CPUs in hundredths of a second.
TURN_S = 0.15
MOST = 10000  # inferences: HARNESS_MAX_RUNS
# The threads of a pool spin for a moment before they sleep; they must not do it in another's time.
PAUSE_S = 0.02
# A round counts as calm when others used less of the CPUs than this: a tenth of one of two.
CALM = 0.05
# So many rounds are tried for each calm one that was asked for.
PATIENCE = 4


@dataclass
class Series:
    """One program's figures: ``rounds`` holds the nanoseconds of each inference, ``cpu`` of each round.

    ``others`` is the part of all CPUs that the rest of the machine used in each round.
    """

    model: str
    threads: int
    program: str
    rounds: list[list[int]] = field(default_factory=list)
    cpu: list[int] = field(default_factory=list)
    others: list[float] = field(default_factory=list)
    output: list[float] = field(default_factory=list)
    peak_kib: int = 0
    loaded: dict[str, int] = field(default_factory=dict)
    cannot: str = ""


class Worker:
    """A program that waits for its turn."""

    def __init__(self, program: str, model: Path, threads: int) -> None:
        self.series = Series(model.stem, threads, program)
        self._process = subprocess.Popen(
            [*PROGRAMS[program], str(model), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._answer() != "ready":
            self.series.cannot = f"cannot run it (exit {self._process.wait()})"

    @property
    def pid(self) -> int:
        return self._process.pid

    def _answer(self) -> str:
        return self._pipe(self._process.stdout).readline().rstrip("\n")

    def _ask(self, line: str) -> str:
        stdin = self._pipe(self._process.stdin)
        stdin.write(line + "\n")
        stdin.flush()
        answer = self._answer()
        if not answer:
            raise SystemExit(f"{self.series.program} ended with {self._process.wait()} at '{line}'")
        return answer

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        if pipe is None:
            raise SystemExit("a worker has no pipe")
        return pipe

    def run(self, inferences: int) -> tuple[int, list[int]]:
        """Nanoseconds of CPU time of all inferences, and those of each."""
        cpu, *times = map(int, self._ask(f"run {inferences}").split())
        return cpu, times

    def turn(self, inferences: int) -> None:
        cpu, times = self.run(inferences)
        self.series.cpu.append(cpu)
        self.series.rounds.append(times)

    def close(self) -> Series:
        """Output, peak memory and loaded files (proc(5)); then the end."""
        self.series.output = [float(word) for word in self._ask("output").split()]
        proc = Path("/proc") / str(self.pid)
        for line in (proc / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                self.series.peak_kib = int(line.split()[1])
        for line in (proc / "maps").read_text().splitlines():
            path = line.split(maxsplit=5)[5:]
            if path and ".so" in path[0] and Path(path[0]).is_file():
                self.series.loaded[path[0]] = Path(path[0]).stat().st_size
        self._pipe(self._process.stdin).close()
        self._process.wait()
        return self.series


def enough(worker: Worker, asked: int) -> int:
    """How many inferences a turn has: as many as were asked for, or those of TURN_S."""
    _, times = worker.run(asked)
    mean_s = sum(times) / asked / 1e9
    return min(MOST, max(asked, round(TURN_S / mean_s)))


def busy_s() -> float:
    """Seconds that all CPUs together have worked, or been taken by another machine: /proc/stat of proc(5)."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


@contextmanager
def neighbours(count: int) -> Iterator[list[int]]:
    """So many programs that want a CPU each, by their process ids."""
    started = [subprocess.Popen([sys.executable, str(HERE / "busy.py")]) for _ in range(count)]
    try:
        yield [each.pid for each in started]
    finally:
        for each in started:
            each.kill()
            each.wait()


def children_s(pids: list[int]) -> float:
    """CPU seconds that we and the processes ``pids`` have used so far."""
    total = time.process_time()
    for pid in pids:
        # After the command, which may hold spaces: fields 14 and 15 of proc(5), pid/stat.
        fields = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(model: Path, threads: int, rounds: int, inferences: int, beside: list[int]) -> list[Series]:
    all_workers = [Worker(program, model, threads) for program in PROGRAMS]
    # An older release may be unable to load a newer model.
    workers = [each for each in all_workers if not each.series.cannot]
    inferences = enough(workers[0], inferences)
    cpus = os.cpu_count() or 1
    calm = 0
    ours = [*beside, *(worker.pid for worker in workers)]
    for number in range(rounds * PATIENCE):
        began, busy, own = time.monotonic(), busy_s(), children_s(ours)
        first = number % len(workers)
        for worker in (*workers[first:], *workers[:first]):
            worker.turn(inferences)
            time.sleep(PAUSE_S)
        others = busy_s() - busy - (children_s(ours) - own)
        part = max(0.0, others) / ((time.monotonic() - began) * cpus)
        for worker in workers:
            worker.series.others.append(part)
        calm += part < CALM
        if calm == rounds:
            break
    return [worker.series if worker.series.cannot else worker.close() for worker in all_workers]


def main(words: list[str]) -> int:
    split = words.index("--")
    rounds, inferences, busy, *threads = map(int, words[:split])
    with neighbours(busy) as beside:
        series = [
            each
            for model in words[split + 1 :]
            for count in threads
            for each in measure(Path(model), count, rounds, inferences, beside)
        ]
    print(json.dumps([asdict(each) for each in series]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
