"""The architectures that are built for, and what each is called by Debian, GNU, OCI and the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tfbuild.base.text import TextEnum


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
    machine: str  # of 'uname -m', of Python's markers and of wheels' tags


class Arch(TextEnum):
    """Canonical architecture names; :meth:`parse` also takes the usual aliases."""

    AMD64 = "amd64"
    ARM64 = "arm64"
    ARMHF = "armhf"
    RISCV64 = "riscv64"

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
        "x86_64",
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
        "aarch64",
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
        "armv7l",
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
        "riscv64",
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
