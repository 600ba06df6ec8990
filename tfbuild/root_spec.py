"""A Debian root filesystem as a value. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from tfbuild.fingerprint import fingerprint
from tfbuild.model import Arch


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
