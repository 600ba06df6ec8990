"""Names that scanners look for in lists of vulnerabilities."""

from __future__ import annotations

import re
from collections.abc import Mapping

# Vendor and product in NVD's dictionary of CPE names. Only what is certain: a wrong name hides the right one.
_CPE: Mapping[str, str] = {
    "tensorflow": "google:tensorflow",
    "tensorflow-cpu": "google:tensorflow",
    "numpy": "numpy:numpy",
    "grpc": "grpc:grpc",
}
_RELEASED = re.compile(r"v?([0-9]+(?:\.[0-9]+)+)")


def cpe_of(name: str, version: str) -> str:
    """The CPE 2.3 name of a released version; empty where none is known.

    https://nvlpubs.nist.gov/nistpubs/Legacy/IR/nistir7695.pdf
    """
    number = _RELEASED.fullmatch(version)
    product = _CPE.get(name.lower())
    return f"cpe:2.3:a:{product}:{number[1]}:*:*:*:*:*:*:*" if product and number else ""
