"""Makes ``dockerfiles/tflite/smoke/zoo.pack.gz``.

    python -m tests.zoo convert FILE               models and inputs alone, to be recorded; needs TensorFlow
    python -m tests.zoo merge FILE COLUMN=FILE...  the pack; the last recording has the answers
    python -m tests.zoo add COLUMN=FILE...         the pack with more columns; its answers remain
    python -m tests.zoo too-new FILE...            models that a recording's package cannot load, and why

Recordings are made as for the single operators: see ``tests/operators/__main__.py``; ``recorded.md`` beside
this file says of what.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.operators.graph import Case
from tests.operators.pack import compressed, pack, unpack_file
from tests.operators.recording import Recording, merged, named_recordings, read_recording, restored
from tests.zoo.cases import FILE, cases_of, disagreements, named, settled, too_new


def _write(cases: Sequence[Case], recordings: Mapping[str, Recording]) -> None:
    answers = merged(cases, recordings)
    final = [settled(case, answers[case.name].data) for case in cases]
    FILE.write_bytes(compressed(pack(final, answers, tuple(recordings))))


def main(words: list[str]) -> int:
    match words:
        case ["convert", path]:
            from tests.zoo.convert import converted  # needs TensorFlow

            Path(path).write_bytes(pack([named(name, model) for name, model in converted()], {}, ()))
        case ["merge", models, *given] if given:
            cases = cases_of(Path(models).read_bytes())
            recordings = named_recordings(given)
            said = disagreements(cases, recordings)
            print("\n".join(said))
            if said:
                return 1
            _write(cases, recordings)
        case ["add", *given] if given:
            cases = cases_of(gzip.decompress(FILE.read_bytes()))
            answers, columns = unpack_file(FILE)
            new, old = named_recordings(given), restored(answers, columns)
            said = disagreements(cases, {**new, "the pack": old[columns[-1]]})
            print("\n".join(said))
            if said:
                return 1
            _write(cases, {**new, **old})
        case ["too-new", *paths] if paths:
            for path in paths:
                for name, why in too_new(read_recording(Path(path))):
                    print(f"{path}: {name}: {why}")
        case _:
            print(__doc__)
            return 2
    return 0


sys.exit(main(sys.argv[1:]))
