"""Loads the model of an image as its users would: load_model.py PATH KIND. Exit 3: it cannot."""

import sys

path, kind = sys.argv[1:]
try:
    if kind == "saved_model":
        import tensorflow as tf

        loaded = tf.saved_model.load(path)
        signatures = getattr(loaded, "signatures", {})
        print("loaded\t" + (" ".join(sorted(signatures)) or "no signature"))
    else:
        import keras

        model = keras.saving.load_model(path, compile=False)
        print(f"loaded\t{model.name}, {model.count_params()} parameters")
except Exception as error:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)
    sys.exit(3)
