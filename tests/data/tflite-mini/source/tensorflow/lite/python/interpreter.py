"""As upstream's: it is told by its own name which package it is in."""

from tflite_runtime import _pywrap_litert_interpreter_wrapper as _interpreter_wrapper  # noqa: F401
from tflite_runtime import metrics_portable as metrics  # noqa: F401
