"""Runs the training example beside it, and prints the model that it saved: there is no other way out."""

import base64
import os
import runpy
from contextlib import suppress
from pathlib import Path

with suppress(SystemExit):
    runpy.run_path(str(Path(__file__).with_name("train.py")), run_name="__main__")
print("model", base64.b64encode(Path(os.environ["MODEL_FILE"]).read_bytes()).decode())
