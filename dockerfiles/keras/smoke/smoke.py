"""What every image has to compute: prints NAME, a tab, a version or numbers; the answers are in tfbuild."""

import keras
import numpy as np
import tensorflow as tf


def tell(case: str, value: object) -> None:
    print(case, value, sep="\t", flush=True)


def numbers(array: object) -> str:
    return " ".join(f"{value:.6g}" for value in np.asarray(array).ravel())


tell("version:tensorflow", tf.__version__)
tell("version:keras", keras.__version__)
tell("version:numpy", np.__version__)
tell("backend", keras.backend.backend())
tell("matmul", numbers(tf.matmul([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]])))

# One step of gradient descent from zero, which can be done by hand: y = 3x - 2 at 0, 1, 2, 3. The gradients
# are -2/4 * (0 + 1 + 8 + 21) = -15 and -2/4 * 10 = -5, the rate 0.1.
inputs = np.array([[0.0], [1.0], [2.0], [3.0]], "float32")
model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
model.fit(inputs, 3 * inputs - 2, batch_size=4, epochs=1, verbose=0)
tell("fit", numbers([model.get_weights()[0][0][0], model.get_weights()[1][0]]))
model.save("/tmp/model.keras")
tell(
    "reload",
    numbers(keras.saving.load_model("/tmp/model.keras").predict(np.array([[4.0]], "float32"), verbose=0)),
)
