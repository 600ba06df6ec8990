"""Times inferences of the ai-edge-litert wheel: what harness.h does, for its interpreter.

bench_wheel.py MODEL THREADS
"""

import sys
import time

import numpy as np
from ai_edge_litert.interpreter import Interpreter

WARM_UP = 2  # HARNESS_WARM_UP


def picture(shape: tuple[int, ...], kind: type) -> np.ndarray:
    """The input of harness_fill."""
    index = np.arange(int(np.prod(shape)), dtype=np.uint32)
    pattern = ((index * np.uint32(2654435761)) >> np.uint32(24)).astype(np.int64).reshape(shape)
    if kind == np.float32:
        centred: np.ndarray = pattern.astype(np.float32) / np.float32(127.5) - np.float32(1.0)
        return centred
    quantised: np.ndarray = (pattern - 128).astype(np.int8)
    return quantised


def main(model: str, threads: int) -> int:
    interpreter = Interpreter(model_path=model, num_threads=threads)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    result = interpreter.get_output_details()[0]
    interpreter.set_tensor(entry["index"], picture(tuple(entry["shape"]), entry["dtype"]))
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "output\n":
            print(*interpreter.get_tensor(result["index"]).ravel().tolist(), flush=True)
            continue
        runs = int(line.removeprefix("run "))
        for _ in range(WARM_UP):
            interpreter.invoke()
        times = []
        cpu = time.process_time_ns()
        for _ in range(runs):
            began = time.perf_counter_ns()
            interpreter.invoke()
            times.append(time.perf_counter_ns() - began)
        print(time.process_time_ns() - cpu, *times, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
