"""What a user of the package writes, as upstream's guide for Python shows it."""

import sys

import numpy as np
import tflite_runtime.interpreter as tflite

interpreter = tflite.Interpreter(model_path=sys.argv[1])
input_details = interpreter.get_input_details()
output_details = interpreter.get_output_details()
interpreter.resize_tensor_input(input_details[0]["index"], [2])
interpreter.allocate_tensors()

interpreter.set_tensor(input_details[0]["index"], np.array([1, 3], dtype=np.float32))
interpreter.invoke()
print(interpreter.get_tensor(output_details[0]["index"]).tolist())
