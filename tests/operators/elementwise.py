"""Operators that take each element by itself, and those of two tensors with their broadcasts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from tests.operators.graph import ACTIVATIONS, FLOAT32, INT8, UINT8, Case, Graph, Kind, Shape

RANKS: tuple[Shape, ...] = ((7,), (2, 5), (2, 3, 5), (1, 3, 5, 4), (3, 2, 3, 5), (2, 1, 3, 2, 4))


@dataclass(frozen=True)
class Unary:
    code: str
    low: float = -4.0
    high: float = 4.0
    absolute: float = 1e-5
    kinds: tuple[Kind, ...] = ()  # 8-bit ones that TFLite has
    fixed: tuple[float, float] | None = None  # the output's range, where TFLite prescribes it


_BOTH = (INT8, UINT8)
_UNARY = (
    Unary("ABS"),
    Unary("CEIL"),
    Unary("COS", absolute=1e-4),
    Unary("ELU", absolute=1e-4, kinds=(INT8,)),
    Unary("EXP", absolute=1e-4),
    Unary("FLOOR"),
    Unary("GELU", absolute=1e-4, kinds=(INT8,)),
    Unary("HARD_SWISH", kinds=_BOTH),
    Unary("LOG", low=0.125, absolute=1e-4),
    Unary("LOGISTIC", absolute=1e-4, kinds=_BOTH, fixed=(0.0, 1.0)),
    Unary("NEG"),
    Unary("RELU", kinds=_BOTH),
    Unary("RELU6", low=-8.0, high=8.0, kinds=_BOTH),
    Unary("RELU_N1_TO_1", kinds=(INT8,)),
    Unary("ROUND"),
    Unary("RSQRT", low=0.125, absolute=1e-4),
    Unary("SIN", absolute=1e-4),
    Unary("SQRT", low=0.0, absolute=1e-4),
    Unary("SQUARE"),
    Unary("TANH", absolute=1e-4, kinds=_BOTH, fixed=(-1.0, 1.0)),
)
_SECOND_FOR_8_BITS = ("LOGISTIC", "RELU", "RELU6", "TANH")


def unary() -> Iterator[Case]:
    for each in _UNARY:
        for shape in RANKS:
            graph = Graph(f"{each.code.lower()}-float32-{dims(shape)}")
            taken = graph.input(shape, low=each.low, high=each.high)
            made = graph.op(each.code, [taken], shape, table=_table(each.code))
            yield graph.case(made, absolute=each.absolute)
        for kind, shape in itertools.product(each.kinds, ((2, 3, 5), (2, 3, 3, 5))):
            graph = Graph(f"{each.code.lower()}-{kind.type}-{dims(shape)}", kind)
            taken = graph.input(shape)
            version = 2 if each.code in _SECOND_FOR_8_BITS else 1
            made = graph.op(
                each.code, [taken], shape, _output(each, kind), table=_table(each.code), version=version
            )
            yield graph.case(made)


def _table(code: str) -> str:
    return "GeluOptions" if code == "GELU" else ""


def _output(each: Unary, kind: Kind) -> Kind:
    """LOGISTIC and TANH have a scale of 1/256 and 1/128."""
    if each.fixed is None:
        return kind
    low, high = each.fixed
    step = (high - low) / 256
    return kind.between(low, high - step)


def leaky_relu() -> Iterator[Case]:
    for alpha, shape in itertools.product((0.25, 0.0, 1.5, -0.5), ((2, 3, 3, 5), (7,))):
        graph = Graph(f"leaky_relu-float32-alpha{alpha}-{dims(shape)}")
        options = {"alpha": alpha}
        yield graph.case(
            graph.op("LEAKY_RELU", [graph.input(shape)], shape, options=options, table="LeakyReluOptions")
        )
    for kind, alpha in itertools.product(_BOTH, (0.25, -0.5)):
        graph = Graph(f"leaky_relu-{kind.type}-alpha{alpha}", kind)
        made = graph.op(
            "LEAKY_RELU", [graph.input((2, 3, 3, 5))], (2, 3, 3, 5), kind.between(-2.1, 4.3),
            options={"alpha": alpha}, table="LeakyReluOptions", version=2,
        )  # fmt: skip
        yield graph.case(made)


def prelu() -> Iterator[Case]:
    for shape, slope in (
        ((2, 3, 3, 5), (1, 1, 5)),
        ((1, 3, 3, 5), (1, 1, 5)),
        ((2, 3, 5), (1, 5)),
        ((2, 5), (5,)),
        ((2, 3, 3, 5), (3, 3, 5)),
    ):
        graph = Graph(f"prelu-float32-{dims(shape)}-slope{dims(slope)}")
        inputs = [graph.input(shape), graph.const(slope, low=-1)]
        yield graph.case(graph.op("PRELU", inputs, shape))


# Left, right: the same, scalars, a vector of channels, one value each pixel or channel, both broadcast, ranks
BROADCASTS: tuple[tuple[Shape, Shape], ...] = (
    ((2, 3, 3, 5), (2, 3, 3, 5)),
    ((2, 3, 3, 5), (5,)),
    ((2, 3, 3, 5), (1,)),
    ((2, 3, 3, 5), ()),
    ((2, 3, 3, 5), (2, 1, 1, 5)),
    ((2, 3, 3, 5), (2, 3, 3, 1)),
    ((2, 3, 3, 5), (1, 3, 1, 5)),
    ((5,), (2, 3, 3, 5)),
    ((2, 1, 1, 5), (2, 3, 3, 5)),
    ((2, 1, 3, 1), (1, 4, 1, 5)),
    ((3, 5), (2, 3, 5)),
    ((2, 3, 5), (3, 1)),
    ((2, 5), (2, 5)),
    ((7,), (7,)),
    ((7,), (1,)),
    ((2, 1, 3, 2, 4), (2, 1, 3, 2, 4)),
    ((2, 1, 3, 2, 4), (3, 1, 4)),
)
_QUANTISED_BROADCASTS = BROADCASTS[:10]
_FUSED = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions"}
_TWO = (*_FUSED, "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")
_PRODUCT = 16.5  # the largest product of two inputs, and the largest square of a difference is four times it


def binary() -> Iterator[Case]:
    for code, (left, right) in itertools.product(_TWO, BROADCASTS):
        graph = Graph(f"{code.lower()}-float32-{dims(left)}-{dims(right)}")
        low = 0.25 if code == "DIV" else -4.0
        inputs = [graph.input(left), graph.input(right, low=low)]
        yield graph.case(_two(graph, code, inputs, broadcast(left, right)))
    for code, kind in itertools.product(("ADD", "SUB", "MUL"), _BOTH):
        for left, right in _QUANTISED_BROADCASTS:
            graph = Graph(f"{code.lower()}-{kind.type}-{dims(left)}-{dims(right)}", kind)
            other = kind.between(-2.0, 3.0)
            inputs = [graph.input(left), graph.input(right, other)]
            yield graph.case(_two(graph, code, inputs, broadcast(left, right), _range(code, kind)))
    for code, kind in itertools.product(("MAXIMUM", "MINIMUM"), _BOTH):
        graph = Graph(f"{code.lower()}-{kind.type}", kind)
        inputs = [graph.input((2, 3, 3, 5)), graph.input((5,))]
        yield graph.case(_two(graph, code, inputs, (2, 3, 3, 5)))


def constants() -> Iterator[Case]:
    """One side is in the model: a scalar, a vector, everything; on either side."""
    shape = (2, 3, 3, 5)
    for code, other, left in itertools.product(_TWO, ((), (5,), shape), (True, False)):
        side = "left" if left else "right"
        graph = Graph(f"{code.lower()}-float32-{side}-constant-{dims(other)}")
        positive = 0.25 if code == "DIV" else -4.0
        taken = graph.input(shape, low=positive if left else -4.0)
        given = graph.const(other, low=-4.0 if left else positive)
        yield graph.case(_two(graph, code, [given, taken] if left else [taken, given], shape))
    for code, kind, left in itertools.product(("ADD", "SUB", "MUL"), _BOTH, (True, False)):
        side = "left" if left else "right"
        graph = Graph(f"{code.lower()}-{kind.type}-{side}-constant", kind)
        taken, given = graph.input(shape), graph.const((5,), kind.between(-2.0, 3.0))
        inputs = [given, taken] if left else [taken, given]
        yield graph.case(_two(graph, code, inputs, shape, _range(code, kind)))


def fused() -> Iterator[Case]:
    shape = (2, 3, 3, 5)
    for code, name in itertools.product(_FUSED, list(ACTIVATIONS)[1:4]):
        graph = Graph(f"{code.lower()}-float32-{name}")
        inputs = [graph.input(shape), graph.input((5,), low=0.25 if code == "DIV" else -4.0)]
        yield graph.case(_two(graph, code, inputs, shape, activation=name))
    for code, kind, name in itertools.product(("ADD", "SUB", "MUL"), _BOTH, ("relu", "relu6")):
        graph = Graph(f"{code.lower()}-{kind.type}-{name}", kind)
        inputs = [graph.input(shape), graph.input((5,))]
        yield graph.case(_two(graph, code, inputs, shape, _range(code, kind), activation=name))


# Numerator, denominator, quotient. The smaller a quotient is in its steps, the more bits the kernel shifts.
_QUOTIENTS = (
    (UINT8, UINT8, Kind("uint8", -4.0, 4.0)),
    (Kind("uint8", 0.0, 1.0), Kind("uint8", 0.0, 10.0), Kind("uint8", 0.0, 10.0)),
    (Kind("uint8", -1.0, 1.0), Kind("uint8", -20.0, 20.0), Kind("uint8", -3.0, 3.0)),
    (Kind("uint8", 0.0, 0.25), Kind("uint8", 0.0, 25.0), Kind("uint8", 0.0, 10.0)),
)


def quotients() -> Iterator[Case]:
    """DIV of uint8, which no published kernel gets right: the answers come from exact arithmetic."""
    for number, kinds in enumerate(_QUOTIENTS):
        for taken, given in (((16, 16), (16, 16)), ((3, 5, 17), (17,))):
            yield _quotient(f"div-uint8-{dims(taken)}-{dims(given)}-range{number}", kinds, taken, given)


def _quotient(name: str, kinds: tuple[Kind, Kind, Kind], taken: Shape, given: Shape) -> Case:
    (scale, zero), (other_scale, other_zero), (made_scale, made_zero) = map(_affine, kinds)
    graph = Graph(name, kinds[0])
    count, others = math.prod(taken), math.prod(given)
    # Every fifth numerator is the zero point, or next to it.
    left = [zero + number % 3 if number % 5 == 0 else number * 37 % 256 for number in range(count)]
    # The kernel refuses a stored 0, and the zero point is a division by zero.
    right = [value for value in range(1, 256) if value != other_zero]
    right = [right[number * 29 % len(right)] for number in range(others)]
    inputs = [graph.stored_input(taken, kinds[0], left), graph.stored_input(given, kinds[1], right)]
    case = graph.case(_two(graph, "DIV", inputs, taken, kinds[2]))
    exact = (
        Fraction(value - zero, right[number % others] - other_zero) * scale / (other_scale * made_scale)
        for number, value in enumerate(left)
    )
    return replace(case, answer=bytes(min(255, max(0, round(each) + made_zero)) for each in exact))


def _affine(kind: Kind) -> tuple[Fraction, int]:
    """Scale and zero point, exactly."""
    quantization = kind.quantization
    assert quantization is not None
    (scale,), (zero,) = quantization.scales, quantization.zero_points
    return Fraction(scale), zero


def conversions() -> Iterator[Case]:
    for kind, shape in itertools.product(_BOTH, RANKS[1:5]):
        graph = Graph(f"quantize-float32-{kind.type}-{dims(shape)}", kind)
        yield graph.case(graph.op("QUANTIZE", [graph.input(shape, FLOAT32)], shape))
        graph = Graph(f"dequantize-{kind.type}-{dims(shape)}", kind)
        yield graph.case(graph.op("DEQUANTIZE", [graph.input(shape)], shape, FLOAT32, version=2))
    for kind in _BOTH:
        graph = Graph(f"quantize-{kind.type}-{kind.type}", kind)
        made = graph.op("QUANTIZE", [graph.input((2, 3, 3, 5))], (2, 3, 3, 5), kind.between(-2.0, 3.0))
        yield graph.case(made)
    for kind, other in ((INT8, UINT8), (UINT8, INT8)):
        graph = Graph(f"quantize-{kind.type}-{other.type}", kind)
        yield graph.case(graph.op("QUANTIZE", [graph.input((2, 3, 5))], (2, 3, 5), other))


def _two(
    graph: Graph,
    code: str,
    inputs: list[int],
    shape: Shape,
    kind: Kind | None = None,
    *,
    activation: str = "",
) -> int:
    table = _FUSED.get(code, "")
    options = {"activation": ACTIVATIONS[activation]} if table else {}
    version = 1 if graph.kind.type == "float32" else 2
    return graph.op(code, inputs, shape, kind, options=options, table=table, version=version)


def _range(code: str, kind: Kind) -> Kind:
    return kind.between(-_PRODUCT, _PRODUCT) if code == "MUL" else kind.between(-7.5, 8.5)


def broadcast(left: Shape, right: Shape) -> Shape:
    rank = max(len(left), len(right))
    padded = [(1,) * (rank - len(shape)) + shape for shape in (left, right)]
    return tuple(max(pair) for pair in zip(*padded, strict=True))


def dims(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "scalar"


def minus_constant(graph: Graph, made: int, shape: Shape) -> int:
    """``made`` less a constant of its full shape: shows if XNNPACK believes that it has another one."""
    other = graph.const(shape)
    if graph.kind.type == "float32":
        return graph.op("SUB", [made, other], shape, table="SubOptions")
    return graph.op("SUB", [made, other], shape, graph.kind.between(-8.5, 8.5), table="SubOptions", version=2)
