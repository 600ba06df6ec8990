"""What a .tflite file says that it needs.

The format: tensorflow/lite/schema/schema.fbs. Only its table of operators is read, and how many results it
has.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import flatbuffers.encode
import flatbuffers.number_types
import flatbuffers.packer
import flatbuffers.table

# The file's identifier, and where a table has its fields (4 + 2 * their number in schema.fbs).
_IDENTIFIER = b"TFL3"
_OPERATOR_CODES, _SUBGRAPHS = 6, 8  # of Model
_OLD_CODE, _CUSTOM_CODE, _VERSION, _CODE = 4, 6, 8, 10  # of OperatorCode
_OUTPUTS = 8  # of SubGraph
_CUSTOM = 32
# TensorFlow's own kernels, through the Flex delegate: tensorflow/lite/delegates/flex/util.cc
_FLEX = "Flex"
_BROKEN = (struct.error, IndexError, TypeError, ValueError, AssertionError, OverflowError, UnicodeDecodeError)


class NotAModel(Exception):
    """Why a file cannot be read as a model."""


@dataclass(frozen=True)
class ModelNeeds:
    """The operators of a model: builtin ones as (name, version), the others by their names."""

    builtin: tuple[tuple[str, int], ...]
    custom: tuple[str, ...]
    outputs: int  # of its first subgraph

    @property
    def flex(self) -> tuple[str, ...]:
        """Operators of TensorFlow itself, which need the Flex delegate."""
        return tuple(name for name in self.custom if name.startswith(_FLEX))


def read_needs(path: Path, names: Sequence[str]) -> ModelNeeds:
    """The needs of the model in ``path``; ``names`` are those of builtin operators, by their numbers.

    :raises NotAModel: it is none, or is broken, or has an operator that nobody here has heard of.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotAModel(error.strerror or "it cannot be read") from error
    if data[4:8] != _IDENTIFIER:
        raise NotAModel("it is no TensorFlow Lite model: a .tflite file has TFL3 at its fifth byte")
    try:
        return _needs(data, names)
    except _BROKEN as error:
        raise NotAModel("it is cut off or damaged") from error


def _needs(data: bytes, names: Sequence[str]) -> ModelNeeds:
    flags = flatbuffers.number_types.UOffsetTFlags
    model = flatbuffers.table.Table(data, flatbuffers.encode.Get(flags.packer_type, data, 0))
    builtin: set[tuple[str, int]] = set()
    custom: set[str] = set()
    for code in _tables(model, _OPERATOR_CODES):
        # A model from before 2020 has the first field alone; the larger one holds (schema_utils.cc).
        number = max(
            code.GetSlot(_OLD_CODE, 0, flatbuffers.number_types.Int8Flags),
            code.GetSlot(_CODE, 0, flatbuffers.number_types.Int32Flags),
        )
        if number == _CUSTOM:
            offset = code.Offset(_CUSTOM_CODE)
            custom.add(code.String(offset + code.Pos).decode() if offset else "")
        elif 0 <= number < len(names):
            version = code.GetSlot(_VERSION, 1, flatbuffers.number_types.Int32Flags)
            builtin.add((names[number], version))
        else:
            raise NotAModel(f"its operator number {number} is newer than all that is known here")
    graphs = _tables(model, _SUBGRAPHS)
    if not graphs:
        raise NotAModel("it has no graph")
    outputs = graphs[0].Offset(_OUTPUTS)
    count = graphs[0].VectorLen(outputs) if outputs else 0
    return ModelNeeds(tuple(sorted(builtin)), tuple(sorted(custom)), count)


def _tables(table: flatbuffers.table.Table, field: int) -> list[flatbuffers.table.Table]:
    """The tables of a vector."""
    offset = table.Offset(field)
    if not offset:
        return []
    length, start = table.VectorLen(offset), table.Vector(offset)
    if length * 4 > len(table.Bytes) - start:
        raise NotAModel("it is cut off or damaged")
    return [
        flatbuffers.table.Table(table.Bytes, table.Indirect(start + 4 * index)) for index in range(length)
    ]
