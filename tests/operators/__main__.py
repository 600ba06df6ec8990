"""Makes ``dockerfiles/tflite/smoke/operators.pack.gz``.

    python -m tests.operators models FILE           models and inputs alone, for the recording
    python -m tests.operators merge COLUMN=FILE...  the pack; the last recording has the answers
    python -m tests.operators add COLUMN=FILE...    the pack with more columns; its answers remain
    python -m tests.operators extend COLUMN=FILE... the pack with more models, recorded in each of its
                                                    columns; its answers remain
    python -m tests.operators rebuild               the pack with its own answers: for new tolerances,
                                                    and for models whose answer is computed

A recording is made by the Python of a published wheel, which needs nothing but the package and numpy::

    python dockerfiles/tflite/smoke/operators.py PACKAGE FILE --record RECORDING

The columns are the wheels that a build is compared with; ``recorded.md`` beside this file names them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.operators.cases import all_cases
from tests.operators.pack import FILE, compressed, known_answers, pack, unpack_file
from tests.operators.recording import disagreements, merged, named_recordings, restored


def main(words: list[str]) -> int:
    match words:
        case ["models", path]:
            Path(path).write_bytes(pack(all_cases(), {}, ()))
        case ["merge", *named] if named:
            recordings = named_recordings(named)
            cases = all_cases()
            said = disagreements(cases, recordings)
            print("\n".join(said))
            if said:
                return 1
            FILE.write_bytes(compressed(pack(cases, merged(cases, recordings), tuple(recordings))))
        case ["add", *named] if named:
            answers, columns = unpack_file()
            new, old, cases = named_recordings(named), restored(answers, columns), all_cases()
            said = disagreements(cases, {**new, "the pack": old[columns[-1]]})
            print("\n".join(said))
            if said:
                return 1
            recordings = {**new, **old}
            FILE.write_bytes(compressed(pack(cases, merged(cases, recordings), tuple(recordings))))
        case ["extend", *named] if named:
            answers, columns = unpack_file()
            new, old, cases = named_recordings(named), restored(answers, columns), all_cases()
            recordings = {column: {**new[column], **old[column]} for column in columns}
            said = disagreements([each for each in cases if each.name not in answers], recordings)
            print("\n".join(said))
            if said:
                return 1
            FILE.write_bytes(compressed(pack(cases, merged(cases, recordings), columns)))
        case ["rebuild"]:
            answers, columns = unpack_file()
            cases = all_cases()
            FILE.write_bytes(compressed(pack(cases, known_answers(cases, answers), columns)))
        case _:
            print(__doc__)
            return 2
    return 0


sys.exit(main(sys.argv[1:]))
