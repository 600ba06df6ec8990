"""A model of few operators, described in words, and its inputs: the same bytes on every machine."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.operators.flatbuffer import OPTION_TYPES, write

# BuiltinOperator in schema.fbs
CODES: Mapping[str, int] = {
    "ADD": 0, "AVERAGE_POOL_2D": 1, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4,
    "DEPTH_TO_SPACE": 5, "DEQUANTIZE": 6, "FLOOR": 8, "FULLY_CONNECTED": 9, "LOGISTIC": 14,
    "MAX_POOL_2D": 17, "MUL": 18, "RELU": 19, "RELU_N1_TO_1": 20, "RELU6": 21, "RESHAPE": 22,
    "RESIZE_BILINEAR": 23, "SOFTMAX": 25, "SPACE_TO_DEPTH": 26, "TANH": 28, "PAD": 34, "TRANSPOSE": 39,
    "MEAN": 40, "SUB": 41, "DIV": 42, "SQUEEZE": 43, "STRIDED_SLICE": 45, "EXP": 47, "SPLIT": 49,
    "PRELU": 54, "MAXIMUM": 55, "MINIMUM": 57, "NEG": 59, "SLICE": 65, "SIN": 66, "TRANSPOSE_CONV": 67,
    "EXPAND_DIMS": 70, "LOG": 73, "SUM": 74, "SQRT": 75, "RSQRT": 76, "REDUCE_MAX": 82, "REDUCE_MIN": 89,
    "SQUARE": 92, "LEAKY_RELU": 98, "SQUARED_DIFFERENCE": 99, "ABS": 101, "CEIL": 104, "COS": 108,
    "ELU": 111, "QUANTIZE": 114, "ROUND": 116, "HARD_SWISH": 117, "BATCH_MATMUL": 126, "GELU": 150,
    "TOPK_V2": 48,
}  # fmt: skip
_PLACEHOLDER = 127  # deprecated_builtin_code of all later ones

# TensorType in schema.fbs, and the format of one element
_TYPES: Mapping[str, tuple[int, str]] = {
    "float32": (0, "f"),
    "float16": (1, "e"),
    "int32": (2, "i"),
    "uint8": (3, "B"),
    "int8": (9, "b"),
}
_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}

ACTIVATIONS: Mapping[str, int] = {"": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3, "tanh": 4}

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Quantization:
    """Real value = scale * (stored value - zero point); several scales: one for each entry of a dimension."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    dimension: int = 0


@dataclass(frozen=True)
class Kind:
    """What the activations of a model are: ``float32``, or 8 bits for values from ``low`` to ``high``."""

    type: str
    low: float = -4.0
    high: float = 4.0

    @property
    def quantization(self) -> Quantization | None:
        """Zero is exact, as everywhere in TFLite."""
        if self.type == "float32":
            return None
        first, last = _RANGES[self.type]
        scale = (self.high - self.low) / (last - first)
        return Quantization((scale,), (round(first - self.low / scale),))

    def between(self, low: float, high: float) -> Kind:
        return Kind(self.type, low, high)


FLOAT32 = Kind("float32")
INT8 = Kind("int8", -3.9, 4.1)
UINT8 = Kind("uint8", -3.9, 4.1)


@dataclass(frozen=True)
class Case:
    """One model, its inputs, and how close an answer has to come."""

    name: str
    model: bytes
    inputs: bytes
    output: str  # type of all outputs
    absolute: float
    relative: float
    answered: bool = True  # else any end is right but that of the process
    answer: bytes = b""  # by the operator's definition, where no published package is right


@dataclass
class Graph:
    """Collects tensors and operators; :meth:`case` ends it."""

    name: str
    kind: Kind = FLOAT32
    tensors: list[dict[str, Any]] = field(default_factory=list)
    buffers: list[bytes] = field(default_factory=lambda: [b""])
    operators: list[dict[str, Any]] = field(default_factory=list)
    codes: list[tuple[str, int]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)

    def tensor(self, shape: Shape, kind: Kind | None = None, *, data: bytes | None = None) -> int:
        kind = kind or self.kind
        return self._tensor(shape, kind.type, kind.quantization, data)

    def _tensor(self, shape: Shape, type_: str, quantization: Quantization | None, data: bytes | None) -> int:
        made: dict[str, Any] = {
            "shape": list(shape), "type": _TYPES[type_][0], "buffer": 0, "name": f"t{len(self.tensors)}",
        }  # fmt: skip
        if data is not None:
            made["buffer"] = len(self.buffers)
            self.buffers.append(data)
        if quantization is not None:
            made["quantization"] = {
                "scale": list(quantization.scales),
                "zero_point": list(quantization.zero_points),
                "quantized_dimension": quantization.dimension,
            }
        self.tensors.append(made)
        return len(self.tensors) - 1

    def input(self, shape: Shape, kind: Kind | None = None, *, low: float = -4.0, high: float = 4.0) -> int:
        """An input of the model, with values from ``low`` to ``high``; an 8-bit one has all that it can."""
        kind = kind or self.kind
        index = self.tensor(shape, kind)
        self.inputs.append(index)
        self.data.append(self._values(shape, kind, low, high))
        return index

    def stored_input(self, shape: Shape, kind: Kind, values: Sequence[int]) -> int:
        """An 8-bit input with these stored values."""
        index = self.tensor(shape, kind)
        self.inputs.append(index)
        self.data.append(struct.pack(f"<{len(values)}{_TYPES[kind.type][1]}", *values))
        return index

    def const(self, shape: Shape, kind: Kind | None = None, *, low: float = -4.0, high: float = 4.0) -> int:
        """A constant of pseudo-random values."""
        kind = kind or self.kind
        return self.tensor(shape, kind, data=self._values(shape, kind, low, high))

    def ints(self, values: Sequence[int], *, shape: Shape | None = None) -> int:
        """Axes, shapes, paddings: int32."""
        dims = (len(values),) if shape is None else shape
        return self._tensor(dims, "int32", None, struct.pack(f"<{len(values)}i", *values))

    def indices(self, shape: Shape) -> int:
        """An int32 output."""
        return self._tensor(shape, "int32", None, None)

    def halves(self, shape: Shape, *, low: float = -1.0, high: float = 1.0) -> int:
        """float16 weights, and the DEQUANTIZE that every converter puts behind them."""
        values = self._reals(math.prod(shape), low, high)
        stored = self._tensor(shape, "float16", None, struct.pack(f"<{len(values)}e", *values))
        return self.op("DEQUANTIZE", [stored], shape, FLOAT32)

    def weights(
        self, shape: Shape, *, scale: float = 1 / 64, axis: int | None = None, kind: str = "", zero: int = 0
    ) -> int:
        """8-bit weights, symmetric unless ``zero`` is given; with ``axis`` each entry has its own scale."""
        kind = kind or self.kind.type
        count = 1 if axis is None else shape[axis]
        scales = tuple(scale * (1 + number / 4) for number in range(count))
        stored = self._stored(math.prod(shape), -127 if kind == "int8" else 1, 127 if kind == "int8" else 255)
        data = struct.pack(f"<{len(stored)}{_TYPES[kind][1]}", *stored)
        return self._tensor(shape, kind, Quantization(scales, (zero,) * count, axis or 0), data)

    def bias(self, weights: int, activations: int, count: int) -> int:
        """int32, whose scale is the product of the two others."""
        left = self.tensors[weights]["quantization"]["scale"]
        right = self.tensors[activations]["quantization"]["scale"][0]
        scales = tuple(each * right for each in left)
        values = [value * 16 for value in self._stored(count, -100, 100)]
        data = struct.pack(f"<{count}i", *values)
        return self._tensor((count,), "int32", Quantization(scales, (0,) * len(scales)), data)

    def op(
        self,
        code: str,
        inputs: Iterable[int],
        shape: Shape,
        kind: Kind | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        table: str = "",
        version: int = 1,
        outputs: int = 1,
    ) -> int:
        """An operator; the first of its ``outputs``, which all have ``shape``."""
        made = [self.tensor(shape, kind) for _ in range(outputs)]
        known = (code, version)
        if known not in self.codes:
            self.codes.append(known)
        operator: dict[str, Any] = {
            "opcode_index": self.codes.index(known), "inputs": list(inputs), "outputs": made,
        }  # fmt: skip
        if table:
            operator["builtin_options_type"] = OPTION_TYPES[table]
            operator["builtin_options"] = (table, dict(options or {}))
        self.operators.append(operator)
        return made[0]

    def case(self, *outputs: int, absolute: float | None = None, relative: float | None = None) -> Case:
        """The finished model. Without a tolerance: 8-bit values within one step, floats within a few ulp."""
        model = {
            "version": 3,
            "operator_codes": [
                {
                    "deprecated_builtin_code": min(CODES[code], _PLACEHOLDER),
                    "builtin_code": CODES[code],
                    "version": version,
                }
                for code, version in self.codes
            ],
            "subgraphs": [
                {
                    "tensors": self.tensors,
                    "inputs": self.inputs,
                    "outputs": list(outputs),
                    "operators": self.operators,
                }
            ],
            "buffers": [{"data": data} if data else {} for data in self.buffers],
        }
        (number,) = {self.tensors[index]["type"] for index in outputs}
        (output,) = (name for name, (each, _) in _TYPES.items() if each == number)
        is_float = output == "float32"
        return Case(
            self.name,
            write("Model", model),
            b"".join(self.data),
            output,
            absolute if absolute is not None else (1e-5 if is_float else 1.0),
            relative if relative is not None else (1e-5 if is_float else 0.0),
        )

    def _values(self, shape: Shape, kind: Kind, low: float, high: float) -> bytes:
        count = math.prod(shape)
        if kind.type == "float32":
            return struct.pack(f"<{count}f", *self._reals(count, low, high))
        first, last = _RANGES[kind.type]
        return struct.pack(f"<{count}{_TYPES[kind.type][1]}", *self._stored(count, first, last))

    def _reals(self, count: int, low: float, high: float) -> list[float]:
        """Multiples of 1/32, which float16 has too: no rounding before the operator under test."""
        first, last = round(low * 32), round(high * 32)
        return [value / 32 for value in self._stored(count, first, last)]

    def _stored(self, count: int, first: int, last: int) -> list[int]:
        """From a digest and not from a library's generator, whose numbers may change with its version."""
        seed = f"{self.name}/{len(self.tensors)}/{len(self.inputs)}".encode()
        words: list[int] = []
        while len(words) < count:
            block = hashlib.sha256(seed + str(len(words)).encode()).digest()
            words.extend(struct.unpack("<16H", block))
        return [first + word % (last - first + 1) for word in words[:count]]
