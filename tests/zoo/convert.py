"""Converts the models of the zoo, each in the kinds that it is asked in; needs TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tests.zoo.models import FUNCTIONS, KERAS, SEED

_SAMPLES = 8
# What each Keras model is converted to besides float32.
_KINDS = {
    "mobilenet": ("float16", "dynamic", "int8", "uint8", "int16x8"),
    "efficientnet": ("dynamic", "int8"),
    "resnet": ("float16", "int8", "uint8", "int16x8"),
    "depthwise": ("int8",),
    "transformer": ("float16", "dynamic", "int8"),
    "lstm": ("dynamic",),
    "gru": ("dynamic",),
    "resize": ("int8",),
    "transpose_conv": ("int8",),
}
_TYPES = {"int8": tf.int8, "uint8": tf.uint8, "int16x8": tf.int16}


def samples(model: Any) -> Iterator[list[Any]]:
    """Inputs from a fixed seed, for the ranges of what is quantised."""
    random = np.random.default_rng(SEED)
    for _ in range(_SAMPLES):
        yield [random.uniform(-1.0, 1.0, each.shape).astype(np.float32) for each in model.inputs]


def convert_keras(model: Any, kind: str) -> bytes:
    """``model`` as a kind: float32, float16, dynamic (smaller weights alone), or integers from end to end.

    https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quantization
    """
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if kind in _TYPES:
        converter.representative_dataset = lambda: samples(model)
        operators = tf.lite.OpsSet
        converter.target_spec.supported_ops = [
            operators.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
            if kind == "int16x8"
            else operators.TFLITE_BUILTINS_INT8
        ]
        converter.inference_input_type = converter.inference_output_type = _TYPES[kind]
    return bytes(converter.convert())


def _functions(module: Any) -> bytes:
    named = {
        name: getattr(module, name).get_concrete_function()
        for name in ("encode", "decode")
        if hasattr(module, name)
    } or {"serving_default": module.__call__.get_concrete_function()}
    converter = tf.lite.TFLiteConverter.from_concrete_functions(list(named.values()), module)
    converter.allow_custom_ops = True
    return bytes(converter.convert())


def converted() -> Iterator[tuple[str, bytes]]:
    """Each model's name (with its kind) and bytes, in a fixed order."""
    for name, make in KERAS.items():
        tf.keras.utils.set_random_seed(SEED)
        model = make()
        for kind in ("float32", *_KINDS.get(name, ())):
            yield f"{name}-{kind}", convert_keras(model, kind)
    for name, make in FUNCTIONS.items():
        tf.keras.utils.set_random_seed(SEED)
        yield f"{name}-float32", _functions(make())
