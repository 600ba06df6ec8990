"""Asks a SavedModel in this process, and prints how long each call took: MODEL, INPUTS as JSON, calls.

Tensors are made of the inputs and arrays of the outputs within each call, as a server has to do it too.
"""

import json
import os
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf


def main() -> None:
    folder, inputs, calls = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
    loaded = tf.saved_model.load(folder)
    function = loaded.signatures["serving_default"]
    given = {name: np.array(value, dtype=np.float32) for name, value in inputs.items()}

    def ask() -> None:
        outputs = function(**{name: tf.constant(value) for name, value in given.items()})
        for value in outputs.values():
            value.numpy()

    for _ in range(50):
        ask()
    seconds = []
    for _ in range(calls):
        began = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - began)
    print(json.dumps({"version": f"TensorFlow {tf.version.VERSION}", "seconds": seconds}))


main()
