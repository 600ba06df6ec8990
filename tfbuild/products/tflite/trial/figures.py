"""The figures in what benchmark_model, or the script for Python, printed; pure."""

from __future__ import annotations

import re

from tfbuild.build.trial import Sample
from tfbuild.engine.facts import RunResult

# What the program logs: tensorflow/lite/tools/benchmark/benchmark_model.cc, and benchmark_tflite_model.cc.
_TIMES = re.compile(
    r"Inference timings in us: Init: ([0-9.e+]+), .*Inference \(avg\): ([0-9.e+]+)", re.IGNORECASE
)
_MEMORY = re.compile(r"Memory footprint delta.* overall=([0-9.e+]+)")
_OF_SCRIPT = re.compile(r"^(latency_ms|load_ms|memory_mib) ([0-9.e+-]+)$", re.MULTILINE)


def read_program(ran: RunResult) -> Sample:
    """The figures that benchmark_model printed."""
    text = ran.stdout + ran.stderr
    times, memory = _TIMES.search(text), _MEMORY.search(text)
    if times is None:
        raise ValueError("benchmark_model printed no times")
    return Sample(
        latency_ms=float(times[2]) / 1000,
        load_ms=float(times[1]) / 1000,
        memory_mib=float(memory[1]) if memory else None,
    )


def read_script(ran: RunResult) -> Sample:
    """The figures that the script printed."""
    found = {name: float(value) for name, value in _OF_SCRIPT.findall(ran.stdout)}
    if "latency_ms" not in found:
        raise ValueError("the Python interpreter printed no times")
    return Sample(found["latency_ms"], found.get("load_ms"), found.get("memory_mib"))
