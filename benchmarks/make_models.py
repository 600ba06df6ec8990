"""Makes the models that ``benchmarks.inference`` runs: MobileNetV2 224 from Keras, float32 and full int8.

    python -m benchmarks.make_models FOLDER

Random weights from a fixed seed: the time of an inference does not depend on them, and nothing has to be
downloaded. Needs TensorFlow: ``pip install '.[bench]'``. Writes below a temporary name first, so that a file
with the real name is complete.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Before the import of TensorFlow: its greeting is not a result, and no GPU is asked for.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf

SEED = 20240229
IMAGE = (1, 224, 224, 3)
# Enough for stable ranges of activations; the values only have to be plausible.
_REPRESENTATIVE_SAMPLES = 16


def _converter(model: Any) -> Any:
    return tf.lite.TFLiteConverter.from_keras_model(model)


def _samples() -> Iterator[list[Any]]:
    random = np.random.default_rng(SEED)
    for _ in range(_REPRESENTATIVE_SAMPLES):
        yield [random.uniform(-1.0, 1.0, IMAGE).astype(np.float32)]


def _normalise(model: Any) -> None:
    """Give the batch normalisations the statistics of noise. Untrained ones let the signal fade from layer to
    layer until every output is the same, and a wrong inference would not be seen."""
    for layer in model.layers:
        if isinstance(layer, tf.keras.layers.BatchNormalization):
            layer.momentum = 0.5
    for sample in _samples():
        model(sample[0], training=True)


def float32(model: Any) -> bytes:
    """The model as it is."""
    return bytes(_converter(model).convert())


def int8(model: Any) -> bytes:
    """Full integer quantisation: weights, activations, input and output
    (https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_integer_quant)."""
    converter = _converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = _samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def main(folder: Path) -> int:
    """Write mobilenet_v2_float32.tflite and mobilenet_v2_int8.tflite into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    tf.keras.utils.set_random_seed(SEED)
    # A batch size that is known lets XNNPACK take every node.
    picture = tf.keras.Input(batch_shape=IMAGE)
    # No softmax: over random weights it gives 1/1000 everywhere, which would tell nothing about correctness.
    model = tf.keras.applications.MobileNetV2(weights=None, input_tensor=picture, classifier_activation=None)
    _normalise(model)
    kinds: dict[str, Callable[[Any], bytes]] = {"float32": float32, "int8": int8}
    for kind, convert in kinds.items():
        path = folder / f"mobilenet_v2_{kind}.tflite"
        part = path.with_suffix(".part")
        part.write_bytes(convert(model))
        part.replace(path)
        print(f"{path} {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.make_models FOLDER")
    sys.exit(main(Path(sys.argv[1])))
