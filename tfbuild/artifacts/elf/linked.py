"""Versions of what is linked into a file, where its bytes tell. No guess: what cannot be read is left out."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import islice

from iced_x86 import Decoder, FlowControl, Mnemonic, Register

from tfbuild.artifacts.elf.code import Code
from tfbuild.artifacts.elf.facts import LinkedLibrary

_MAX_TEXT = 64
_INSTRUCTIONS = 8  # a function that returns a string has two or three


# Text that the libraries themselves put into what they are linked into.
_TEXTS: tuple[tuple[str, re.Pattern[bytes], str], ...] = (
    # absl/base/options.h: the inline namespace, in type names also when the file is stripped.
    ("absl", re.compile(rb"lts_(20\d{6})(?!\d{3})"), "inline namespace lts_{}"),
    ("zlib", re.compile(rb" (?:de|in)flate (\d+\.\d+(?:\.\d+)*) Copyright"), "copyright notice"),
    ("libpng", re.compile(rb"libpng version (\d+\.\d+\.\d+)"), "version notice"),
    (
        "BoringSSL",
        re.compile(rb"OpenSSL (\d+\.\d+\.\d+) \(compatible; BoringSSL\)"),
        "compatible with OpenSSL {}",
    ),
    ("FlatBuffers", re.compile(rb"FlatBuffers (\d+\.\d+\.\d+)\0"), "version text"),
    ("LLVM", re.compile(rb"LLVM version (\d+\.\d+\.\d+)"), "version text"),
)
# Names of shared libraries that have their version in it, as Debian's have.
_NEEDED = re.compile(r"lib(absl|XNNPACK|protobuf|protobuf-lite|flatbuffers)(?:_\w+)?\.so\.([0-9][0-9.]*)")
# Functions that return the version as text: tensorflow/lite/core/c/c_api.h, tensorflow/c/c_api.h.
_VERSION_FUNCTIONS = (("TensorFlow Lite", "TfLiteVersion"), ("TensorFlow", "TF_Version"))


def linked_libraries(data: bytes, code: Code, needed: tuple[str, ...]) -> tuple[LinkedLibrary, ...]:
    """What can be read of the file whose bytes are ``data`` and whose code is ``code``."""
    found: set[LinkedLibrary] = set()
    for name, function in _VERSION_FUNCTIONS:
        text = returned_text(code, function, data)
        if text and re.match(r"\d+\.\d+", text):
            found.add(LinkedLibrary(name, text, f"what {function} returns"))
    for name, pattern, evidence in _TEXTS:
        for match in {m[1] for m in islice(pattern.finditer(data), 1000)}:
            version = match.decode()
            found.add(LinkedLibrary(name, version, evidence.format(version)))
    for library in needed:
        if (shared := _NEEDED.fullmatch(library)) is not None:
            found.add(LinkedLibrary(shared[1], shared[2], f"needs {library}"))
    return tuple(sorted(found))


def returned_text(code: Code, function: str, data: bytes) -> str | None:
    """The text whose address ``function`` returns, where it does nothing else."""
    start = next((each.start for each in code.functions if each.name == function), None)
    area = next((a for a in code.ranges if start is not None and a.address <= start < a.end), None)
    if start is None or area is None:
        return None
    raw = bytes(area.data[start - area.address : start - area.address + 16 * _INSTRUCTIONS])
    places = _x86_address(raw, start) if code.machine == "EM_X86_64" else _arm64_address(raw, start)
    address = next(places, None) if code.machine in {"EM_X86_64", "EM_AARCH64"} else None
    offset = code.offset(address) if address is not None else None
    if offset is None:
        return None
    end = data.find(b"\0", offset, offset + _MAX_TEXT)
    text = data[offset:end] if end > offset else b""
    return text.decode("ascii") if text.isascii() and text.decode("ascii").isprintable() else None


def _x86_address(raw: bytes, start: int) -> Iterator[int]:
    """lea rax, [rip + x]; ret"""
    last: int | None = None
    for instruction in islice(Decoder(64, raw, ip=start), _INSTRUCTIONS):
        if instruction.flow_control == FlowControl.RETURN and last is not None:
            yield last
        if instruction.flow_control != FlowControl.NEXT:
            return
        address = instruction.mnemonic == Mnemonic.LEA and instruction.is_ip_rel_memory_operand
        last = None
        if address and instruction.op0_register == Register.RAX:
            last = instruction.ip_rel_memory_address


def _arm64_address(raw: bytes, start: int) -> Iterator[int]:
    """adrp x0, page; add x0, x0, #x; ret"""
    page = last = None
    for index, (word,) in enumerate(struct.iter_unpack("<I", raw[: len(raw) // 4 * 4])):
        place = start + 4 * index
        if word & 0x9F00001F == 0x90000000:  # ADRP x0
            page, last = (place & ~0xFFF) + (_offset(word) << 12), None
        elif word & 0xFF8003FF == 0x91000000 and page is not None:  # ADD x0, x0, #imm
            last = page + ((word >> 10 & 0xFFF) << (12 if word >> 22 & 1 else 0))
        elif word & 0x9F00001F == 0x10000000:  # ADR x0
            last = place + _offset(word)
        elif word == 0xD65F03C0:  # RET
            if last is not None:
                yield last
            return
        elif word & 0xFFFFFF1F != 0xD503241F:  # anything but BTI
            return


def _offset(word: int) -> int:
    """The 21-bit signed immediate of ADR and ADRP."""
    value = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
    return value - ((value & 1 << 20) << 1)
