"""Which licence a text is, by the words that only it has; pure.

Identifiers: https://spdx.org/licenses/. A text that is not recognised is NOASSERTION: it says so, no more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

UNKNOWN = "NOASSERTION"
# Where projects keep the text, in the order in which they are looked for.
LICENSE_FILES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "COPYING", "COPYING.txt", "NOTICE")
# Or a folder of them, each named by its identifier: https://reuse.software/spec/
LICENSE_FOLDER = "LICENSES"

_BSD = "Redistribution and use in source and binary forms"
# The first whose every phrase is in the text; spaces count as one.
_PHRASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Apache-2.0", ("Apache License", "Version 2.0, January 2004")),
    ("MPL-2.0", ("Mozilla Public License Version 2.0",)),
    ("BSD-3-Clause", (_BSD, "used to endorse or promote products")),
    ("BSD-2-Clause", (_BSD,)),
    ("MIT", ("Permission is hereby granted, free of charge", "without restriction")),
    # Takuya Ooura's own words in the readme of his FFT; SPDX has no identifier for them.
    ("LicenseRef-Ooura", ("You may use, copy, modify", "for any purpose", "without fee")),
)


def find_license(texts: Mapping[str, str], names: Iterable[str]) -> tuple[str, str]:
    """The SPDX expression of a source, and the file (or folder of files) that says it; the file is empty
    where there is none. ``texts`` are by their paths; ``names`` the files to look for, best first."""
    for name in names:
        if name in texts:
            return license_of(texts[name]), name
    found = sorted(PurePosixPath(name).stem for name in texts if in_license_folder(name))
    return (" AND ".join(found), LICENSE_FOLDER) if found else (UNKNOWN, "")


def in_license_folder(name: str) -> bool:
    """Whether the path is that of a text in :data:`LICENSE_FOLDER`."""
    return PurePosixPath(name).match(f"{LICENSE_FOLDER}/*.txt") and name.count("/") == 1


def license_of(text: str) -> str:
    """The SPDX identifier of the licence that ``text`` is."""
    plain = re.sub(r"\s+", " ", text)
    for identifier, phrases in _PHRASES:
        if all(phrase.lower() in plain.lower() for phrase in phrases):
            return identifier
    return UNKNOWN
