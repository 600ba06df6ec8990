"""The machine that an image is judged for: this one, or another that a facts file describes.

``invoke diagnose --host-facts`` prints the file. Readers take the root folder that they read from, so that
a test can show them another machine.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import UsageError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import did_you_mean
from tfbuild.config.cpus import load_cpus
from tfbuild.machine.host import HostFacts, gather

# https://github.com/moby/moby/blob/master/daemon/config/config_linux.go (DefaultShmSize)
ENGINE_SHM = 64 << 20
_NVIDIA = "0x10de"  # https://pci-ids.ucw.cz/read/PC/10de
_DISPLAY = ("0x0300", "0x0302")  # PCI classes: VGA controller, 3D controller (a GPU without a screen)
_DRIVER = re.compile(r"Kernel Module(?: for \S+)?\s+([0-9]+(?:\.[0-9]+)+)")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """An NVIDIA GPU; ``name`` only where the driver tells it."""

    address: str
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Peer:
    """Another node of the same cluster, and the image (name, digest or id) that it runs."""

    name: str
    image: str
    host_network: bool = True


@dataclass(frozen=True, kw_only=True)
class TargetHost:
    """``invoke diagnose --host-facts``. Sizes in bytes; what is unknown is null."""

    version: Literal[1] = 1
    name: str
    kernel: Annotated[str, Field(pattern=r"^[0-9]+\.[0-9]+")]
    arch: Arch
    cpu_flags: Annotated[tuple[str, ...], Field(description="Names as in /proc/cpuinfo.")]
    cpu_level: Annotated[int | None, Field(ge=1, le=4, description="x86-64 micro-architecture level.")]
    cpus: Annotated[int, Field(ge=1)]
    memory: Annotated[int, Field(ge=0)]
    cgroup_memory_limit: int | None
    gpus: tuple[Gpu, ...]
    nvidia_driver: str | None
    glibc: str | None
    emulated: Annotated[tuple[Arch, ...], Field(description="Architectures with a binfmt_misc handler.")]
    shm_size: Annotated[int | None, Field(description="Size of /dev/shm in a container.")]
    clock: Annotated[datetime, Field(description="The machine's clock when this was written.")]
    peers: tuple[Peer, ...] = ()


def gather_target(
    *,
    root: Path = Path("/"),
    host: Callable[[], HostFacts] = gather,
    release: str | None = None,
    node: str | None = None,
    now: datetime | None = None,
) -> TargetHost:
    """Facts of this machine; starts no process."""
    facts = host()
    return TargetHost(
        name=node or platform.node(),
        kernel=release or platform.release(),
        arch=facts.arch or Arch.AMD64,
        cpu_flags=tuple(sorted(facts.cpu_flags)),
        cpu_level=load_cpus(PROJECT).x86_64_level(facts.cpu_flags) if facts.arch is Arch.AMD64 else None,
        cpus=facts.cpus,
        memory=facts.memory,
        cgroup_memory_limit=facts.cgroup_memory_limit,
        gpus=_gpus(root),
        nvidia_driver=_nvidia_driver(root),
        glibc=_glibc(),
        emulated=_emulated(root),
        shm_size=ENGINE_SHM,
        clock=now or datetime.now(timezone.utc),
    )


def load_target(path: Path) -> TargetHost:
    """The machine that the facts file at ``path`` describes. Raises UsageError with all that is wrong."""
    hint = "write one with: invoke diagnose --host-facts > host.json"
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a JSON document", details=(str(error),), hint=hint) from error
    known = [field.name for field in fields(TargetHost)]
    if isinstance(document, dict) and (strange := sorted(set(document) - set(known))):
        problems = tuple(f"{name}: no such fact{did_you_mean(name, known)}" for name in strange)
        raise UsageError(f"{path} has facts that are not known", details=problems, hint=hint)
    try:
        return TypeAdapter(TargetHost).validate_json(json.dumps(document))
    except ValidationError as error:
        problems = tuple(f"{'.'.join(map(str, e['loc'])) or 'document'}: {e['msg']}" for e in error.errors())
        raise UsageError(f"{path} is not a facts file", details=problems, hint=hint) from error


def target_json(target: TargetHost) -> dict[str, Any]:
    """The document that schemas/host-facts.schema.json describes."""
    return dump(target)


def _gpus(root: Path) -> tuple[Gpu, ...]:
    found = []
    for device in sorted((root / "sys/bus/pci/devices").glob("*")):
        vendor, kind = _read(device / "vendor"), _read(device / "class")
        if vendor == _NVIDIA and kind.startswith(_DISPLAY):
            found.append(Gpu(address=device.name, name=_model(root, device.name)))
    return tuple(found)


def _model(root: Path, address: str) -> str:
    text = _read(root / "proc/driver/nvidia/gpus" / address / "information")
    lines = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("Model:")]
    return lines[0] if lines else ""


def _nvidia_driver(root: Path) -> str | None:
    match = _DRIVER.search(_read(root / "proc/driver/nvidia/version"))
    return match[1] if match else None


def _glibc() -> str | None:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").removeprefix("glibc ") or None
    except (OSError, ValueError):  # musl
        return None


def _emulated(root: Path) -> tuple[Arch, ...]:
    folder = root / "proc/sys/fs/binfmt_misc"
    names = {arch.platform.qemu: arch for arch in Arch}
    enabled = [p.name for p in sorted(folder.glob("qemu-*")) if _read(p).startswith("enabled")]
    return tuple(arch for name in enabled if (arch := names.get(name.removeprefix("qemu-"))))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
