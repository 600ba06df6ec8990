"""Writes a TFLite model (tensorflow/lite/schema/schema.fbs) from plain values, each time the same bytes.

A table is a mapping of field names. The numbers below are the places of the fields in the schema, which may
never change there; TensorFlow's own generated classes would bring all of TensorFlow for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers

IDENTIFIER = b"TFL3"

# Field of each table: its place and its type. A type in brackets is a vector; a capital letter names a table.
_TABLES: Mapping[str, Mapping[str, tuple[int, str]]] = {
    "Model": {
        "version": (0, "uint32"),
        "operator_codes": (1, "[OperatorCode]"),
        "subgraphs": (2, "[SubGraph]"),
        "description": (3, "string"),
        "buffers": (4, "[Buffer]"),
    },
    "OperatorCode": {
        "deprecated_builtin_code": (0, "int8"),
        "version": (2, "int32"),
        "builtin_code": (3, "int32"),
    },
    "SubGraph": {
        "tensors": (0, "[Tensor]"),
        "inputs": (1, "[int32]"),
        "outputs": (2, "[int32]"),
        "operators": (3, "[Operator]"),
        "name": (4, "string"),
    },
    "Tensor": {
        "shape": (0, "[int32]"),
        "type": (1, "int8"),
        "buffer": (2, "uint32"),
        "name": (3, "string"),
        "quantization": (4, "Quantization"),
    },
    "Buffer": {"data": (0, "bytes")},
    "Quantization": {
        "scale": (2, "[float32]"),
        "zero_point": (3, "[int64]"),
        "quantized_dimension": (6, "int32"),
    },
    "Operator": {
        "opcode_index": (0, "uint32"),
        "inputs": (1, "[int32]"),
        "outputs": (2, "[int32]"),
        "builtin_options_type": (3, "uint8"),
        "builtin_options": (4, "Options"),
    },
    "Conv2DOptions": {
        "padding": (0, "int8"),
        "stride_w": (1, "int32"),
        "stride_h": (2, "int32"),
        "activation": (3, "int8"),
        "dilation_w": (4, "int32=1"),
        "dilation_h": (5, "int32=1"),
    },
    "DepthwiseConv2DOptions": {
        "padding": (0, "int8"),
        "stride_w": (1, "int32"),
        "stride_h": (2, "int32"),
        "depth_multiplier": (3, "int32"),
        "activation": (4, "int8"),
        "dilation_w": (5, "int32=1"),
        "dilation_h": (6, "int32=1"),
    },
    "Pool2DOptions": {
        "padding": (0, "int8"),
        "stride_w": (1, "int32"),
        "stride_h": (2, "int32"),
        "filter_width": (3, "int32"),
        "filter_height": (4, "int32"),
        "activation": (5, "int8"),
    },
    "FullyConnectedOptions": {
        "activation": (0, "int8"),
        "weights_format": (1, "int8"),
        "keep_num_dims": (2, "bool"),
        "asymmetric_quantize_inputs": (3, "bool"),
    },
    "SoftmaxOptions": {"beta": (0, "float32")},
    "ConcatenationOptions": {"axis": (0, "int32"), "activation": (1, "int8")},
    "AddOptions": {"activation": (0, "int8")},
    "SubOptions": {"activation": (0, "int8")},
    "MulOptions": {"activation": (0, "int8")},
    "DivOptions": {"activation": (0, "int8")},
    "ResizeBilinearOptions": {"align_corners": (2, "bool"), "half_pixel_centers": (3, "bool")},
    "ReshapeOptions": {"new_shape": (0, "[int32]")},
    "SpaceToDepthOptions": {"block_size": (0, "int32")},
    "DepthToSpaceOptions": {"block_size": (0, "int32")},
    "ReducerOptions": {"keep_dims": (0, "bool")},
    "SplitOptions": {"num_splits": (0, "int32")},
    "StridedSliceOptions": {
        "begin_mask": (0, "int32"),
        "end_mask": (1, "int32"),
        "ellipsis_mask": (2, "int32"),
        "new_axis_mask": (3, "int32"),
        "shrink_axis_mask": (4, "int32"),
    },
    "LeakyReluOptions": {"alpha": (0, "float32")},
    "TransposeConvOptions": {
        "padding": (0, "int8"),
        "stride_w": (1, "int32"),
        "stride_h": (2, "int32"),
        "activation": (3, "int8"),
    },
    "BatchMatMulOptions": {"adj_x": (0, "bool"), "adj_y": (1, "bool")},
    "SqueezeOptions": {"squeeze_dims": (0, "[int32]")},
    "GeluOptions": {"approximate": (0, "bool")},
}  # fmt: skip

# Members of the union BuiltinOptions
OPTION_TYPES: Mapping[str, int] = {
    "Conv2DOptions": 1,
    "DepthwiseConv2DOptions": 2,
    "Pool2DOptions": 5,
    "FullyConnectedOptions": 8,
    "SoftmaxOptions": 9,
    "ConcatenationOptions": 10,
    "AddOptions": 11,
    "ResizeBilinearOptions": 15,
    "ReshapeOptions": 17,
    "SpaceToDepthOptions": 19,
    "MulOptions": 21,
    "ReducerOptions": 27,
    "SubOptions": 28,
    "DivOptions": 29,
    "SqueezeOptions": 30,
    "StridedSliceOptions": 32,
    "SplitOptions": 35,
    "TransposeConvOptions": 49,
    "LeakyReluOptions": 75,
    "DepthToSpaceOptions": 94,
    "BatchMatMulOptions": 101,
    "GeluOptions": 116,
}

_SIZES = {"int32": 4, "int64": 8, "float32": 4}


def write(table: str, fields: Mapping[str, Any]) -> bytes:
    """The bytes of a file whose root is ``table``."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(_table(builder, table, fields), IDENTIFIER)
    return bytes(builder.Output())


def _table(builder: Any, table: str, fields: Mapping[str, Any]) -> int:
    places = _TABLES[table]
    unknown = sorted(set(fields) - set(places))
    if unknown:
        raise KeyError(f"{table} has no {', '.join(unknown)}")
    # What a table points to is written before it.
    ready = {name: _value(builder, places[name][1], value) for name, value in fields.items()}
    builder.StartObject(max(place for place, _ in places.values()) + 1)
    for name, value in ready.items():
        place, kind = places[name]
        scalar, _, default = kind.partition("=")
        slot: Callable[..., None] | None = getattr(builder, f"Prepend{scalar.capitalize()}Slot", None)
        if slot is None:
            builder.PrependUOffsetTRelativeSlot(place, value, 0)
        else:
            slot(place, value, int(default or 0))
    return int(builder.EndObject())


def _value(builder: Any, kind: str, value: Any) -> Any:
    if kind == "string":
        return builder.CreateString(value)
    if kind == "bytes":
        return _aligned_bytes(builder, value)
    if kind == "Options":
        return _table(builder, *value)
    if kind in _TABLES:
        return _table(builder, kind, value)
    if not kind.startswith("["):
        return value
    element = kind.strip("[]")
    if element in _TABLES:
        return _vector(builder, 4, [_table(builder, element, each) for each in value], "UOffsetTRelative")
    return _vector(builder, _SIZES[element], value, element.capitalize())


def _vector(builder: Any, size: int, values: Sequence[Any], method: str) -> int:
    builder.StartVector(size, len(values), size)
    for value in reversed(values):
        getattr(builder, f"Prepend{method}")(value)
    return int(builder.EndVector())


def _aligned_bytes(builder: Any, data: bytes) -> int:
    """``force_align: 16`` in the schema: kernels read the weights where they are."""
    builder.StartVector(1, len(data), 16)
    builder.head = builder.head - len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return int(builder.EndVector())
