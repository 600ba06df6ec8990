"""Runs one model through the Python package and tells what happened; the same output as smoke.c.

python3 smoke.py PACKAGE MODEL VALUE...
"""

import importlib
import sys

import numpy as np

# BuiltinOperator in tensorflow/lite/schema/schema.fbs, as far as the models here have them.
OPERATORS = {"ADD": 0, "CONV_2D": 3}


def tell_delegation(interpreter):
    """Nodes that a delegate replaced stay in the list; what they give, the delegate's node gives too."""
    nodes = interpreter._get_ops_details()
    delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
    given = {int(tensor) for node in delegates for tensor in node["outputs"]}
    for node in nodes:
        if node not in delegates and not given.intersection(map(int, node["outputs"])):
            print("left", OPERATORS.get(node["op_name"], 127))
    print("delegated", len(delegates))


def main():
    package, model, *words = sys.argv[1:]
    values = [float(word) for word in words]
    print("version", importlib.import_module(package).__version__)
    runtime = importlib.import_module(f"{package}.interpreter")
    interpreter = runtime.Interpreter(model_path=model, num_threads=1)
    (details,) = interpreter.get_input_details()
    # A model that takes any shape gets a vector of the values.
    if np.prod(details["shape"]) != len(values):
        interpreter.resize_tensor_input(details["index"], [len(values)])
    interpreter.allocate_tensors()
    tell_delegation(interpreter)
    (details,) = interpreter.get_input_details()
    interpreter.set_tensor(
        details["index"], np.array(values).astype(details["dtype"]).reshape(details["shape"])
    )
    interpreter.invoke()
    result = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    print("output", *(f"{value:g}" for value in result.flatten().tolist()))


main()
