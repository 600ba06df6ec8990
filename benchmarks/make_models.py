"""Makes the models that ``benchmarks.inference`` runs: vision, LSTM, transformer, in the kinds in use.

    python -m benchmarks.make_models FOLDER

Random weights from a fixed seed: the time of an inference does not depend on them, and nothing has to be
downloaded. Needs TensorFlow: ``pip install '.[bench]'``. Writes below a temporary name first, so that a file
with the real name is complete.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Before the import of TensorFlow: its greeting is not a result, and no GPU is asked for.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import tensorflow as tf

from benchmarks.zoo import MODELS
from tests.zoo.convert import convert_keras, samples

SEED = 20240229
# A batch size that is known lets XNNPACK take every node.
IMAGE = (1, 224, 224, 3)
SEQUENCE = (1, 32, 64)


def _vision(application: str) -> Any:
    # No softmax: over random weights it gives 1/1000 everywhere, which would tell nothing about correctness.
    make = getattr(tf.keras.applications, application)
    picture = tf.keras.Input(batch_shape=IMAGE)
    return make(weights=None, input_tensor=picture, classifier_activation=None)


def _lstm() -> Any:
    """Two layers of 64 units."""
    words = tf.keras.Input(batch_shape=SEQUENCE)
    layers = tf.keras.layers
    hidden = layers.LSTM(64, return_sequences=True)(words)
    return tf.keras.Model(words, layers.Dense(10)(layers.LSTM(64)(hidden)))


def _transformer() -> Any:
    """Two blocks of attention and a network with GELU."""
    layers = tf.keras.layers
    words = tf.keras.Input(batch_shape=SEQUENCE)
    x = words
    for _ in range(2):
        x = layers.LayerNormalization()(layers.Add()([x, layers.MultiHeadAttention(4, 16)(x, x)]))
        y = layers.Dense(64)(layers.Dense(256, activation="gelu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, y]))
    return tf.keras.Model(words, x)


_FAMILIES: dict[str, Callable[[], Any]] = {
    "mobilenet_v2": lambda: _vision("MobileNetV2"),
    "resnet50": lambda: _vision("ResNet50"),
    "efficientnet_b0": lambda: _vision("EfficientNetB0"),
    "lstm": _lstm,
    "transformer": _transformer,
}


def _normalise(model: Any) -> None:
    """Give the batch normalisations the statistics of noise. Untrained ones let the signal fade from layer to
    layer until every output is the same, and a wrong inference would not be seen."""
    normalisations = [each for each in model.layers if isinstance(each, tf.keras.layers.BatchNormalization)]
    for layer in normalisations:
        layer.momentum = 0.5
    if normalisations:
        for sample in samples(model):
            model(sample[0], training=True)


def main(folder: Path) -> int:
    """Write FAMILY-KIND.tflite of each model into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for family, make in _FAMILIES.items():
        tf.keras.utils.set_random_seed(SEED)
        model = make()
        _normalise(model)
        for kind in MODELS[family]:
            path = folder / f"{family}-{kind}.tflite"
            part = path.with_suffix(".part")
            part.write_bytes(convert_keras(model, kind))
            part.replace(path)
            print(f"{path} {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m benchmarks.make_models FOLDER")
    sys.exit(main(Path(sys.argv[1])))
