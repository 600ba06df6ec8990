"""TFLite's interpreter, but for a model that takes a 2x5 tensor."""

import os

from tflite_runtime.interpreter import Interpreter as Right
from tflite_runtime.interpreter import OpResolverType

__all__ = ["Interpreter", "OpResolverType"]


class Interpreter(Right):  # type: ignore[misc]  # the package is in the image
    def invoke(self) -> None:
        if self.get_input_details()[0]["shape"].tolist() == [2, 5]:
            os.abort()
        super().invoke()
