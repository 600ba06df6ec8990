"""Learns which of two spirals a point belongs to, from points that it makes itself, and saves the model."""

import os
import sys

import keras
import numpy as np

SAVED = os.environ["MODEL_FILE"]
EXPORTED = os.environ.get("MODEL_EXPORT", "")
# The points that the other examples ask about too.
QUESTIONS = np.array([[0.5, 0.5], [-0.5, -0.5], [0.9, -0.2]], "float32")


def spirals(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``count`` points on each of two spirals with a little noise, and 0 or 1 for each."""
    random = np.random.default_rng(seed)
    angle = np.sqrt(random.uniform(0.05, 1, (count, 1))) * 2 * np.pi
    one = np.concatenate([np.cos(angle) * angle, np.sin(angle) * angle], axis=1) / (2 * np.pi)
    points = np.concatenate([one, -one]) + random.normal(0, 0.02, (2 * count, 2))
    return points.astype("float32"), np.repeat([0.0, 1.0], count).astype("float32")


def main() -> int:
    keras.utils.set_random_seed(1)
    points, labels = spirals(400, seed=2)
    model = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(32, activation="tanh"),
            keras.layers.Dense(32, activation="tanh"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.02), loss="binary_crossentropy", metrics=["accuracy"])
    model.fit(points, labels, batch_size=64, epochs=120, verbose=0)
    _, accuracy = model.evaluate(*spirals(200, seed=3), verbose=0)
    model.save(SAVED)
    # For a model server: MODEL/VERSION/saved_model.pb.
    if EXPORTED:
        model.export(EXPORTED, verbose=False)
    print(f"accuracy {accuracy:.3f}")
    print("answers", *(f"{value:.6f}" for value in model.predict(QUESTIONS, verbose=0)[:, 0]))
    print(f"saved {SAVED}")
    return 0 if accuracy > 0.9 else 1


sys.exit(main())
