"""Runs models of one operator each through the Python package, without and with XNNPACK; see operators.h.

    python3 operators.py PACKAGE PACK [--column NAME] [--no-xnnpack] [--only TEXT] [--verbose] [--record FILE]

A process of its own runs the models, so that one that ends it is told as a crash of that model, and the rest
is run by the next. ``--record`` writes what the models gave, for ``python -m tests.operators``.
"""

import argparse
import importlib
import json
import os
import signal
import struct
import sys
from pathlib import Path

import numpy as np

HEADER = struct.Struct("<8sII")
COLUMN = struct.Struct("<32s")
ENTRY = struct.Struct("<80s6Iff32s")
MAGIC = b"TFOPER02"
NOT_DELEGATED = 255
SHOWN = 4  # values of a wrong answer
SECONDS_FOR_ONE = 120  # under an emulator, on a busy machine; a model takes milliseconds


class Entry:
    def __init__(self, content, place):
        name, *spans, self.absolute, self.relative, self.left = ENTRY.unpack_from(content, place)
        self.name = name.rstrip(b"\0").decode()
        parts = [content[start : start + size] for start, size in zip(spans[::2], spans[1::2], strict=True)]
        self.model, self.inputs, self.answer = parts


def read_pack(path):
    content = Path(path).read_bytes()
    magic, models, columns = HEADER.unpack_from(content)
    if magic != MAGIC:
        sys.exit(f"operators.py: {path} is not a pack of operators")
    names = [
        COLUMN.unpack_from(content, HEADER.size + COLUMN.size * number)[0].rstrip(b"\0").decode()
        for number in range(columns)
    ]
    start = HEADER.size + COLUMN.size * columns
    return names, [Entry(content, start + ENTRY.size * number) for number in range(models)]


def make_interpreter(runtime, model, way):
    options = {"model_content": model, "num_threads": 1}
    if way == "reference":
        kind = runtime.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        options["experimental_op_resolver_type"] = kind
    return runtime.Interpreter(**options)


def nodes_of(interpreter):
    """How many nodes a delegate runs, and the operators of those that it left.

    The package lists the replaced nodes too. What runs is what the outputs need; where a delegate gives a
    tensor, its node does, and what it replaced is not asked.
    """
    nodes = interpreter._get_ops_details()
    # The delegates' nodes are behind the model's own, so they take their outputs over.
    giver = {int(tensor): node for node in nodes for tensor in node["outputs"]}
    wanted = [int(details["index"]) for details in interpreter.get_output_details()]
    running = {}
    while wanted:
        node = giver.get(wanted.pop())
        if node is not None and node["index"] not in running:
            running[node["index"]] = node["op_name"]
            wanted += map(int, node["inputs"])
    left = [name for name in running.values() if name != "DELEGATE"]
    delegated = len(running) - len(left)
    # A float16 constant is converted once, before a delegate looks: XNNPACK then passes the conversion by.
    return delegated, [name for name in left if name != "DEQUANTIZE" or not delegated]


def run_model(runtime, entry, way):
    """Outputs, delegated nodes, operators left; the interpreter is run twice, as a program would."""
    interpreter = make_interpreter(runtime, entry.model, way)
    interpreter.allocate_tensors()
    delegated, left = nodes_of(interpreter)
    for _ in range(2):
        place = 0
        for details in interpreter.get_input_details():
            count = int(np.prod(details["shape"], dtype=np.int64))
            value = np.frombuffer(entry.inputs, details["dtype"], count, place).reshape(details["shape"])
            place += value.nbytes
            interpreter.set_tensor(details["index"], value)
        interpreter.invoke()
    outputs = [interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()]
    return outputs, delegated, left


def difference(entry, outputs):
    """What is wrong with the outputs; nothing if they are right."""
    place = 0
    for number, got in enumerate(outputs):
        if place + got.nbytes > len(entry.answer):
            return f"output {number} has {got.nbytes} bytes, expected {len(entry.answer) - place}"
        want = np.frombuffer(entry.answer, got.dtype, got.size, place)
        place += got.nbytes
        mine = got.flatten().astype(np.float64)
        theirs = want.astype(np.float64)
        wrong = ~(np.abs(mine - theirs) <= entry.absolute + entry.relative * np.abs(theirs))
        if wrong.any():
            first = int(np.argmax(wrong))
            shown = slice(first, first + SHOWN)
            return (
                f"output {number}: {int(wrong.sum())} of {got.size} values differ; from value {first} on: "
                f"got {words(mine[shown])} expected {words(theirs[shown])}"
            )
    return "" if place == len(entry.answer) else f"{place} bytes of output, expected {len(entry.answer)}"


def words(values):
    return " ".join(f"{value:g}" for value in values)


def leaves_more(entry, column, delegated, left):
    """Whether XNNPACK runs less of it than in the package that it is compared with."""
    if column is None or entry.left[column] == NOT_DELEGATED:
        return False
    return not delegated or len(left) > entry.left[column]


def judged(runtime, entry, way, column, recording):
    """The state of one model: a word, and what there is to say."""
    try:
        outputs, delegated, left = run_model(runtime, entry, way)
    except (RuntimeError, ValueError) as error:
        if not entry.answer and not recording:
            return {"state": "right", "text": ""}
        return {"state": "failed", "text": " ".join(str(error).split())}
    found = {"state": "right", "text": "", "whole": bool(delegated) and not left}
    if recording:
        found.update(delegated=delegated, left=len(left))
        found["answer"] = b"".join(output.tobytes() for output in outputs).hex()
        return found
    # A model without an answer is right if it leaves the process alive.
    wrong = difference(entry, outputs) if entry.answer else ""
    if wrong:
        return {**found, "state": "wrong", "text": wrong}
    if way == "xnnpack" and leaves_more(entry, column, delegated, left):
        return {**found, "state": "left", "text": f"not run by XNNPACK: {' '.join(left)}"}
    return found


def run_in_child(jobs, work):
    """What ``work`` says of each job. A child runs them; where it dies, the next one goes on behind it."""
    results = []
    while len(results) < len(jobs):
        ours, theirs = os.pipe()
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os.close(ours)
            with os.fdopen(theirs, "w") as pipe:
                for job in jobs[len(results) :]:
                    signal.alarm(SECONDS_FOR_ONE)
                    result = work(job)
                    print(json.dumps(result), file=pipe, flush=True)
                    # What gives a wrong answer may have written where it should not: the rest in a new one.
                    if result["state"] != "right":
                        break
            os._exit(0)
        os.close(theirs)
        with os.fdopen(ours) as pipe:
            results += [json.loads(line) for line in pipe if line.endswith("\n")]
        _, status = os.waitpid(child, 0)
        if status != 0 and len(results) < len(jobs):
            how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {status >> 8}"
            results.append({"state": "crashed", "text": how})
    return results


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("package")
    parser.add_argument("pack")
    parser.add_argument("--column", default="")
    parser.add_argument("--no-xnnpack", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--record")
    given = parser.parse_args()
    columns, entries = read_pack(given.pack)
    entries = [entry for entry in entries if given.only in entry.name]
    column = columns.index(given.column) if given.column else None
    package = importlib.import_module(given.package)
    print("version", getattr(package, "__version__", ""))
    # TensorFlow has it in tensorflow.lite, the small packages at their top.
    runtime = package.lite if given.package == "tensorflow" else package
    if given.package != "tensorflow":
        runtime = importlib.import_module(f"{given.package}.interpreter")
    else:
        runtime.OpResolverType = runtime.experimental.OpResolverType
    ways = ["reference"] if given.no_xnnpack else ["reference", "xnnpack"]
    jobs = [(entry, way) for way in ways for entry in entries]
    results = run_in_child(jobs, lambda job: judged(runtime, *job, column, bool(given.record)))
    done = [(entry.name, way, result) for (entry, way), result in zip(jobs, results, strict=True)]
    for name, way, result in done:
        if result["state"] != "right" or given.verbose:
            print("operator", name, way, result["state"], result["text"])
    for way in ways:
        mine = [result for _, each, result in done if each == way]
        right = sum(result["state"] == "right" for result in mine)
        whole = sum(result.get("whole", False) for result in mine)
        print("operators", way, len(mine), right, whole)
    if given.record:
        named = [{"name": name, "way": way, **result} for name, way, result in done]
        Path(given.record).write_text(json.dumps(named))


main()
