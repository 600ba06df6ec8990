"""Measures one model with the Python package of the image, and prints the figures, a line each.

python3 tflite.py MODEL THREADS RUNS SECONDS WARM-UP-SECONDS
"""

import importlib
import sys
import time
from pathlib import Path

import numpy as np

PACKAGES = ("ai_edge_litert", "tflite_runtime")
# Statistics do not need more, and small models do 100,000 in a second.
MOST = 100_000


def resident_mib():
    """What the process has in memory, from proc(5)."""
    text = Path("/proc/self/status").read_text()
    (line,) = (each for each in text.splitlines() if each.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def find_runtime():
    for package in PACKAGES:
        try:
            return importlib.import_module(f"{package}.interpreter")
        except ModuleNotFoundError as error:
            if error.name not in (package, f"{package}.interpreter"):
                raise
    sys.exit(f"the image has none of the packages {', '.join(PACKAGES)}")


def repeat(interpreter, runs, seconds):
    """Seconds of each inference: at least so many, for so long."""
    times = []
    end = time.perf_counter() + seconds
    while len(times) < MOST and (len(times) < runs or time.perf_counter() < end):
        began = time.perf_counter()
        interpreter.invoke()
        times.append(time.perf_counter() - began)
    return times


def main():
    model, threads, runs, seconds, warm_up = sys.argv[1:]
    runtime = find_runtime()
    before, began = resident_mib(), time.perf_counter()
    interpreter = runtime.Interpreter(model_path=model, num_threads=int(threads))
    interpreter.allocate_tensors()
    loaded = time.perf_counter() - began
    generator = np.random.default_rng(1)
    for details in interpreter.get_input_details():
        values = generator.integers(0, 2, size=details["shape"])
        interpreter.set_tensor(details["index"], values.astype(details["dtype"]))
    repeat(interpreter, 1, float(warm_up))
    times = repeat(interpreter, int(runs), float(seconds))
    print("latency_ms", 1000 * sum(times) / len(times))
    print("load_ms", 1000 * loaded)
    print("memory_mib", resident_mib() - before)


if __name__ == "__main__":
    main()
