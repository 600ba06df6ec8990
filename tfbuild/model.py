"""The words of the project as frozen values; no effect, no decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol


class Product(str, Enum):
    """What is built."""

    SERVING = "serving"
    TFLITE = "tflite"
    KERAS = "keras"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Platform:
    """Names that one architecture has in the tools that we drive."""

    oci: str  # https://github.com/opencontainers/image-spec/blob/main/image-index.md#platform-variants
    debian: str
    triplet: str  # GNU triplet of the compiler
    multiarch: str  # folder below /usr/lib
    cmake_processor: str  # what CMAKE_SYSTEM_PROCESSOR must say for XNNPACK and ruy to recognise it
    elf_machine: str
    qemu: str  # NAME of qemu-NAME-static
    loader: str


class Arch(str, Enum):
    """Canonical architecture names; :meth:`parse` also takes the usual aliases."""

    AMD64 = "amd64"
    ARM64 = "arm64"
    ARMHF = "armhf"
    RISCV64 = "riscv64"

    def __str__(self) -> str:
        return self.value

    @property
    def platform(self) -> Platform:
        return _PLATFORMS[self]

    @classmethod
    def parse(cls, text: str) -> Arch | None:
        """The architecture that ``text`` names in any of its spellings, or None."""
        word = text.strip().lower().removeprefix("linux/")  # as the engine writes platforms
        return cls(word) if word in {a.value for a in cls} else _ALIASES.get(word)


_PLATFORMS: Mapping[Arch, Platform] = {
    Arch.AMD64: Platform(
        "linux/amd64",
        "amd64",
        "x86_64-linux-gnu",
        "x86_64-linux-gnu",
        "x86_64",
        "EM_X86_64",
        "x86_64",
        "/lib64/ld-linux-x86-64.so.2",
    ),
    Arch.ARM64: Platform(
        "linux/arm64",
        "arm64",
        "aarch64-linux-gnu",
        "aarch64-linux-gnu",
        "aarch64",
        "EM_AARCH64",
        "aarch64",
        "/lib/ld-linux-aarch64.so.1",
    ),
    Arch.ARMHF: Platform(
        "linux/arm/v7",
        "armhf",
        "arm-linux-gnueabihf",
        "arm-linux-gnueabihf",
        # XNNPACK refuses a plain "arm".
        "armv7",
        "EM_ARM",
        "arm",
        "/lib/ld-linux-armhf.so.3",
    ),
    Arch.RISCV64: Platform(
        "linux/riscv64",
        "riscv64",
        "riscv64-linux-gnu",
        "riscv64-linux-gnu",
        "riscv64",
        "EM_RISCV",
        "riscv64",
        "/lib/ld-linux-riscv64-lp64d.so.1",
    ),
}

_ALIASES: Mapping[str, Arch] = {
    "x86_64": Arch.AMD64,
    "x86-64": Arch.AMD64,
    "x64": Arch.AMD64,
    "aarch64": Arch.ARM64,
    "armv8": Arch.ARM64,
    "arm64/v8": Arch.ARM64,
    "armv7": Arch.ARMHF,
    "armv7l": Arch.ARMHF,
    "arm/v7": Arch.ARMHF,
}


@dataclass(frozen=True)
class Origin:
    """Where a value came from: a file and line, the command line, or a built-in default."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True)
class Pin:
    """One download: where it may be had, and the sha256 that decides.

    A URL of the form ``debian:pool/...`` names a path in the Debian archive; which mirror serves it
    is resolved by :mod:`tfbuild.mirrors` when the download happens.
    """

    name: str
    urls: tuple[str, ...]
    sha256: str
    filename: str
    size: int | None = None  # bytes, where known


@dataclass(frozen=True)
class Unhashed:
    """A download whose sha256 nobody published; ``tree`` is the git tree id of what is in it."""

    name: str
    urls: tuple[str, ...]
    filename: str
    strip_prefix: str
    tree: str
    lock: str  # of the release, relative to the project: gets the sha256 that is seen first


class Reporter(Protocol):
    """Where a running build tells what it does. Everything goes to stderr; results do not pass here."""

    def step_started(self, index: int, total: int, title: str) -> None: ...
    def step_finished(self, status: str, detail: str = "", log: Path | None = None) -> None:
        """``status`` is ``ok``, ``skipped`` or ``failed``."""

    def progress(self, done: int, total: int, current: str = "") -> None:
        """``done`` of ``total`` units (ninja edges, Bazel actions) of the running step."""

    def transfer(self, name: str, done: int, total: int | None) -> None:
        """``done`` of ``total`` bytes of the download ``name``; ``done == total`` ends it."""

    def note(self, text: str) -> None: ...
    def warn(self, text: str) -> None: ...


class SilentReporter:
    """Reports nothing; for tests and for ``--quiet`` inner work."""

    def step_started(self, index: int, total: int, title: str) -> None:
        del index, total, title

    def step_finished(self, status: str, detail: str = "", log: Path | None = None) -> None:
        del status, detail, log

    def progress(self, done: int, total: int, current: str = "") -> None:
        del done, total, current

    def transfer(self, name: str, done: int, total: int | None) -> None:
        del name, done, total

    def note(self, text: str) -> None:
        del text

    def warn(self, text: str) -> None:
        del text


@dataclass(frozen=True)
class Finding:
    """A policy applied to facts: ``severity`` is ``error`` or ``warning``."""

    id: str
    severity: str
    message: str
    evidence: tuple[str, ...] = field(default=())
    fix: str | None = None
