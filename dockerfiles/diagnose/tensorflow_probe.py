"""Runs inside the image that is diagnosed: imports TensorFlow, lists devices, multiplies two matrices.

Each step prints one line to stdout, ``tfbuild-probe`` and a JSON object; the first that fails prints its
traceback to stderr and ends with exit code 1. Nothing newer than Python 3.6 is used.
"""

import json
import locale
import os
import sys
import traceback


def shared_memory():
    """Size of /dev/shm in bytes."""
    status = os.statvfs("/dev/shm")  # noqa: S108 - the place itself is asked about
    return str(status.f_blocks * status.f_frsize)


def locale_is_known():
    locale.setlocale(locale.LC_ALL, "")
    return locale.setlocale(locale.LC_CTYPE)


def import_tensorflow():
    import tensorflow

    return tensorflow.__version__


def devices():
    import tensorflow

    return ", ".join(sorted(device.name for device in tensorflow.config.list_physical_devices()))


def matrix_product():
    import tensorflow

    product = tensorflow.linalg.matmul([[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]).numpy().tolist()
    if product != [[19.0, 22.0], [43.0, 50.0]]:
        raise ArithmeticError("the product of two matrices is " + str(product))
    return "right"


def keras_layer():
    import tensorflow

    layer = tensorflow.keras.layers.Dense(2, kernel_initializer="ones", use_bias=False)
    result = layer(tensorflow.constant([[1.0, 2.0]])).numpy().tolist()
    if result != [[3.0, 3.0]]:
        raise ArithmeticError("a layer of ones gives " + str(result))
    return "right"


def loaded():
    """Libraries that are mapped now, a path per line; proc(5)."""
    with open("/proc/self/maps") as maps:  # noqa: PTH123 - nothing is imported that TensorFlow may not need
        fields = [line.rstrip("\n").split(None, 5) for line in maps]
    return "\n".join(sorted({field[5] for field in fields if len(field) > 5 and ".so" in field[5]}))


# A step that only tells something does not end the probe when it fails.
STEPS = (
    ("shared-memory", shared_memory, False),
    ("locale", locale_is_known, False),
    ("import", import_tensorflow, True),
    ("devices", devices, True),
    ("matmul", matrix_product, True),
    ("keras", keras_layer, True),
    ("loaded", loaded, False),
)


def say(step, ok, detail):
    sys.stdout.write("tfbuild-probe " + json.dumps({"step": step, "ok": ok, "detail": detail}) + "\n")
    sys.stdout.flush()


def main():
    for name, step, needed in STEPS:
        try:
            detail = step()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the diagnosis is about
            say(name, False, type(error).__name__ + ": " + str(error)[:500])
            traceback.print_exc()
            if needed:
                return 1
            continue
        say(name, True, detail)
    return 0


if __name__ == "__main__":
    sys.exit(main())
