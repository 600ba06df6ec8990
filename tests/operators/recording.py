"""What published wheels gave for the models: they agree, but for those known to be wrong."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tests.operators.graph import Case
from tests.operators.pack import NOT_DELEGATED, Answer


@dataclass(frozen=True)
class Known:
    """Models for which some published wheels have no right answer."""

    models: str  # a pattern
    columns: tuple[str, ...]
    why: str
    by_chance: bool = False  # it depends on what lies in memory, so the answer may be right


_OLD = ("2.14.1", "tflite-runtime-2.14.0")
_ALL = ("2.14.1", "2.17.1", "2.18.1", "2.19.1", "2.20.0", "2.21.0", "tflite-runtime-2.14.0")
_OUT_OF_BOUNDS = "a broadcast of five dimensions writes behind the tensor: SIGABRT, or an answer all the same"
KNOWN = (
    Known(
        "batch_matmul-float32-2x3x4-1x4x5-x*", _ALL,
        "the left side, transposed, is taken for one batch where the right one has one",
    ),
    Known(
        "batch_matmul-int8-*", ("2.21.0",),
        "XNNPACK rounds the left side again, row by row: up to four steps away from TFLite's own kernel",
    ),
    Known(
        "div-uint8-*", (*_ALL, "litert-2.1.5", "litert-2.2.0", "litert-2.3.0"),
        "the kernel shifts by more bits than an int32 has: a quotient near zero becomes 1, 128 or 255",
    ),
    Known("fully_connected-dynamic-range-channel", _OLD, "the first channel's scale is taken for all"),
    Known("mul-float32-2x1x3x2x4-3x1x4", _OLD, _OUT_OF_BOUNDS, by_chance=True),
    Known(
        "squared_difference-float32-2x1x3x2x4-3x1x4", (*_ALL, "litert-2.1.5"), _OUT_OF_BOUNDS, by_chance=True,
    ),
    Known(
        "survives-transpose_conv-float32-batch3", _OLD,
        "XNNPACK writes as many images as it gets where there is room for one", by_chance=True,
    ),
    Known(
        "survives-max_pool_2d-*-batch0", ("2.17.1", "2.18.1", "2.19.1", "2.20.0", "2.21.0"),
        "XNNPACK reads an image where there is none", by_chance=True,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """What one model gave in one way."""

    state: str
    text: str
    answer: bytes
    left: int = NOT_DELEGATED  # nodes that XNNPACK leaves


Recording = Mapping[tuple[str, str], Recorded]  # of (model, way)


def read_recording(path: Path) -> Recording:
    return {
        (each["name"], each["way"]): Recorded(
            each["state"],
            each["text"],
            bytes.fromhex(each.get("answer", "")),
            min(each["left"], NOT_DELEGATED) if each.get("delegated") else NOT_DELEGATED,
        )
        for each in json.loads(path.read_text())
    }


def restored(answers: Mapping[str, Answer], columns: Sequence[str]) -> dict[str, Recording]:
    """The recordings that a pack was made of, as far as it still has them: all are right."""
    return {
        column: {
            (name, way): Recorded("right", "", answer.data, left)
            for name, answer in answers.items()
            for way, left in (("reference", NOT_DELEGATED), ("xnnpack", answer.left[place]))
        }
        for place, column in enumerate(columns)
    }


def named_recordings(words: Sequence[str]) -> dict[str, Recording]:
    """The files of ``COLUMN=FILE``."""
    split = (each.partition("=") for each in words)
    return {column: read_recording(Path(path)) for column, _, path in split}


def disagreements(cases: Sequence[Case], recordings: Mapping[str, Recording]) -> list[str]:
    """Where the recordings differ by more than the models' tolerance, and known faults that are none."""
    said = []
    *_, last = recordings.values()
    for column, recording in recordings.items():
        for case in cases:
            known = [each for each in KNOWN if column in each.columns and fnmatchcase(case.name, each.models)]
            faults = list(_faults(case, recording, case.answer or last[case.name, "reference"].answer))
            if not known:
                said += [f"{column}: {case.name}: {fault}" for fault in faults]
            elif not faults and not all(each.by_chance for each in known):
                said.append(f"{column}: {case.name} is right, and known as wrong")
    return said


def _faults(case: Case, recording: Recording, truth: bytes) -> Iterator[str]:
    for way in ("reference", "xnnpack"):
        mine = recording[case.name, way]
        if not case.answered and mine.state != "crashed":
            continue
        if mine.state != "right":
            yield f"{way}: {mine.state} {mine.text}"
        elif not close(case, mine.answer, truth):
            yield f"{way}: another answer"


def close(case: Case, got: bytes, want: bytes) -> bool:
    """Whether the outputs agree within the tolerances of the case."""
    if len(got) != len(want):
        return False
    mine, theirs = values_of(case, got), values_of(case, want)
    return all(
        abs(left - right) <= case.absolute + case.relative * abs(right)
        for left, right in zip(mine, theirs, strict=True)
    )


_FORMATS = {"float32": "f", "int8": "b", "uint8": "B", "int16": "h", "int32": "i", "int64": "q", "bool": "?"}


def values_of(case: Case, data: bytes) -> tuple[float, ...]:
    """The numbers of a case's outputs."""
    form = _FORMATS[case.output]
    return struct.unpack(f"<{len(data) // struct.calcsize(form)}{form}", data)


def merged(cases: Sequence[Case], recordings: Mapping[str, Recording]) -> dict[str, Answer]:
    """The case's own answer or that of the last recording's kernels, and who delegates what."""
    *_, last = recordings.values()
    return {
        case.name: Answer(
            (case.answer or last[case.name, "reference"].answer) if case.answered else b"",
            tuple(
                recording[case.name, "xnnpack"].left if case.answered else NOT_DELEGATED
                for recording in recordings.values()
            ),
        )
        for case in cases
    }
