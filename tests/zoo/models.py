"""Small models of the kinds that people run, with random weights from a fixed seed; needs TensorFlow.

Each is a Keras model or functions with signatures. What is converted how stands in ``convert.py``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

# Before the import of TensorFlow: its greeting is not a result, and no GPU is asked for.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf

SEED = 20261129
K = tf.keras
L = tf.keras.layers
PICTURE = (1, 16, 16, 3)
SEQUENCE = (1, 8, 32)


def _picture() -> Any:
    return K.Input(batch_shape=PICTURE)


def _head(x: Any) -> Any:
    return L.Dense(10)(L.GlobalAveragePooling2D()(x))


def _inverted(x: Any, channels: int, stride: int, activation: str, *, squeeze: bool) -> Any:
    """MobileNetV2's block; with squeeze and excite EfficientNet's."""
    wide = 4 * int(x.shape[-1])
    y = L.Activation(activation)(L.Conv2D(wide, 1, use_bias=False)(x))
    y = L.Activation(activation)(L.DepthwiseConv2D(3, stride, "same", use_bias=True)(y))
    if squeeze:
        factor = L.GlobalAveragePooling2D(keepdims=True)(y)
        factor = L.Conv2D(4, 1, activation="swish")(factor)
        y = L.Multiply()([y, L.Conv2D(wide, 1, activation="sigmoid")(factor)])
    y = L.Conv2D(channels, 1)(y)
    return L.Add()([x, y]) if stride == 1 and int(x.shape[-1]) == channels else y


def mobilenet() -> Any:
    """Inverted residuals with depthwise convolutions and ReLU6."""
    picture = _picture()
    x = L.Activation("relu6")(L.Conv2D(16, 3, 2, "same")(picture))
    x = _inverted(x, 16, 1, "relu6", squeeze=False)
    return K.Model(picture, _head(_inverted(x, 16, 2, "relu6", squeeze=False)))


def efficientnet() -> Any:
    """Squeeze and excite, and swish."""
    picture = _picture()
    x = L.Conv2D(16, 3, 2, "same", activation="swish")(picture)
    x = _inverted(x, 16, 1, "swish", squeeze=True)
    return K.Model(picture, _head(_inverted(x, 16, 2, "swish", squeeze=True)))


def resnet() -> Any:
    """Two convolutions beside a projection."""
    picture = _picture()
    x = L.MaxPool2D(2)(L.Conv2D(8, 5, 1, "same", activation="relu")(picture))
    y = L.Conv2D(16, 3, 2, "same", activation="relu")(x)
    y = L.Conv2D(16, 3, 1, "same")(y)
    return K.Model(picture, _head(L.ReLU()(L.Add()([y, L.Conv2D(16, 1, 2)(x)]))))


def depthwise() -> Any:
    """Depthwise and pointwise, with dilation and a multiplier."""
    picture = _picture()
    x = L.SeparableConv2D(12, 3, padding="same", depth_multiplier=2, activation="relu")(picture)
    return K.Model(picture, _head(L.DepthwiseConv2D(3, padding="same", dilation_rate=2)(x)))


def transformer() -> Any:
    """Attention, layer normalisation and a GELU network."""
    words = K.Input(batch_shape=SEQUENCE)
    x = L.LayerNormalization()(L.Add()([words, L.MultiHeadAttention(2, 16)(words, words)]))
    y = L.Dense(32)(L.Dense(64, activation="gelu")(x))
    return K.Model(words, L.LayerNormalization()(L.Add()([x, y])))


def lstm() -> Any:
    """Becomes UNIDIRECTIONAL_SEQUENCE_LSTM."""
    words = K.Input(batch_shape=SEQUENCE)
    return K.Model(words, L.Dense(4)(L.LSTM(32, return_sequences=True)(words)))


def gru() -> Any:
    """Becomes a loop."""
    words = K.Input(batch_shape=SEQUENCE)
    return K.Model(words, L.Dense(4)(L.GRU(32)(words)))


def sequence_rnn() -> Any:
    """A loop of one fully connected layer."""
    words = K.Input(batch_shape=SEQUENCE)
    return K.Model(words, L.SimpleRNN(32, return_sequences=True)(words))


def resize() -> Any:
    """Bilinear and nearest, as a segmentation's decoder has them."""
    picture = _picture()
    x = L.Conv2D(8, 3, 2, "same", activation="relu")(picture)
    up = L.UpSampling2D(2, interpolation="bilinear")(x)
    near = L.UpSampling2D(2, interpolation="nearest")(x)
    return K.Model(picture, L.Conv2D(2, 3, padding="same")(L.Concatenate()([up, near])))


def transpose_conv() -> Any:
    """An autoencoder."""
    picture = _picture()
    x = L.Conv2D(8, 3, 2, "same", activation="relu")(picture)
    return K.Model(picture, L.Conv2DTranspose(3, 3, 2, "same")(x))


class _Sliced(tf.Module):  # type: ignore[misc]  # TensorFlow has no types
    @tf.function(input_signature=[tf.TensorSpec((1, 8, 16), tf.float32)])
    def __call__(self, x: Any) -> Any:
        return tf.concat([x[:, ::2, 1:15:3], x[:, 1::2, 1:15:3], x[:, -4:, :5]], axis=1)


class _Dynamic(tf.Module):  # type: ignore[misc]
    """As many rows as are positive: the size is known when it has run."""

    def __init__(self) -> None:
        self.weights = tf.Variable(np.random.default_rng(SEED).normal(size=(16, 4)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((1, 8, 16), tf.float32)])
    def __call__(self, x: Any) -> Any:
        rows = tf.reshape(x, (8, 16))
        kept = tf.boolean_mask(rows, tf.reduce_sum(rows, axis=1) > 0)
        return tf.matmul(kept, self.weights) * tf.cast(tf.shape(kept)[0], tf.float32)


class _Signatures(tf.Module):  # type: ignore[misc]
    """Two functions over one variable's value."""

    def __init__(self) -> None:
        self.weights = tf.constant(np.random.default_rng(SEED).normal(size=(16, 16)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((1, 16), tf.float32)])
    def encode(self, x: Any) -> Any:
        return tf.nn.relu(tf.matmul(x, self.weights))

    @tf.function(input_signature=[tf.TensorSpec((1, 16), tf.float32)])
    def decode(self, x: Any) -> Any:
        return tf.matmul(x, self.weights, transpose_b=True)


class _Control(tf.Module):  # type: ignore[misc]
    """A loop that ends by its data, and a branch."""

    @tf.function(input_signature=[tf.TensorSpec((1, 16), tf.float32)])
    def __call__(self, x: Any) -> Any:
        _, x = tf.while_loop(
            lambda i, y: tf.logical_and(i < 10, tf.reduce_max(tf.abs(y)) < 4.0),
            lambda i, y: (i + 1, y * 1.5),
            (tf.constant(0), x),
        )
        return tf.cond(tf.reduce_sum(x) > 0, lambda: x + 1.0, lambda: x - 1.0)


class _Table(tf.Module):  # type: ignore[misc]
    """From a number to a word to a number: strings, and a hash table."""

    def __init__(self) -> None:
        self.words = tf.constant(["zero", "one", "two", "three"])
        initializer = tf.lookup.KeyValueTensorInitializer(
            tf.constant(["three", "one", "two"]), tf.constant([30, 10, 20], tf.int64)
        )
        self.table = tf.lookup.StaticHashTable(initializer, -1)

    @tf.function(input_signature=[tf.TensorSpec((4,), tf.int32)])
    def __call__(self, x: Any) -> Any:
        return self.table.lookup(tf.gather(self.words, x))


def _detection() -> Any:
    """The custom operator behind an SSD: boxes, scores and anchors to detections."""
    options = (
        'name: "TFLite_Detection_PostProcess" attr { key: "max_detections" value { i: 4 } }'
        ' attr { key: "max_classes_per_detection" value { i: 1 } }'
        ' attr { key: "nms_score_threshold" value { f: 0.1 } }'
        ' attr { key: "nms_iou_threshold" value { f: 0.5 } }'
        ' attr { key: "num_classes" value { i: 3 } } attr { key: "y_scale" value { f: 10 } }'
        ' attr { key: "x_scale" value { f: 10 } } attr { key: "h_scale" value { f: 5 } }'
        ' attr { key: "w_scale" value { f: 5 } } attr { key: "use_regular_nms" value { b: false } }'
    )
    anchors = np.random.default_rng(SEED).uniform(0.2, 0.8, (12, 4)).astype(np.float32)

    class Detection(tf.Module):  # type: ignore[misc]
        @tf.function(experimental_implements=options)
        def post(self, boxes: Any, scores: Any, anchors: Any) -> Any:
            # Shapes alone; the converter puts the operator in its place.
            zeros = tf.zeros((1, 4))
            return tf.zeros((1, 4, 4)), zeros, zeros, tf.zeros((1,))

        @tf.function(
            input_signature=[tf.TensorSpec((1, 12, 4), tf.float32), tf.TensorSpec((1, 12, 4), tf.float32)]
        )
        def __call__(self, boxes: Any, scores: Any) -> Any:
            return self.post(boxes, tf.sigmoid(scores), tf.constant(anchors))

    return Detection()


KERAS: dict[str, Callable[[], Any]] = {
    each.__name__: each
    for each in (
        mobilenet,
        efficientnet,
        resnet,
        depthwise,
        transformer,
        lstm,
        gru,
        sequence_rnn,
        resize,
        transpose_conv,
    )
}
FUNCTIONS: dict[str, Callable[[], Any]] = {
    "strided_slices": _Sliced,
    "dynamic_shapes": _Dynamic,
    "signatures": _Signatures,
    "control_flow": _Control,
    "hash_table": _Table,
    "ssd_post_process": _detection,
}
