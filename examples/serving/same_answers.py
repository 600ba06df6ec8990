"""Compares what Keras said in training with what a model server said: TRAINED ANSWERED, files with output.

Ends with exit code 1 where an answer of REST or gRPC differs by more than the digits that were printed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_DIGITS = 1e-6


def flat(value: Any) -> Iterator[float]:
    """The numbers in lists, or in the one output of an answer."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from flat(each)
    else:
        yield float(value)


def main() -> int:
    trained, answered = (Path(word).read_text(encoding="utf-8").splitlines() for word in sys.argv[1:3])
    want = [float(word) for line in trained if line.startswith("answers ") for word in line.split()[1:]]
    found = {
        api: list(flat(json.loads(text)))
        for api, _, text in (line.partition(" ") for line in answered)
        if api in ("rest", "grpc")
    }
    wrong = [api for api, got in found.items() if len(got) != len(want) or not _near(got, want)]
    if wrong or not want or set(found) != {"rest", "grpc"}:
        print(f"Keras said {want}, the server {found}", file=sys.stderr)
        return 1
    print(f"the server says what Keras said: {want}")
    return 0


def _near(got: list[float], want: list[float]) -> bool:
    return all(abs(one - other) <= _DIGITS for one, other in zip(got, want, strict=True))


if __name__ == "__main__":
    sys.exit(main())
