"""What a build's smoke test has to say about the suite of single operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from tests.operators.cases import all_cases
from tests.operators.pack import pack, unpack_file
from tests.operators.recording import KNOWN
from tests.zoo.cases import FILE as ZOO

# A flatbuffer whose root lies far outside: reading it is a segmentation fault.
_BROKEN = b"\xff\xff\xff\x7fTFL3".ljust(64, b"\0")


def _known_faults(models: Iterable[str], column: str) -> list[str]:
    """What a published package gets wrong (``column``; empty: for armhf). A build from source: nothing."""
    if column and "-" not in column:
        return []
    known = [each.models for each in KNOWN if (column or "tflite-runtime-2.14.0") in each.columns]
    return [name for name in models if any(fnmatchcase(name, pattern) for pattern in known)]


def require_operators(manifest: Mapping[str, Any], case: str, column: str) -> None:
    """All models were run in each way; what was not right is a limit that the release's file names.

    XNNPACK runs at least what it runs in the package of ``column`` (empty: it is not built in).
    """
    (outcome,) = (each for each in manifest["smoke"] if each["case"] == case)
    counts = {count["way"]: count for count in outcome["operators"]}
    answers, columns = unpack_file()
    assert set(counts) == ({"reference", "xnnpack"} if column else {"reference"})
    assert {count["models"] for count in counts.values()} == {len(answers)}
    met = [each for each in manifest["findings"] if each["message"].startswith(f"{case}: ")]
    assert {each["id"] for each in met} <= {"operator-limit"}
    wrong = sum(count["models"] - count["right"] for count in counts.values())
    assert wrong == sum(len(each["evidence"]) for each in met)
    assert wrong <= len(_known_faults(answers, column)) * len(counts)
    assert counts["reference"]["delegated"] == 0
    if column:
        number = columns.index(column)
        wanted = sum(answer.left[number] == 0 for answer in answers.values())
        assert counts["xnnpack"]["delegated"] >= wanted > 400


def require_zoo(manifest: Mapping[str, Any], case: str, too_new: int, ended: int = 0) -> None:
    """All models were run in each way and are right, but for ``too_new`` that the release does not know, and
    for ``ended`` at which it ends the process, as a quirk of it says."""
    (outcome,) = (each for each in manifest["smoke"] if each["case"] == case)
    answers, _ = unpack_file(ZOO)
    for count in outcome["operators"]:
        assert (count["models"], count["right"]) == (len(answers), len(answers) - too_new - ended)
    met = [each for each in manifest["findings"] if each["message"].startswith(f"{case}: ")]
    assert [each["id"] for each in met] == ["operator-limit"] * (bool(too_new) + bool(ended))
    assert sum("FULLY_CONNECTED 12" in each["fix"] for each in met) == bool(too_new)


def pack_with_a_broken_model(path: Path) -> tuple[str, str, str]:
    """Writes a pack of three models, of which the second ends the process; their names."""
    first, second, third = (case for case in all_cases() if case.name.startswith("abs-float32-2"))
    answers, columns = unpack_file()
    path.write_bytes(pack((first, replace(second, model=_BROKEN), third), answers, columns))
    return first.name, second.name, third.name
