"""Where dist folders are, for somebody who named a folder above them."""

from __future__ import annotations

from pathlib import Path

from tfbuild.trust.files import SUMS

_DEPTH = 4  # dist/PRODUCT/RELEASE/CONFIG/ARCH
_SHOWN = 3


def which_dist_folder(folder: Path, otherwise: str = "") -> str:
    """A hint: the dist folders below ``folder`` by name, or that one is to be given, or ``otherwise``."""
    below = [
        found.parent
        for depth in range(1, _DEPTH + 1)
        for found in sorted(folder.glob("*/" * depth + SUMS))
        if found.is_file()
    ]
    if not below:
        return f"give a folder below dist/{otherwise}"
    more = f" and {len(below) - _SHOWN} more" if len(below) > _SHOWN else ""
    return f"below it there {'is' if len(below) == 1 else 'are'} {', '.join(map(str, below[:_SHOWN]))}{more}"
