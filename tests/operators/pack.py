"""The file that the programs in ``dockerfiles/tflite/smoke`` read: models, inputs, answers.

Little-endian, and simple enough for C without a library: a header, the columns, an entry for each model, then
the data. A column is a published package, and an entry says for each column how many nodes XNNPACK leaves
there to TFLite. The file is stored compressed.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.operators.graph import Case

FILE = Path(__file__).resolve().parents[2] / "dockerfiles" / "tflite" / "smoke" / "operators.pack.gz"

_MAGIC = b"TFOPER02"
_HEADER = struct.Struct("<8sII")  # magic, models, columns
_COLUMN = struct.Struct("<32s")
_COLUMNS = 32  # that an entry has room for
# name, (offset, size) of model, inputs, answer, tolerances, nodes left for each column
_ENTRY = struct.Struct(f"<80s6Iff{_COLUMNS}s")
_ALIGNMENT = 16
NOT_DELEGATED = 255  # in place of the nodes left: nothing runs in XNNPACK, or nobody asks


@dataclass(frozen=True)
class Answer:
    """What a model gives, and how many nodes XNNPACK leaves in each column; 0 if it runs the whole model."""

    data: bytes
    left: tuple[int, ...] = ()


def pack(cases: Sequence[Case], answers: Mapping[str, Answer], columns: Sequence[str]) -> bytes:
    """The uncompressed file."""
    data = bytearray()
    start = _aligned(_HEADER.size + _COLUMN.size * len(columns) + _ENTRY.size * len(cases))
    entries = bytearray()

    def place(content: bytes) -> tuple[int, int]:
        data.extend(bytes(_aligned(len(data)) - len(data)))
        offset = start + len(data)
        data.extend(content)
        return offset, len(content)

    for case in cases:
        answer = answers.get(case.name, Answer(b""))
        spans = [*place(case.model), *place(case.inputs), *place(answer.data)]
        name = case.name.encode()
        if len(name) >= 80:
            raise ValueError(f"the name {case.name} is too long")
        left = bytes(answer.left).ljust(_COLUMNS, bytes([NOT_DELEGATED]))
        entries += _ENTRY.pack(name, *spans, case.absolute, case.relative, left)
    head = _HEADER.pack(_MAGIC, len(cases), len(columns))
    head += b"".join(_COLUMN.pack(column.encode()) for column in columns)
    return (head + bytes(entries)).ljust(start, b"\0") + bytes(data)


def unpack(content: bytes) -> tuple[dict[str, Answer], tuple[str, ...]]:
    """The answers by the model's name, and the columns."""
    magic, models, count = _HEADER.unpack_from(content)
    if magic != _MAGIC:
        raise ValueError("not a pack of operators")
    place = _HEADER.size
    columns = []
    for _ in range(count):
        columns.append(_text(_COLUMN.unpack_from(content, place)[0]))
        place += _COLUMN.size
    answers = {}
    for _ in range(models):
        name, *spans, _, _, left = _ENTRY.unpack_from(content, place)
        offset, size = spans[4:6]
        answers[_text(name)] = Answer(content[offset : offset + size], tuple(left[:count]))
        place += _ENTRY.size
    return answers, tuple(columns)


def stored(content: bytes) -> dict[str, bytes]:
    """The models of a pack by their names."""
    _, models, count = _HEADER.unpack_from(content)
    place = _HEADER.size + _COLUMN.size * count
    found = {}
    for _ in range(models):
        name, offset, size, *_ = _ENTRY.unpack_from(content, place)
        found[_text(name)] = content[offset : offset + size]
        place += _ENTRY.size
    return found


def known_answers(cases: Sequence[Case], answers: Mapping[str, Answer]) -> dict[str, Answer]:
    """``answers``, with those that the cases have themselves."""
    return {**answers, **{case.name: Answer(case.answer) for case in cases if case.answer}}


def unpack_file(path: Path = FILE) -> tuple[dict[str, Answer], tuple[str, ...]]:
    return unpack(gzip.decompress(path.read_bytes()))


def compressed(content: bytes) -> bytes:
    return gzip.compress(content, compresslevel=9, mtime=0)


def _text(field: bytes) -> str:
    return field.rstrip(b"\0").decode()


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
