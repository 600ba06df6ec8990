"""Operators with windows and weights: convolutions, pools, fully connected, matrix products."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from tests.operators.elementwise import dims, minus_constant
from tests.operators.graph import ACTIVATIONS, FLOAT32, INT8, UINT8, Case, Graph, Kind, Shape

_BOTH = (INT8, UINT8)
_PADDINGS = {"same": 0, "valid": 1}
# Activations are rounded to 8 bits, by each release in its own way: per image, per row, with a zero point.
_DYNAMIC_RANGE = 0.4
# What a sum of products of int8 weights and activations can reach in these models
_SUMS = (-24.0, 24.0)


@dataclass(frozen=True)
class Window:
    """A place in the space of settings that convolutions and pools have."""

    shape: Shape = (1, 6, 7, 4)
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: str = "same"
    activation: str = ""

    @property
    def name(self) -> str:
        parts = [dims(self.shape), f"k{dims(self.kernel)}", f"s{dims(self.stride)}"]
        parts += [f"d{dims(self.dilation)}"] if self.dilation != (1, 1) else []
        return "-".join([*parts, self.padding, *([self.activation] if self.activation else [])])

    def output(self, channels: int) -> Shape:
        batch, *spatial, _ = self.shape
        sizes = []
        for size, kernel, stride, dilation in zip(
            spatial, self.kernel, self.stride, self.dilation, strict=True
        ):
            covered = 1 if self.padding == "same" else (kernel - 1) * dilation + 1
            sizes.append((size - covered) // stride + 1)
        return (batch, *sizes, channels)

    @property
    def options(self) -> dict[str, int]:
        return {
            "padding": _PADDINGS[self.padding],
            "stride_h": self.stride[0],
            "stride_w": self.stride[1],
            "activation": ACTIVATIONS[self.activation],
        }

    @property
    def dilated(self) -> dict[str, int]:
        return {**self.options, "dilation_h": self.dilation[0], "dilation_w": self.dilation[1]}


WINDOWS = (
    Window(),
    Window(shape=(3, 6, 7, 4)),
    Window(kernel=(1, 1), padding="valid"),
    Window(shape=(2, 6, 7, 4), kernel=(1, 1), stride=(2, 2), padding="valid"),
    Window(padding="valid"),
    Window(stride=(2, 2)),
    Window(shape=(2, 6, 7, 4), stride=(2, 2), padding="valid"),
    Window(stride=(2, 1)),
    Window(kernel=(2, 5)),
    Window(dilation=(2, 2)),
    Window(shape=(2, 6, 7, 4), dilation=(2, 1), padding="valid"),
    Window(activation="relu"),
    Window(activation="relu6"),
    Window(activation="relu_n1_to_1"),
)
# Loops over channels take sixteen, eight and one at a time.
_MANY_CHANNELS = (
    Window(shape=(1, 6, 7, 28)),
    Window(shape=(2, 6, 7, 28), stride=(2, 2), padding="valid"),
)
_QUANTISED = (*WINDOWS[:7], WINDOWS[9], *WINDOWS[11:13])


def conv_2d() -> Iterator[Case]:
    for window in WINDOWS:
        graph = Graph(f"conv_2d-float32-{window.name}")
        weights = graph.const((6, *window.kernel, 4), low=-1, high=1)
        yield _conv(graph, window, weights, graph.const((6,)))
    grouped = Window(shape=(2, 6, 7, 4))
    graph = Graph(f"conv_2d-float32-groups-{grouped.name}")
    yield _conv(graph, grouped, graph.const((6, 3, 3, 2), low=-1, high=1), graph.const((6,)))
    graph = Graph("conv_2d-float16-weights")
    yield _conv(graph, WINDOWS[1], graph.halves((6, 3, 3, 4)), graph.halves((6,)))
    for axis in (None, 0):
        graph = Graph(f"conv_2d-dynamic-range-{'tensor' if axis is None else 'channel'}")
        weights = graph.weights((6, 3, 3, 4), kind="int8", axis=axis)
        yield _conv(graph, WINDOWS[1], weights, graph.const((6,)), absolute=_DYNAMIC_RANGE)
    for window, (kind, axis) in itertools.product(_QUANTISED, ((INT8, None), (INT8, 0), (UINT8, None))):
        scales = "channel" if axis == 0 else "tensor"
        graph = Graph(f"conv_2d-{kind.type}-{scales}-{window.name}", kind)
        zero = 120 if kind.type == "uint8" else 0
        weights = graph.weights((6, *window.kernel, 4), axis=axis, zero=zero)
        yield _conv(graph, window, weights, None)


def _conv(
    graph: Graph, window: Window, weights: int, bias: int | None, *, absolute: float | None = None
) -> Case:
    taken = graph.input(window.shape)
    kind = graph.kind
    if bias is None:
        bias = graph.bias(weights, taken, 6)
        kind = kind.between(*_SUMS)
    made = graph.op(
        "CONV_2D", [taken, weights, bias], window.output(6), kind,
        options=window.dilated, table="Conv2DOptions", version=1 if graph.kind == FLOAT32 else 3,
    )  # fmt: skip
    return graph.case(made, absolute=absolute)


def depthwise() -> Iterator[Case]:
    for window, multiplier in itertools.product(WINDOWS, (1, 2)):
        graph = Graph(f"depthwise_conv_2d-float32-x{multiplier}-{window.name}")
        weights = graph.const((1, *window.kernel, 4 * multiplier), low=-1, high=1)
        yield _depthwise(graph, window, multiplier, weights, graph.const((4 * multiplier,)))
    graph = Graph("depthwise_conv_2d-float16-weights")
    yield _depthwise(graph, WINDOWS[1], 1, graph.halves((1, 3, 3, 4)), graph.halves((4,)))
    graph = Graph("depthwise_conv_2d-dynamic-range")
    weights = graph.weights((1, 3, 3, 4), kind="int8", axis=3)
    yield _depthwise(graph, WINDOWS[1], 1, weights, graph.const((4,)), absolute=_DYNAMIC_RANGE)
    for window, (kind, axis) in itertools.product(_QUANTISED, ((INT8, None), (INT8, 3), (UINT8, None))):
        scales = "channel" if axis == 3 else "tensor"
        graph = Graph(f"depthwise_conv_2d-{kind.type}-{scales}-{window.name}", kind)
        zero = 120 if kind.type == "uint8" else 0
        weights = graph.weights((1, *window.kernel, 4), axis=axis, zero=zero)
        yield _depthwise(graph, window, 1, weights, None)
    for window in _MANY_CHANNELS:
        graph = Graph(f"depthwise_conv_2d-dynamic-range-{window.name}")
        weights = graph.weights((1, *window.kernel, 28), kind="int8", axis=3)
        yield _depthwise(graph, window, 1, weights, graph.const((28,)), absolute=_DYNAMIC_RANGE)
        graph = Graph(f"depthwise_conv_2d-int8-channel-{window.name}", INT8)
        weights = graph.weights((1, *window.kernel, 28), axis=3, zero=0)
        yield _depthwise(graph, window, 1, weights, None)


def _depthwise(
    graph: Graph,
    window: Window,
    multiplier: int,
    weights: int,
    bias: int | None,
    *,
    absolute: float | None = None,
) -> Case:
    taken = graph.input(window.shape)
    kind = graph.kind
    channels = window.shape[-1] * multiplier
    if bias is None:
        bias = graph.bias(weights, taken, channels)
        kind = kind.between(-16.0, 16.0)
    made = graph.op(
        "DEPTHWISE_CONV_2D", [taken, weights, bias], window.output(channels), kind,
        options={**window.dilated, "depth_multiplier": multiplier}, table="DepthwiseConv2DOptions",
        version=1 if graph.kind == FLOAT32 else 3,
    )  # fmt: skip
    return graph.case(made, absolute=absolute)


@dataclass(frozen=True)
class Upsampling:
    shape: Shape
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: str
    bias: bool = True

    @property
    def output(self) -> Shape:
        batch, *spatial, _ = self.shape
        sizes = []
        for size, kernel, stride in zip(spatial, self.kernel, self.stride, strict=True):
            more = 0 if self.padding == "same" else max(kernel - stride, 0)
            sizes.append(size * stride + more)
        return (batch, *sizes, 3)


_UPSAMPLINGS = tuple(
    Upsampling((batch, 3, 4, 4), kernel, stride, padding, bias)
    for kernel, stride in (
        ((3, 3), (2, 2)),
        ((2, 2), (2, 2)),
        ((3, 3), (1, 1)),
        ((4, 4), (2, 2)),
        ((3, 2), (2, 1)),
    )
    for padding in _PADDINGS
    for batch, bias in ((1, True), (2, False))
)


def transpose_conv() -> Iterator[Case]:
    for each, kind in itertools.product(_UPSAMPLINGS, (FLOAT32, INT8, UINT8)):
        bias = "bias" if each.bias else "no-bias"
        graph = Graph(
            f"transpose_conv-{kind.type}-{dims(each.shape)}-k{dims(each.kernel)}-s{dims(each.stride)}-{each.padding}-{bias}",
            kind,
        )
        shape = (3, *each.kernel, 4)
        is_float = kind == FLOAT32
        weights = (
            graph.const(shape, low=-1, high=1)
            if is_float
            else graph.weights(shape, zero=120 * (kind == UINT8))
        )
        size = graph.ints(each.output)
        taken = graph.input(each.shape)
        inputs = [size, weights, taken]
        if each.bias:
            inputs.append(graph.const((3,)) if is_float else graph.bias(weights, taken, 3))
        made = graph.op(
            "TRANSPOSE_CONV", inputs, each.output, kind if is_float else kind.between(*_SUMS),
            options=Window(stride=each.stride, padding=each.padding).options, table="TransposeConvOptions",
            version=3 if each.bias else (1 if is_float else 2),
        )  # fmt: skip
        yield graph.case(made)


def pools() -> Iterator[Case]:
    windows = (
        Window(kernel=(2, 2), stride=(2, 2), padding="valid"),
        Window(shape=(2, 6, 7, 4), kernel=(2, 2), stride=(2, 2)),
        Window(shape=(2, 6, 7, 4), kernel=(3, 3), stride=(1, 1)),
        Window(kernel=(3, 2), stride=(1, 2), padding="valid"),
        Window(shape=(2, 6, 7, 4), kernel=(6, 7), stride=(1, 1), padding="valid"),
        Window(kernel=(1, 1)),
        Window(kernel=(3, 3), stride=(2, 2), activation="relu"),
        Window(kernel=(3, 3), stride=(2, 2), activation="relu6"),
        Window(kernel=(3, 3), stride=(2, 2), activation="relu_n1_to_1"),
    )
    for code, kind, window in itertools.product(
        ("AVERAGE_POOL_2D", "MAX_POOL_2D"), (FLOAT32, INT8, UINT8), windows
    ):
        if kind != FLOAT32 and window.activation == "relu_n1_to_1":
            continue
        graph = Graph(f"{code.lower()}-{kind.type}-{window.name}", kind)
        options = {**window.options, "filter_height": window.kernel[0], "filter_width": window.kernel[1]}
        shape = window.output(4)
        made = graph.op(
            code, [graph.input(window.shape)], shape, options=options, table="Pool2DOptions",
            version=1 if kind == FLOAT32 else 2,
        )  # fmt: skip
        yield graph.case(minus_constant(graph, made, shape))


def fully_connected() -> Iterator[Case]:
    for shape, keep, activation, bias in (
        ((1, 8), False, "", True),
        ((3, 8), False, "", False),
        ((3, 8), False, "relu", True),
        ((3, 8), False, "relu6", True),
        ((3, 8), True, "relu_n1_to_1", True),
        ((2, 3, 8), True, "", True),
        ((2, 3, 8), False, "", True),
        ((2, 3, 3, 8), True, "", False),
        ((2, 2, 2, 2), False, "", True),
    ):
        for kind in (FLOAT32, INT8, UINT8):
            parts = [
                kind.type,
                dims(shape),
                *(["keep"] if keep else []),
                *([activation] if activation else []),
            ]
            graph = Graph("-".join(["fully_connected", *parts, *([] if bias else ["no-bias"])]), kind)
            yield _connected(graph, shape, keep, activation, bias)
    for axis in (None, 0):
        graph = Graph(f"fully_connected-dynamic-range-{'tensor' if axis is None else 'channel'}")
        weights = graph.weights((6, 8), kind="int8", axis=axis)
        yield _connected(graph, (3, 8), False, "", True, weights=weights, absolute=_DYNAMIC_RANGE)
    graph = Graph("fully_connected-float16-weights")
    yield _connected(graph, (3, 8), False, "", True, weights=graph.halves((6, 8)))
    graph = Graph("fully_connected-int8-channel", INT8)
    yield _connected(graph, (3, 8), False, "", True, weights=graph.weights((6, 8), axis=0))


def _connected(
    graph: Graph, shape: Shape, keep: bool, activation: str, bias: bool, *, weights: int | None = None,
    absolute: float | None = None,
) -> Case:  # fmt: skip
    is_float = graph.kind == FLOAT32
    if weights is None:
        zero = 120 if graph.kind == UINT8 else 0
        weights = graph.const((6, 8), low=-1, high=1) if is_float else graph.weights((6, 8), zero=zero)
    taken = graph.input(shape)
    rows = 1
    for size in shape:
        rows *= size
    result = (*shape[:-1], 6) if keep else (rows // 8, 6)
    added = -1
    if bias:
        added = graph.const((6,)) if is_float else graph.bias(weights, taken, 6)
    made = graph.op(
        "FULLY_CONNECTED", [taken, weights, added], result,
        graph.kind if is_float else graph.kind.between(*_SUMS),
        options={"activation": ACTIVATIONS[activation], "keep_num_dims": keep},
        table="FullyConnectedOptions", version=1 if is_float else 4,
    )  # fmt: skip
    return graph.case(made, absolute=absolute)


def batch_matmul() -> Iterator[Case]:
    shapes: tuple[tuple[Shape, Shape], ...] = (
        ((3, 4), (4, 5)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 3, 4), (4, 5)),
        ((2, 3, 4), (1, 4, 5)),
        ((1, 3, 4), (2, 4, 5)),
        ((2, 2, 3, 4), (2, 2, 4, 5)),
        ((2, 1, 3, 4), (1, 3, 4, 5)),
    )
    for (left, right), (adj_x, adj_y), constant in itertools.product(
        shapes, ((False, False), (False, True), (True, False), (True, True)), (False, True)
    ):
        how = f"{'x' if adj_x else ''}{'y' if adj_y else ''}" or "plain"
        graph = Graph(
            f"batch_matmul-float32-{dims(left)}-{dims(right)}-{how}{'-constant' if constant else ''}"
        )
        taken = graph.input(_adjoint(left) if adj_x else left)
        second = _adjoint(right) if adj_y else right
        other = graph.const(second) if constant else graph.input(second)
        yield _product(graph, taken, other, (left, right), adj_x, adj_y)
    for (left, right), constant in itertools.product(shapes[1:4], (False, True)):
        graph = Graph(f"batch_matmul-int8-{dims(left)}-{dims(right)}{'-constant' if constant else ''}", INT8)
        taken = graph.input(left)
        other = graph.const(right) if constant else graph.input(right)
        yield _product(graph, taken, other, (left, right), False, False)


def _product(
    graph: Graph, taken: int, other: int, shapes: tuple[Shape, Shape], adj_x: bool, adj_y: bool
) -> Case:
    left, right = shapes
    rank = max(len(left), len(right))
    batches = [(1,) * (rank - len(shape)) + shape[:-2] for shape in shapes]
    result = (*(max(pair) for pair in zip(*batches, strict=True)), left[-2], right[-1])
    kind: Kind = graph.kind if graph.kind == FLOAT32 else graph.kind.between(-40.0, 40.0)
    made = graph.op(
        "BATCH_MATMUL", [taken, other], result, kind, options={"adj_x": adj_x, "adj_y": adj_y},
        table="BatchMatMulOptions", version=1 if graph.kind == FLOAT32 else 2,
    )  # fmt: skip
    return graph.case(made, absolute=1e-4 if graph.kind == FLOAT32 else None)


def _adjoint(shape: Shape) -> Shape:
    return (*shape[:-2], shape[-1], shape[-2])
