"""Which licence a text is, by the words that only it has; pure.

Identifiers: https://spdx.org/licenses/. A text that is not recognised is NOASSERTION: it says so, no more.
"""

from __future__ import annotations

import re

UNKNOWN = "NOASSERTION"
# Where projects keep the text, in the order in which they are looked for.
LICENSE_FILES = ("LICENSE", "LICENSE.md", "LICENSE.txt", "COPYING", "COPYING.txt", "NOTICE")

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


def license_of(text: str) -> str:
    """The SPDX identifier of the licence that ``text`` is."""
    plain = re.sub(r"\s+", " ", text)
    for identifier, phrases in _PHRASES:
        if all(phrase.lower() in plain.lower() for phrase in phrases):
            return identifier
    return UNKNOWN
