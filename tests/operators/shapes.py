"""Operators that change shapes: reductions, slices, joins. What they give is used again in each model.

A runtime that takes it for another shape may still return the right values (XNNPACK's reductions of 2024).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from tests.operators.elementwise import dims, minus_constant
from tests.operators.graph import FLOAT32, INT8, UINT8, Case, Graph, Kind, Shape

_KINDS = (FLOAT32, INT8, UINT8)

_REDUCTIONS: tuple[tuple[Shape, tuple[int, ...]], ...] = (
    ((1, 3, 4, 5), (1, 2)),
    ((2, 3, 4, 5), (1, 2)),
    ((2, 3, 4, 5), (2, 1)),
    ((4, 3, 4, 5), (1, 2)),  # as many images as columns: a lost axis broadcasts without an error
    ((1, 3, 4, 5), (2,)),
    ((2, 3, 4, 5), (2,)),
    ((2, 3, 4, 5), (1,)),
    ((2, 3, 4, 5), (3,)),
    ((2, 3, 4, 5), (-1,)),
    ((2, 3, 4, 5), (-2, -3)),
    ((2, 3, 4, 5), (0,)),
    ((2, 3, 4, 5), (1, 2, 3)),
    ((2, 3, 4, 5), (0, 1, 2, 3)),
    ((2, 3, 5), (1,)),
    ((2, 3, 5), (2,)),
    ((2, 3, 5), (-1,)),
    ((2, 5), (1,)),
    ((2, 5), (0,)),
    ((7,), (0,)),
    ((2, 2, 3, 2, 3), (2, 3)),
)


def reductions() -> Iterator[Case]:
    for kind, code, (shape, axes), keep in itertools.product(
        _KINDS, ("MEAN", "SUM"), _REDUCTIONS, (True, False)
    ):
        if kind != FLOAT32 and len(shape) != 4:
            continue
        yield _reduction(kind, code, shape, axes, keep)
    for code, (shape, axes), keep in itertools.product(
        ("REDUCE_MAX", "REDUCE_MIN"), _REDUCTIONS[1:13:3], (True, False)
    ):
        yield _reduction(FLOAT32, code, shape, axes, keep)


def _reduction(kind: Kind, code: str, shape: Shape, axes: Sequence[int], keep: bool) -> Case:
    taken_away = {axis % len(shape) for axis in axes}
    result = tuple(
        1 if axis in taken_away else size for axis, size in enumerate(shape) if keep or axis not in taken_away
    )
    count = math.prod(shape) // math.prod(result)
    graph = Graph(
        f"{code.lower()}-{kind.type}-{dims(shape)}-axes{listed(axes)}{'-keep' if keep else ''}",
        kind,
    )
    taken = graph.input(shape)
    summed = kind.between(-4.0 * math.sqrt(count), 4.0 * math.sqrt(count)) if code == "SUM" else kind
    made = graph.op(
        code, [taken, graph.ints(axes)], result, summed if kind != FLOAT32 else None,
        options={"keep_dims": keep}, table="ReducerOptions", version=1 if kind == FLOAT32 else 2,
    )  # fmt: skip
    return graph.case(made, minus_constant(graph, made, result), absolute=1e-4 if kind == FLOAT32 else None)


def centred() -> Iterator[Case]:
    """x - mean(x), and squeeze-and-excite: x * sigmoid(conv(mean(x)))."""
    for kind, batch in itertools.product(_KINDS, (1, 2, 4)):
        shape = (batch, 3, 4, 5)
        for axes in ((1, 2), (2,)):
            graph = Graph(f"mean_sub-{kind.type}-{dims(shape)}-axes{listed(axes)}", kind)
            taken = graph.input(shape)
            result = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
            mean = _mean(graph, taken, axes, result)
            yield graph.case(minus(graph, taken, mean, shape), absolute=1e-4 if kind == FLOAT32 else None)
        yield _squeeze_and_excite(kind, shape)


def _mean(graph: Graph, taken: int, axes: Sequence[int], result: Shape, *, keep: bool = True) -> int:
    return graph.op(
        "MEAN", [taken, graph.ints(axes)], result, options={"keep_dims": keep}, table="ReducerOptions",
        version=1 if graph.kind == FLOAT32 else 2,
    )  # fmt: skip


def minus(graph: Graph, left: int, right: int, shape: Shape) -> int:
    kind = None if graph.kind == FLOAT32 else graph.kind.between(-8.5, 8.5)
    version = 1 if graph.kind == FLOAT32 else 2
    return graph.op("SUB", [left, right], shape, kind, table="SubOptions", version=version)


def _squeeze_and_excite(kind: Kind, shape: Shape) -> Case:
    graph = Graph(f"squeeze_excite-{kind.type}-{dims(shape)}", kind)
    is_float = kind == FLOAT32
    version = 1 if is_float else 3
    weights = graph.const((5, 1, 1, 5), low=-1, high=1) if is_float else graph.weights(
        (5, 1, 1, 5), zero=120 * (kind == UINT8)
    )  # fmt: skip
    taken = graph.input(shape)
    mean = _mean(graph, taken, (1, 2), (shape[0], 1, 1, 5))
    bias = graph.const((5,)) if is_float else graph.bias(weights, mean, 5)
    conv = graph.op(
        "CONV_2D", [mean, weights, bias], (shape[0], 1, 1, 5),
        options={"stride_h": 1, "stride_w": 1}, table="Conv2DOptions", version=version,
    )  # fmt: skip
    gate_kind = kind if is_float else kind.between(0.0, 255 / 256)
    gate = graph.op("LOGISTIC", [conv], (shape[0], 1, 1, 5), gate_kind, version=1 if is_float else 2)
    made = graph.op("MUL", [taken, gate], shape, table="MulOptions", version=1 if is_float else 2)
    return graph.case(made, absolute=1e-4 if is_float else 2.0)


def reshapes() -> Iterator[Case]:
    pairs: tuple[tuple[Shape, Shape], ...] = (
        ((2, 3, 4), (6, 4)),
        ((2, 3, 4), (24,)),
        ((2, 12), (2, 3, 4)),
        ((1, 2, 3, 4), (1, 1, 6, 4)),
        ((2, 3, 4), (2, 1, 3, 2, 2)),
    )
    for kind, (shape, result) in itertools.product(_KINDS, pairs):
        for asked in (result, (*result[:-1], -1)):
            graph = Graph(f"reshape-{kind.type}-{dims(shape)}-{dims(asked)}", kind)
            inputs = [graph.input(shape), graph.ints(asked)]
            made = graph.op("RESHAPE", inputs, result, options={"new_shape": asked}, table="ReshapeOptions")
            yield graph.case(minus_constant(graph, made, result))
        graph = Graph(f"reshape-{kind.type}-{dims(shape)}-{dims(result)}-option", kind)
        made = graph.op(
            "RESHAPE", [graph.input(shape)], result, options={"new_shape": result}, table="ReshapeOptions"
        )
        yield graph.case(minus_constant(graph, made, result))
    for kind, axis in itertools.product(_KINDS, (0, 1, -1, -2)):
        shape = (2, 3, 4)
        place = axis if axis >= 0 else len(shape) + 1 + axis
        result = (*shape[:place], 1, *shape[place:])
        graph = Graph(f"expand_dims-{kind.type}-axis{axis}", kind)
        made = graph.op("EXPAND_DIMS", [graph.input(shape), graph.ints([axis])], result)
        yield graph.case(minus_constant(graph, made, result))
    for kind, axes in itertools.product(_KINDS, ((), (0,), (2,), (0, -2))):
        result = tuple(
            size
            for axis, size in enumerate((1, 3, 1, 4))
            if size > 1 or (axes and axis not in {each % 4 for each in axes})
        )
        graph = Graph(f"squeeze-{kind.type}-axes{listed(axes)}", kind)
        made = graph.op(
            "SQUEEZE",
            [graph.input((1, 3, 1, 4))],
            result,
            options={"squeeze_dims": axes},
            table="SqueezeOptions",
        )
        yield graph.case(minus_constant(graph, made, result))


def transposes() -> Iterator[Case]:
    orders = (
        (1, 0),
        (0, 2, 1),
        (2, 0, 1),
        (0, 2, 3, 1),
        (0, 3, 1, 2),
        (3, 2, 1, 0),
        (0, 1, 3, 2),
        (4, 0, 2, 1, 3),
    )
    for kind, order in itertools.product(_KINDS, orders):
        shape = (2, 3, 4, 5, 2)[: len(order)]
        result = tuple(shape[axis] for axis in order)
        graph = Graph(f"transpose-{kind.type}-{dims(shape)}-{listed(order)}", kind)
        made = graph.op(
            "TRANSPOSE", [graph.input(shape), graph.ints(order)], result, version=1 if kind == FLOAT32 else 2
        )
        yield graph.case(minus_constant(graph, made, result))


def joins() -> Iterator[Case]:
    for kind, count, axis in itertools.product(_KINDS, (2, 3, 4, 5), (0, 1, 3, -1)):
        sizes = [2 + (number % 2) for number in range(count)]
        place = axis % 4
        before, behind = (2, 3, 2, 2)[:place], (2, 3, 2, 2)[place + 1 :]
        shapes = [(*before, size, *behind) for size in sizes]
        result = (*before, sum(sizes), *behind)
        graph = Graph(f"concatenation-{kind.type}-{count}-axis{axis}", kind)
        made = graph.op(
            "CONCATENATION", [graph.input(shape) for shape in shapes], result, options={"axis": axis},
            table="ConcatenationOptions", version=1 if kind == FLOAT32 else 2,
        )  # fmt: skip
        yield graph.case(minus_constant(graph, made, result))
    for kind, count, axis in itertools.product(_KINDS, (2, 3, 4), (0, 2, 3, -1)):
        shape = [2, 3, 2, 2]
        shape[axis] = count * 2
        result = (*shape[: axis % 4], 2, *shape[axis % 4 + 1 :])
        graph = Graph(f"split-{kind.type}-{count}-axis{axis}", kind)
        axis_tensor = graph.ints([axis], shape=())
        first = graph.op(
            "SPLIT", [axis_tensor, graph.input(tuple(shape))], result, options={"num_splits": count},
            table="SplitOptions", version=1 if kind == FLOAT32 else 2, outputs=count,
        )  # fmt: skip
        last = minus_constant(graph, first + count - 1, result)
        yield graph.case(*range(first, first + count - 1), last)


def pads() -> Iterator[Case]:
    paddings: tuple[tuple[int, ...], ...] = (
        (0, 0, 1, 1, 2, 2, 0, 0), (0, 0, 0, 1, 0, 2, 0, 0), (1, 0, 0, 0, 0, 0, 0, 3), (0, 0, 1, 2, 2, 1),
        (1, 2, 0, 1), (2, 1), (0, 1, 0, 0, 1, 0, 0, 0, 2, 1),
    )  # fmt: skip
    for kind, each in itertools.product(_KINDS, paddings):
        shape = (2, 3, 4, 2, 2)[: len(each) // 2]
        result = tuple(size + each[2 * axis] + each[2 * axis + 1] for axis, size in enumerate(shape))
        graph = Graph(f"pad-{kind.type}-{dims(shape)}-{listed(each)}", kind)
        amounts = graph.ints(each, shape=(len(shape), 2))
        made = graph.op("PAD", [graph.input(shape), amounts], result, version=1 if kind == FLOAT32 else 2)
        yield graph.case(minus_constant(graph, made, result))


def slices() -> Iterator[Case]:
    cuts: tuple[tuple[Shape, tuple[int, ...], tuple[int, ...]], ...] = (
        ((2, 4, 5, 3), (0, 1, 2, 0), (2, 2, 3, 2)),
        ((2, 4, 5, 3), (1, 0, 0, 1), (1, -1, -1, -1)),
        ((4, 5), (1, 2), (2, 3)),
        ((7,), (2,), (-1,)),
        ((2, 3, 2, 3, 2), (0, 1, 0, 1, 0), (2, 2, 1, -1, 2)),
    )
    for kind, (shape, begin, size) in itertools.product(_KINDS, cuts):
        result = tuple(
            size[axis] if size[axis] >= 0 else shape[axis] - begin[axis] for axis in range(len(shape))
        )
        graph = Graph(f"slice-{kind.type}-{dims(shape)}-{listed((*begin, *size))}", kind)
        inputs = [graph.input(shape), graph.ints(begin), graph.ints(size)]
        made = graph.op("SLICE", inputs, result, version=1 if kind == FLOAT32 else 2)
        yield graph.case(minus_constant(graph, made, result))


def strided_slices() -> Iterator[Case]:
    shape = (2, 4, 5, 3)
    cuts: tuple[tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...], dict[str, int]], ...] = (
        ("plain", (0, 1, 2, 0), (2, 3, 5, 2), (1, 1, 1, 1), {}),
        ("negative", (0, -3, -4, -3), (2, -1, 5, -1), (1, 1, 1, 1), {}),
        ("masks", (1, 1, 3, 1), (1, 3, 3, 2), (1, 1, 1, 1), {"begin_mask": 5, "end_mask": 5}),
        ("beyond", (0, 0, 0, 0), (9, 9, 9, 9), (1, 1, 1, 1), {}),
        ("shrink", (1, 0, 0, 0), (2, 4, 5, 3), (1, 1, 1, 1), {"shrink_axis_mask": 1}),
        ("shrink-last", (0, 0, 0, -1), (2, 4, 5, 0), (1, 1, 1, 1), {"shrink_axis_mask": 8}),
        ("strides", (0, 0, 1, 0), (2, 4, 5, 3), (1, 2, 2, 1), {}),
        ("backwards", (1, 3, 4, 2), (-3, 0, 0, 0), (-1, -1, -1, -1), {}),
    )
    results: dict[str, Shape] = {
        "plain": (2, 2, 3, 2), "negative": (2, 2, 4, 2), "masks": (2, 2, 5, 1), "beyond": shape,
        "shrink": (4, 5, 3), "shrink-last": (2, 4, 5), "strides": (2, 2, 2, 3), "backwards": (2, 3, 4, 2),
    }  # fmt: skip
    for kind, (name, begin, end, strides, masks) in itertools.product(_KINDS, cuts):
        graph = Graph(f"strided_slice-{kind.type}-{name}", kind)
        inputs = [graph.input(shape), graph.ints(begin), graph.ints(end), graph.ints(strides)]
        made = graph.op(
            "STRIDED_SLICE", inputs, results[name], options=masks, table="StridedSliceOptions",
            version=1 if kind == FLOAT32 else 2,
        )  # fmt: skip
        yield graph.case(minus_constant(graph, made, results[name]))


def resizes() -> Iterator[Case]:
    modes = {"plain": {}, "align": {"align_corners": True}, "half": {"half_pixel_centers": True}}
    sizes = ((6, 8), (2, 2), (3, 4), (5, 3), (1, 1))
    for kind, (mode, options), (height, width), batch in itertools.product(
        _KINDS, modes.items(), sizes, (1, 2)
    ):
        graph = Graph(f"resize_bilinear-{kind.type}-{mode}-{height}x{width}-batch{batch}", kind)
        result = (batch, height, width, 5)
        made = graph.op(
            "RESIZE_BILINEAR", [graph.input((batch, 3, 4, 5)), graph.ints([height, width])], result,
            options=options, table="ResizeBilinearOptions", version=(3 if mode == "half" else 2),
        )  # fmt: skip
        yield graph.case(minus_constant(graph, made, result))


def blocks() -> Iterator[Case]:
    for kind, batch, size in itertools.product(_KINDS, (1, 2), (2, 3)):
        wide, deep = (batch, 2 * size, 3 * size, 2), (batch, 2, 3, 2 * size * size)
        for code, table, shape, result in (
            ("SPACE_TO_DEPTH", "SpaceToDepthOptions", wide, deep),
            ("DEPTH_TO_SPACE", "DepthToSpaceOptions", deep, wide),
        ):
            graph = Graph(f"{code.lower()}-{kind.type}-block{size}-batch{batch}", kind)
            made = graph.op(code, [graph.input(shape)], result, options={"block_size": size}, table=table)
            yield graph.case(minus_constant(graph, made, result))


def softmaxes() -> Iterator[Case]:
    for shape, beta in itertools.product(((7,), (2, 5), (2, 3, 5), (2, 2, 3, 5)), (1.0, 0.5)):
        graph = Graph(f"softmax-float32-{dims(shape)}-beta{beta}")
        made = graph.op(
            "SOFTMAX", [graph.input(shape)], shape, options={"beta": beta}, table="SoftmaxOptions"
        )
        yield graph.case(made)
    for kind in (INT8, UINT8):
        graph = Graph(f"softmax-{kind.type}", kind)
        made = graph.op(
            "SOFTMAX", [graph.input((2, 5))], (2, 5), kind.between(0.0, 255 / 256), options={"beta": 1.0},
            table="SoftmaxOptions", version=2,
        )  # fmt: skip
        yield graph.case(made)


def listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
