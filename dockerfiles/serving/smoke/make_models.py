"""Makes the models of the smoke test, with questions and TensorFlow's own answers; or compares these.

    python make_models.py           makes models/ and cases.json beside this file
    python make_models.py --check   computes the answers again, with the TensorFlow that is installed

Made with TensorFlow 2.14.1, the oldest release that has a server here: newer ones load what older ones save.
No build runs this; the models are stored, and a build compares the server's answers with those in cases.json.

Weights and inputs of ``convolution`` are small multiples of 1/4, so each sum and product of its ``logits``
has an exact float32: the order in which a CPU adds, or whether it fuses, changes no bit. ``probabilities`` go
through exp(), and are compared with a tolerance.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_USE_LEGACY_KERAS", "0")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import numpy as np
import tensorflow as tf

HERE = Path(__file__).resolve().parent
MODELS, CASES = HERE / "models", HERE / "cases.json"
SEED = 20240301
IMAGE = (6, 6, 1)
VOCABULARY = ("model", "server", "answers")
TEXTS = ("The Model Server answers 12", "another SERVER", "")
NUMBERS = ((1.5, 2.0, -0.25), (0.0, 0.5, 100.0), (3.0, 3.0, 3.0))
WIDTH = 4
TFLITE, TFLITE_FILE = "tflite", "model.tflite"
OPTIONS = tf.saved_model.SaveOptions(experimental_custom_gradients=False)


def convolution() -> Any:
    """A Keras model: two convolutions, a pooling, a dense layer."""
    layers = tf.keras.layers
    image = tf.keras.Input(IMAGE, name="image")
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(4, 2, activation="relu")(x)
    x = layers.Flatten()(x)
    logits = layers.Dense(3, name="logits")(x)
    model = tf.keras.Model(image, [logits, layers.Softmax(name="probabilities")(logits)])
    random = np.random.default_rng(SEED)
    model.set_weights([random.integers(-4, 5, each.shape) / 4 for each in model.get_weights()])
    return model


class Convolution(tf.Module):
    """The signature of :func:`convolution`."""

    def __init__(self) -> None:
        super().__init__()
        self.model = convolution()

    @tf.function(input_signature=[tf.TensorSpec([None, *IMAGE], tf.float32, name="image")])
    def serve(self, image: Any) -> dict[str, Any]:
        logits, probabilities = self.model(image, training=False)
        return {"logits": logits, "probabilities": probabilities}


class Text(tf.Module):
    """Parses tf.train.Example messages, then what is usual with words: an expression, a split, a table."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(list(VOCABULARY), tf.range(1, 4, dtype=tf.int64)), 0
        )

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
    def serve(self, examples: Any) -> dict[str, Any]:
        features = {
            "text": tf.io.FixedLenFeature([], tf.string),
            "numbers": tf.io.FixedLenFeature([3], tf.float32),
        }
        parsed = tf.io.parse_example(examples, features)
        text = tf.strings.regex_replace(tf.strings.lower(parsed["text"]), r"[0-9]+", "#")
        words = tf.strings.split(text)
        return {
            "ids": self.table.lookup(words.to_tensor("")),
            "hashes": tf.strings.to_hash_bucket_fast(parsed["text"], 1000),
            "joined": tf.strings.reduce_join(words, axis=-1, separator="-"),
            "sum": tf.reduce_sum(parsed["numbers"], axis=-1),
        }


class Compiled(tf.Module):
    """A function that TensorFlow has to compile with XLA: a dense layer, whose sums are exact as well."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(SEED + 2)
        self.weights = tf.Variable((random.integers(-4, 5, (WIDTH, 2)) / 4).astype(np.float32))

    @tf.function(jit_compile=True)
    def compiled(self, x: Any) -> Any:
        return tf.matmul(x, self.weights) + 0.5

    @tf.function(input_signature=[tf.TensorSpec([None, WIDTH], tf.float32, name="x")])
    def serve(self, x: Any) -> dict[str, Any]:
        return {"y": self.compiled(x)}


def save_tflite(version: int) -> None:
    """The logits of :func:`convolution` for two images, by TensorFlow Lite. The server names inputs
    and outputs as its tensors are called."""
    model = convolution()
    image = tf.TensorSpec([2, *IMAGE], tf.float32, name="image")
    logits = tf.function(lambda image: model(image, training=False)[0]).get_concrete_function(image)
    folder = MODELS / TFLITE / str(version)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    converted = tf.lite.TFLiteConverter.from_concrete_functions([logits], model).convert()
    (folder / TFLITE_FILE).write_bytes(converted)


class Version(tf.Module):
    """y = x + the number of the version, which is a variable."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = tf.Variable(float(number))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def serve(self, x: Any) -> dict[str, Any]:
        return {"y": x + self.number}


def _example(text: str, numbers: tuple[float, ...]) -> bytes:
    features = {
        "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()])),
        "numbers": tf.train.Feature(float_list=tf.train.FloatList(value=numbers)),
    }
    return bytes(
        tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(deterministic=True)
    )


def questions() -> dict[str, dict[str, Any]]:
    """The input of each model."""
    random = np.random.default_rng(SEED + 1)
    images = (random.integers(-8, 9, (2, *IMAGE)) / 4).astype(np.float32)
    rows = (random.integers(-8, 9, (3, WIDTH)) / 4).astype(np.float32)
    return {
        "convolution": {"image": images},
        "text": {"examples": np.array(list(map(_example, TEXTS, NUMBERS)), dtype=object)},
        "compiled": {"x": rows},
        TFLITE: {"serving_default_image": images},
        "versions": {"x": np.array([1.0, 2.0, 5.0], dtype=np.float32)},
    }


def save(module: Any, name: str, version: int) -> None:
    folder = MODELS / name / str(version)
    shutil.rmtree(folder, ignore_errors=True)
    tf.saved_model.save(module, str(folder), signatures=module.serve, options=OPTIONS)
    # Not read by the server: a hash of the files, and an empty folder.
    (folder / "fingerprint.pb").unlink(missing_ok=True)
    (folder / "assets").rmdir()


def answers(name: str, version: int, inputs: dict[str, Any]) -> dict[str, Any]:
    """What TensorFlow says of the stored model."""
    if name == TFLITE:
        return answers_of_lite(MODELS / name / str(version) / TFLITE_FILE, inputs)
    loaded = tf.saved_model.load(str(MODELS / name / str(version)))
    given = {key: tf.constant(value) for key, value in inputs.items()}
    return {key: value.numpy() for key, value in loaded.signatures["serving_default"](**given).items()}


def answers_of_lite(file: Path, inputs: dict[str, Any]) -> dict[str, Any]:
    """What TensorFlow Lite in Python says."""
    interpreter = tf.lite.Interpreter(str(file))
    interpreter.allocate_tensors()
    for each in interpreter.get_input_details():
        interpreter.set_tensor(each["index"], inputs[_bare(each["name"])])
    interpreter.invoke()
    details = interpreter.get_output_details()
    return {_bare(each["name"]): interpreter.get_tensor(each["index"]) for each in details}


def _bare(name: str) -> str:
    """A tensor's name as the server has it where a model has no signature: without the output's number."""
    return name.partition(":")[0]


def plain(tensor: Any) -> dict[str, Any]:
    """A tensor as JSON: numbers as they are (a float64 has room for each float32), strings as base64."""
    values = tensor.reshape(-1).tolist()
    if tensor.dtype == object:
        values = [base64.b64encode(each).decode() for each in values]
    dtype = "string" if tensor.dtype == object else str(tensor.dtype)
    return {"dtype": dtype, "shape": list(tensor.shape), "values": values}


def cases() -> list[dict[str, Any]]:
    found = []
    for name, inputs in questions().items():
        for folder in sorted((MODELS / name).iterdir()):
            outputs = answers(name, int(folder.name), inputs)
            found.append(
                {
                    "model": name,
                    "version": int(folder.name),
                    "inputs": {key: plain(value) for key, value in inputs.items()},
                    "outputs": {key: plain(outputs[key]) for key in sorted(outputs)},
                }
            )
    return found


def check() -> int:
    stored, found = json.loads(CASES.read_text()), json.loads(json.dumps(cases()))
    same = True
    for one, other in zip(stored, found, strict=True):
        for key, tensor in one["outputs"].items():
            equal = tensor == other["outputs"][key]
            same = same and (equal or key == "probabilities")
            text = "the same bits" if equal else f"{tensor['values']} -> {other['outputs'][key]['values']}"
            print(f"{one['model']} {one['version']} {key}: {text}")
    print(f"TensorFlow {tf.version.VERSION} {tf.version.GIT_VERSION}: {'same' if same else 'DIFFERENT'}")
    return 0 if same else 1


def main() -> int:
    if sys.argv[1:] == ["--check"]:
        return check()
    save(Convolution(), "convolution", 1)
    save(Text(), "text", 1)
    save(Compiled(), "compiled", 1)
    save_tflite(1)
    for number in (1, 2):
        save(Version(number), "versions", number)
    CASES.write_text(json.dumps(cases(), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
