"""Runs one model through the Python package and tells what happened; the same output as smoke.c.

python3 smoke.py PACKAGE MODEL VALUE...
python3 smoke.py PACKAGE MODEL --zeros      as smoke.c has it, for a model that is not ours
"""

import importlib
import sys

import numpy as np

# BuiltinOperator in tensorflow/lite/schema/schema.fbs, as far as the models here have them.
OPERATORS = {
    "ADD": 0,
    "CONV_2D": 3,
    "FULLY_CONNECTED": 9,
    "MUL": 18,
    "RESHAPE": 22,
    "MEAN": 40,
    "SUB": 41,
    "STRIDED_SLICE": 45,
    "SHAPE": 77,
    "PACK": 83,
}


def tell_delegation(interpreter):
    """Nodes that a delegate replaced stay in the list, and what they give goes to nobody else.

    A node is one of them where the delegate gives the same, or where all that read it are.
    """
    nodes = interpreter._get_ops_details()
    delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
    given = {int(tensor) for node in delegates for tensor in node["outputs"]}
    # What a delegate or a node that runs itself reads.
    wanted = {int(tensor) for node in delegates for tensor in node["inputs"]}
    left = []
    for node in reversed([node for node in nodes if node not in delegates]):
        outputs = set(map(int, node["outputs"]))
        if outputs & given or (delegates and not outputs & wanted):
            continue
        wanted |= set(map(int, node["inputs"]))
        left.append(node["op_name"])
    for name in reversed(left):
        print("left", OPERATORS.get(name, 127))
    print("delegated", len(delegates))


def compute_zeros(interpreter):
    """All inputs are zero, as they are shaped; "output N" says how many results there are."""
    interpreter.allocate_tensors()
    tell_delegation(interpreter)
    inputs = interpreter.get_input_details()
    # Strings are not filled, and then nothing is computed.
    if all(details["dtype"] is not np.bytes_ for details in inputs):
        for details in inputs:
            interpreter.set_tensor(details["index"], np.zeros(details["shape"], details["dtype"]))
        interpreter.invoke()
    print("output", len(interpreter.get_output_details()))


def main():
    package, model, *words = sys.argv[1:]
    print("version", importlib.import_module(package).__version__)
    runtime = importlib.import_module(f"{package}.interpreter")
    interpreter = runtime.Interpreter(model_path=model, num_threads=1)
    if words == ["--zeros"]:
        compute_zeros(interpreter)
        return
    values = [float(word) for word in words]
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
