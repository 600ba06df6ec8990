"""Wheels in a lock, in a few words."""

from __future__ import annotations

from tfbuild.releases.wheels.lock import LockedWheel


def locked(
    name: str, version: str, *requires: str, python: str = "", tag: str = "py3-none-any"
) -> LockedWheel:
    """A wheel that requires ``requires``."""
    return LockedWheel(
        name=name,
        version=version,
        filename=f"{name.replace('-', '_')}-{version}-{tag}.whl",
        sha256="a" * 64,
        size=1,
        requires_python=python,
        requires_dist=requires,
    )
