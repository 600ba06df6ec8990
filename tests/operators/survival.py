"""Inputs that a model allows and no kernel expects: only the end of the process is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

from tests.operators.graph import FLOAT32, INT8, Case, Graph, Kind


def survivals() -> Iterator[Case]:
    for case in (*_empty(), _more_images_than_said(), *_more_than_there_are()):
        yield replace(case, answered=False)


def _empty() -> Iterator[Case]:
    """A batch of no images: what a resize to the length of an empty list gives."""
    for kind in (FLOAT32, INT8):
        for code, make in (("conv_2d", _conv), ("max_pool_2d", _pool), ("mean", _mean), ("add", _add)):
            graph = Graph(f"survives-{code}-{kind.type}-batch0", kind)
            yield graph.case(make(graph, kind))


def _conv(graph: Graph, kind: Kind) -> int:
    taken = graph.input((0, 6, 7, 4))
    is_float = kind == FLOAT32
    weights = graph.const((6, 3, 3, 4)) if is_float else graph.weights((6, 3, 3, 4))
    bias = graph.const((6,)) if is_float else graph.bias(weights, taken, 6)
    return graph.op(
        "CONV_2D", [taken, weights, bias], (0, 6, 7, 6), options={"stride_h": 1, "stride_w": 1},
        table="Conv2DOptions", version=1 if is_float else 3,
    )  # fmt: skip


def _pool(graph: Graph, kind: Kind) -> int:
    options = {"stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2}
    version = 1 if kind == FLOAT32 else 2
    return graph.op(
        "MAX_POOL_2D", [graph.input((0, 6, 6, 4))], (0, 3, 3, 4), options=options, table="Pool2DOptions",
        version=version,
    )  # fmt: skip


def _mean(graph: Graph, kind: Kind) -> int:
    return graph.op(
        "MEAN", [graph.input((0, 3, 4, 5)), graph.ints((1, 2))], (0, 1, 1, 5), options={"keep_dims": True},
        table="ReducerOptions", version=1 if kind == FLOAT32 else 2,
    )  # fmt: skip


def _add(graph: Graph, kind: Kind) -> int:
    inputs = [graph.input((0, 3, 4, 5)), graph.input((5,))]
    return graph.op("ADD", inputs, (0, 3, 4, 5), table="AddOptions", version=1 if kind == FLOAT32 else 2)


def _more_images_than_said() -> Case:
    """TRANSPOSE_CONV has the size of its output in the model: a resized input has more images than that."""
    graph = Graph("survives-transpose_conv-float32-batch3")
    size, weights = graph.ints((1, 6, 8, 3)), graph.const((3, 2, 2, 4))
    made = graph.op(
        "TRANSPOSE_CONV", [size, weights, graph.input((3, 3, 4, 4))], (1, 6, 8, 3),
        options={"stride_h": 2, "stride_w": 2}, table="TransposeConvOptions",
    )  # fmt: skip
    return graph.case(made)


def _more_than_there_are() -> Iterator[Case]:
    for rows, count in itertools.product((1, 3), (9, -1)):
        graph = Graph(f"survives-topk_v2-float32-{rows}x5-k{count}")
        inputs = [graph.input((rows, 5)), graph.ints((count,), shape=())]
        made = graph.op("TOPK_V2", inputs, (rows, max(count, 0)))
        graph.operators[-1]["outputs"].append(graph.indices((rows, max(count, 0))))
        yield graph.case(made)
