"""The models of the smoke test: what each is asked, and what TensorFlow itself answered; pure.

``dockerfiles/serving/smoke/make_models.py`` makes the models and ``cases.json`` with TensorFlow, and
compares them with the answers of another release of it.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# The fields of a TensorProto by type, and what unpacks its tensor_content:
# tensorflow/core/framework/tensor.proto.
_FIELDS = {"float32": "floatVal", "int32": "intVal", "int64": "int64Val", "string": "stringVal"}
_PACKED = {"float32": "f", "int32": "i", "int64": "q"}
_TYPES = {"float32": "DT_FLOAT", "int32": "DT_INT32", "int64": "DT_INT64", "string": "DT_STRING"}

Value = float | int | str


@dataclass(frozen=True)
class Tensor:
    """``values`` in row-major order; those of a string are base64."""

    dtype: str
    shape: tuple[int, ...]
    values: tuple[Value, ...]

    @property
    def type_name(self) -> str:
        """As TensorFlow's messages have it."""
        return _TYPES[self.dtype]

    def message(self) -> dict[str, Any]:
        """A TensorProto, in the JSON form of protobuf."""
        values = [str(value) if self.dtype == "int64" else value for value in self.values]
        return {
            "dtype": self.type_name,
            "tensorShape": {"dim": [{"size": str(size)} for size in self.shape]},
            _FIELDS[self.dtype]: values,
        }

    def nested(self) -> Any:
        """As a REST request has it: lists in lists, bytes as an object."""
        flat = [{"b64": value} if self.dtype == "string" else value for value in self.values]
        return _nest(flat, self.shape)

    def plain(self) -> tuple[Value, ...]:
        """As a REST answer has it: text as text."""
        if self.dtype != "string":
            return self.values
        return tuple(base64.b64decode(str(value)).decode() for value in self.values)


@dataclass(frozen=True)
class Case:
    """A question to one version of a model, and the right answer."""

    model: str
    version: int
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]


def read_cases(text: str) -> tuple[Case, ...]:
    """What ``cases.json`` has."""
    return tuple(
        Case(
            each["model"],
            each["version"],
            {name: _tensor(value) for name, value in each["inputs"].items()},
            {name: _tensor(value) for name, value in each["outputs"].items()},
        )
        for each in json.loads(text)
    )


def _tensor(found: Mapping[str, Any]) -> Tensor:
    return Tensor(found["dtype"], tuple(found["shape"]), tuple(found["values"]))


def received(message: Mapping[str, Any]) -> Tensor:
    """A TensorProto in the JSON form of protobuf, which leaves out what is empty or zero.

    :raises ValueError: it is of a type that no model here has, or it has not as many values as its shape.
    """
    dtype = next((name for name, text in _TYPES.items() if text == message.get("dtype")), "")
    if not dtype:
        raise ValueError(f"a tensor of the type {message.get('dtype')}")
    shape = tuple(int(each.get("size", 0)) for each in message.get("tensorShape", {}).get("dim", ()))
    values: list[Any] = list(message.get(_FIELDS[dtype], ()))
    if dtype == "int64":
        values = [int(value) for value in values]
    if content := base64.b64decode(message.get("tensorContent", "")):
        values = _unpacked(content, dtype, shape)
    if len(values) == 1 and math.prod(shape) > 1:
        values *= math.prod(shape)  # all the same: written once
    if len(values) != math.prod(shape):
        raise ValueError(f"{len(values)} values for the shape {list(shape)}")
    return Tensor(dtype, shape, tuple(values))


def _unpacked(content: bytes, dtype: str, shape: tuple[int, ...]) -> list[Value]:
    form = f"<{math.prod(shape)}{_PACKED.get(dtype, 'x')}"
    if dtype not in _PACKED or struct.calcsize(form) != len(content):
        raise ValueError(f"{len(content)} bytes for the shape {list(shape)} of {dtype}")
    return list(struct.unpack(form, content))


def flat(nested: Any) -> Iterator[Value]:
    """The values of lists in lists."""
    if isinstance(nested, list):
        for each in nested:
            yield from flat(each)
    else:
        yield nested


def shape_of(nested: Any) -> tuple[int, ...]:
    """The shape that lists in lists have, by their first ones."""
    found = []
    while isinstance(nested, list):
        found.append(len(nested))
        nested = nested[0] if nested else None
    return tuple(found)


def _nest(values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    if not shape:
        return values[0]
    size = math.prod(shape[1:])
    return [_nest(values[at * size : (at + 1) * size], shape[1:]) for at in range(shape[0])]


def same_bits(got: Value, want: Value) -> bool:
    """Whether two values are the same; a floating-point number as a float32, with the sign of zero."""
    if isinstance(got, str) or not isinstance(want, float):
        return got == want
    return struct.pack("<f", got) == struct.pack("<f", want)
