"""Debian root filesystems, as values: what a plan says of the builder's and of the image's. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tfbuild.base.arch import Arch
from tfbuild.base.documents import fingerprint
from tfbuild.config.keys import BuildConfig

# Keeps the records of packages that are only unpacked.
RECORDER = Path("dockerfiles", "debian", "record-packages.sh")
# The newest time of a file in a builder's root: 2000-01-01. The same for all releases, so that those of
# one suite have one root and share builders. Older than any of them, newer than what zip can say (1980).
BUILDER_EPOCH = 946684800


@dataclass(frozen=True)
class Root:
    """A Debian root filesystem that mmdebstrap makes."""

    suite: str
    arch: Arch
    include: tuple[str, ...]
    mirror: str | None  # None: the one that the host is set up with
    snapshot: str | None
    source_date_epoch: int
    security_mirror: str | None = None  # None: the host's, where the host's mirror is used
    security_updates: bool = True
    # extract: the packages of ``include`` and what they depend on, unpacked, no maintainer script run
    variant: Literal["minbase", "extract"] = "minbase"
    recorder: str | None = None  # sha256 of RECORDER, where it is used

    @property
    def key(self) -> str:
        return fingerprint(self)


def root_of(
    values: BuildConfig,
    suite: str,
    arch: Arch,
    *,
    include: tuple[str, ...] = (),
    snapshot: str | None = None,
) -> Root:
    """A builder's, whole.

    ``snapshot`` is the release's, which the configuration's mirror or snapshot replaces.
    """
    debian = values.debian
    return Root(
        suite=suite,
        arch=arch,
        include=include,
        mirror=debian.mirror,
        security_mirror=debian.security_mirror,
        security_updates=debian.security_updates,
        snapshot=debian.snapshot or (None if debian.mirror else snapshot),
        source_date_epoch=BUILDER_EPOCH,
    )


def unpacked(root: Root, arch: Arch, packages: tuple[str, ...], recorder: str) -> Root:
    """``packages`` and what they depend on, of the same archive, only unpacked."""
    return replace(root, arch=arch, include=tuple(sorted(packages)), variant="extract", recorder=recorder)
