"""A Debian root filesystem as a value, and the hash of a value. Pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, Literal

from tfbuild.model import Arch


def fingerprint(value: object) -> str:
    """A hash of a frozen value, the same on every machine."""
    text = json.dumps(value, default=_plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> object:
    return asdict(value) if hasattr(value, "__dataclass_fields__") else str(value)


@dataclass(frozen=True)
class Root:
    """A Debian root filesystem that mmdebstrap makes.

    ``extract``: the packages are unpacked, with records of them, but nothing is installed or run; such a root
    is no system, but its files can be had for any architecture.
    """

    suite: str
    arch: Arch
    include: tuple[str, ...]
    mirror: str | None  # None: the one that the host is set up with
    snapshot: str | None
    source_date_epoch: int
    security_mirror: str | None = None  # None: the host's, where the host's mirror is used
    variant: Literal["minbase", "extract"] = "minbase"

    @property
    def key(self) -> str:
        values = asdict(self)
        if self.variant == "minbase":
            del values["variant"]  # the key that such a root always had
        return fingerprint(values)
