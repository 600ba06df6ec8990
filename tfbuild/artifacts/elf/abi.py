"""What a file says of the ABI and the CPU that it was compiled for, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from elftools.elf.sections import ARMAttributesSection, RISCVAttributesSection, Section
from elftools.elf.segments import NoteSegment, Segment

from tfbuild.base.project import PROJECT
from tfbuild.config.cpus import load_cpus

_MAX_ATTRIBUTES = 256
# Values of the build attributes: "Addenda to, and Errata in, the ABI for the Arm Architecture"
# (https://github.com/ARM-software/abi-aa/blob/main/addenda32/addenda32.rst).
_ARM_ARCH: Mapping[int, str] = {6: "ARMv6", 9: "ARMv6K", 10: "ARMv7", 13: "ARMv7E-M", 14: "ARMv8"}
_ARM_FP: Mapping[int, str] = {
    1: "VFPv1", 2: "VFPv2", 3: "VFPv3", 4: "VFPv3-D16", 5: "VFPv4", 6: "VFPv4-D16", 7: "FP of ARMv8",
    8: "FP of ARMv8, D16",
}  # fmt: skip
_ARM_SIMD: Mapping[int, str] = {1: "NEON", 2: "NEON with FMA", 3: "NEON of ARMv8", 4: "NEON of ARMv8.1"}
# https://gitlab.com/x86-psABIs/x86-64-ABI, GNU_PROPERTY_X86_ISA_1_NEEDED; glibc refuses to load a file whose
# levels the CPU does not have.
_X86_ISA_NEEDED = 0xC0008002


def abi_words(sections: tuple[Section, ...], segments: tuple[Segment, ...]) -> tuple[str, ...]:
    """For example ``("ARMv7", "VFPv4", "NEON with FMA", "hard float")``; damaged files raise anything."""
    words: list[str] = []
    for section in sections:
        if isinstance(section, ARMAttributesSection):
            words += _arm(section)
        elif isinstance(section, RISCVAttributesSection):
            words += [str(a.value) for a in _attributes(section) if a.tag == "TAG_ARCH"]
    for segment in segments:
        if isinstance(segment, NoteSegment):
            words += _x86(segment)
    return tuple(words)


_COMPILER = re.compile(rb"(?:GCC: |Linker: |[A-Za-z ]*clang version )[^\0]{1,120}")


def compilers(comment: bytes) -> tuple[str, ...]:
    """Compilers and linkers that the section .comment names."""
    return tuple(
        sorted({m[0].decode("utf-8", errors="replace").strip() for m in _COMPILER.finditer(comment)})
    )


def _arm(section: ARMAttributesSection) -> Iterator[str]:
    found = {a.tag: a.value for a in _attributes(section)}
    for tag, names in (
        ("TAG_CPU_ARCH", _ARM_ARCH),
        ("TAG_FP_ARCH", _ARM_FP),
        ("TAG_ADVANCED_SIMD_ARCH", _ARM_SIMD),
    ):
        if found.get(tag) in names:
            yield names[found[tag]]
    if "TAG_ABI_VFP_ARGS" in found:
        yield "hard float" if found["TAG_ABI_VFP_ARGS"] == 1 else "soft float"


def _attributes(section: ARMAttributesSection | RISCVAttributesSection) -> Iterator[Any]:
    for subsection in islice(section.iter_subsections(), 4):
        for part in islice(subsection.iter_subsubsections(), 4):
            yield from islice(part.iter_attributes(), _MAX_ATTRIBUTES)


def _x86(segment: NoteSegment) -> Iterator[str]:
    for note in islice(segment.iter_notes(), 64):
        if note["n_type"] != "NT_GNU_PROPERTY_TYPE_0" or not isinstance(note["n_desc"], list):
            continue
        for each in note["n_desc"][:64]:
            if each["pr_type"] in {_X86_ISA_NEEDED, "GNU_PROPERTY_X86_ISA_1_NEEDED"}:
                bits = each["pr_data"]
                top = max((n for n in range(4) if isinstance(bits, int) and bits >> n & 1), default=0)
                if top:
                    yield f"marked as needing {load_cpus(PROJECT).x86_64_levels[top].name}"
