"""The models of the zoo as cases of the suite: their inputs, and how close an answer has to come."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from tests.operators.graph import Case
from tests.operators.pack import FILE as OPERATORS
from tests.operators.pack import stored
from tests.operators.recording import Recording, close, values_of

FILE = OPERATORS.with_name("zoo.pack.gz")
SEED = 20261129


@dataclass(frozen=True)
class _Kind:
    """How a model's values lie in memory, and how far an answer may be away: steps, or a share."""

    input: str
    output: str
    tolerance: float


# Quantised answers may differ by the rounding of each layer, two steps between published packages on amd64
# and more between CPUs; a kernel or a delegate that is wrong is tens of steps away. Dynamic range rounds
# activations to 8 bits.
_KINDS: Mapping[str, _Kind] = {
    "float32": _Kind("float32", "float32", 1e-4),
    "float16": _Kind("float32", "float32", 1e-3),
    "dynamic": _Kind("float32", "float32", 0.02),
    "int8": _Kind("int8", "int8", 6),
    "uint8": _Kind("uint8", "uint8", 6),
    "int16x8": _Kind("int16", "int16", 32),
}
_HASH_TABLE = _Kind("int32", "int64", 0)
# Of all inputs of a model: pictures, else what the model's own signature says.
_VALUES = {
    "transformer": 256, "lstm": 256, "gru": 256, "sequence_rnn": 256, "strided_slices": 128,
    "dynamic_shapes": 128, "signatures": 16, "control_flow": 16, "hash_table": 4, "ssd_post_process": 96,
}  # fmt: skip
_PICTURE = 16 * 16 * 3


def _kind(name: str) -> _Kind:
    return _HASH_TABLE if name.startswith("hash_table") else _KINDS[name.rpartition("-")[2]]


def _inputs(name: str, kind: _Kind) -> bytes:
    count = _VALUES.get(name.rpartition("-")[0], _PICTURE)
    values = random.Random(SEED)  # plausible, and the same everywhere
    match kind.input:
        case "float32":
            return struct.pack(f"<{count}f", *(values.uniform(-1, 1) for _ in range(count)))
        case "int32":
            return struct.pack(f"<{count}i", *(number % 4 for number in range(count)))
        case "int16":
            return struct.pack(f"<{count}h", *(values.randint(-32768, 32767) for _ in range(count)))
        case _:
            return bytes(values.randrange(256) for _ in range(count))


def named(name: str, model: bytes) -> Case:
    """The case of a converted model."""
    kind = _kind(name)
    return Case(name, model, _inputs(name, kind), kind.output, kind.tolerance, 0)


def settled(case: Case, answer: bytes) -> Case:
    """``case``, whose share of the largest number in ``answer`` has become a number."""
    if case.output != "float32":
        return case
    return replace(case, absolute=case.absolute * max(map(abs, values_of(case, answer))))


def cases_of(content: bytes) -> tuple[Case, ...]:
    """The cases whose models a pack holds, with today's inputs and tolerances; not settled yet."""
    return tuple(named(name, model) for name, model in stored(content).items())


def too_new(recording: Recording) -> Iterator[tuple[str, str]]:
    """The models that a package is too old for, with its own words: an operator and a version."""
    for (name, way), found in recording.items():
        if way == "reference" and found.state == "failed":
            yield name, found.text


_TOO_OLD = ("transformer-dynamic", "lstm-dynamic", "gru-dynamic")  # FULLY_CONNECTED version 12
# What a published package does not get right, or is too old for.
KNOWN: Mapping[str, tuple[str, ...]] = {
    "tflite-runtime-2.14.0": _TOO_OLD,
    "2.14.1": _TOO_OLD,
    # XNNPACK rounds the left side of a matrix product again, row by row.
    "2.21.0": ("transformer-int8",),
}


def disagreements(cases: Sequence[Case], recordings: Mapping[str, Recording]) -> list[str]:
    """Where the recordings differ by more than the models' tolerance, but for what is known."""
    *_, last = recordings.values()
    said = []
    for column, recording in recordings.items():
        for case in cases:
            truth = last[case.name, "reference"].answer
            judged = settled(case, truth)
            known = any(fnmatchcase(case.name, pattern) for pattern in KNOWN.get(column, ()))
            faults = [
                f"{column}: {case.name}: {way}: {found.state} {found.text or 'another answer'}"
                for way in ("reference", "xnnpack")
                for found in [recording[case.name, way]]
                if found.state != "right" or not close(judged, found.answer, truth)
            ]
            if not known:
                said += faults
            elif not faults:
                said.append(f"{column}: {case.name} is right, and known as wrong")
    return said
