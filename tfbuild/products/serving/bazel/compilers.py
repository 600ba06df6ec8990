"""How to say a -march to a compiler that is older than the name. The facts are in platforms/cpus.yaml."""

from __future__ import annotations

from tfbuild.config.cpus import Cpus

Version = tuple[int, ...]


def parse_version(text: str) -> Version:
    """``18.1.8`` as numbers."""
    return tuple(int(part) for part in text.split("."))


def since(cpus: Cpus, kind: str, march: str) -> Version | None:
    """The first version of gcc or clang that knows ``march``, where that is known to matter."""
    names = cpus.first_compilers
    first = next(
        (versions.get(march.partition("+")[0]) for each, versions in names.items() if each == kind), None
    )
    return parse_version(first) if first else None


def march_flags(cpus: Cpus, kind: str, version: str, march: str) -> tuple[str, ...] | None:
    """Flags that mean ``march`` to this compiler; None where it cannot be told."""
    first = since(cpus, kind, march)
    if first is None or parse_version(version) >= first:
        return (f"-march={march}",)
    return cpus.spelled_out(march)
