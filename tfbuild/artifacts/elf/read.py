"""Facts of one ELF file: what it is, what it needs, what it offers. No judgement, no execution.

The file's structure is read by pyelftools. Symbols and version records are unpacked here from the
tables that the dynamic section names, because that is what the loader uses (a file without section
headers loads, too), because a model server has a hundred thousand symbols, and because every loop over
a damaged file must have a bound.

Sources: the System V gABI (https://gabi.xinuos.com/) for the layout, the Linux Standard Base
(https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/symversion.html) for
symbol versions.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section
from elftools.elf.segments import NoteSegment, Segment

from tfbuild.artifacts.elf.abi import abi_words, compilers
from tfbuild.artifacts.elf.facts import (
    ElfFacts,
    ElfKind,
    Relro,
    RequiredVersion,
    SectionSize,
    VersionFloor,
    split_version,
    version_key,
)
from tfbuild.artifacts.whole_file import read_whole
from tfbuild.base.errors import UsageError, VerificationError

ELF_MAGIC = b"\x7fELF"

# What pyelftools lets out on damaged input, beside its ELFError; found by the mutation tests.
DAMAGE = (
    ELFError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ConstructError,
    LookupError,
    MemoryError,
    OSError,
    TypeError,
    ValueError,
    struct.error,
)
# Bounds for damaged files. Chrome, a huge binary, has about 60 dynamic tags and 40 sections.
_MAX_DYNAMIC_TAGS = 4096
_MAX_HEADERS = 65535
_MAX_NAME = 65536  # bytes; mangled C++ names reach some thousands


def read_elf(path: Path) -> ElfFacts:
    """Facts of the ELF file at ``path``.

    Raises UsageError when it cannot be read or is not an ELF file that a loader takes, and
    VerificationError when it is one but damaged.
    """
    return parse_elf(read_whole(path), str(path))


def parse_elf(data: bytes, name: str) -> ElfFacts:
    """Facts of the ELF file whose bytes are ``data``; ``name`` is used in messages. Raises as read_elf."""
    if not data.startswith(ELF_MAGIC):
        raise UsageError(
            f"{name} is not an ELF file",
            details=(f"it starts with {data[:8]!r}" if data else "it is empty",),
            hint="give a shared library or a program",
        )
    try:
        return _Reader(data, name).facts()
    except DAMAGE as error:
        raise damaged(name, len(data), error) from error


def damaged(name: str, size: int, error: Exception) -> VerificationError:
    """What is said of the ELF file ``name`` of ``size`` bytes that could not be read to the end."""
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    return VerificationError(
        f"{name} is a damaged ELF file",
        details=(f"{size} bytes; {reason[:300]}",),
        hint="copy or build the file again, and compare its sha256 with the original's",
    )


class _Reader:
    """Reads one file; all methods may raise anything in ``DAMAGE``."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self.elf = ELFFile(BytesIO(data))
        self.order = "<" if self.elf.little_endian else ">"
        self.sections: tuple[Section, ...] = ()
        self.segments: tuple[Segment, ...] = ()

    def facts(self) -> ElfFacts:
        self._check_type()
        if max(self.elf.num_sections(), self.elf.num_segments()) > min(_MAX_HEADERS, len(self.data) // 32):
            raise ValueError("more section or program headers than a file can have")
        self.sections = tuple(self.elf.iter_sections())
        self.segments = tuple(self.elf.iter_segments())
        names = {section.name for section in self.sections}
        debug_only = any(s.name == ".text" and s["sh_type"] == "SHT_NOBITS" for s in self.sections)
        dynamic = _Dynamic() if debug_only else self._dynamic()
        required = tuple(self._required_versions(dynamic))
        symbols = self._symbols(dynamic)
        bind_now = dynamic.bind_now
        return ElfFacts(
            path=self.name,
            kind=ElfKind.DEBUG if debug_only else self._kind(dynamic),
            machine=str(self.elf["e_machine"]),
            bits=self.elf.elfclass,
            little_endian=self.elf.little_endian,
            size=len(self.data),
            interpreter=None if debug_only else self._interpreter(),
            soname=dynamic.soname,
            needed=dynamic.needed,
            rpath=dynamic.rpath,
            runpath=dynamic.runpath,
            required_versions=tuple(sorted({r for _, r in required})),
            floors=_floors(required, symbols),
            defined_versions=tuple(sorted(set(self._defined_versions(dynamic)))),
            exports=tuple(sorted({s.name for s in symbols if s.exported})),
            executable_stack=not debug_only and self._executable_stack(),
            relro=self._relro(bind_now),
            bind_now=bind_now,
            text_relocations=dynamic.text_relocations,
            build_id=self._build_id(),
            stripped=".symtab" not in names,
            has_debug_info=bool(names & {".debug_info", ".zdebug_info"}),
            sections=tuple(SectionSize(s.name, s["sh_size"]) for s in self.sections if s.name),
            abi=() if debug_only else abi_words(self.sections, self.segments),
            compilers=() if debug_only else compilers(self._comment()),
            alignment=None if debug_only else self._alignment(),
        )

    def _check_type(self) -> None:
        kind = self.elf["e_type"]
        if kind in ("ET_DYN", "ET_EXEC"):
            return
        known = {"ET_REL": "a relocatable object (.o)", "ET_CORE": "a core dump"}
        raise UsageError(
            f"{self.name} is {known.get(str(kind), f'an ELF file of type {kind}')}, which no loader takes",
            hint="give a shared library or a program",
        )

    def _kind(self, dynamic: _Dynamic) -> ElfKind:
        if self.elf["e_type"] == "ET_EXEC":
            return ElfKind.EXECUTABLE
        # libc.so.6 can be run, too, but has a SONAME; programs linked before DF_1_PIE have none.
        if dynamic.pie_flag or (self._interpreter() is not None and dynamic.soname is None):
            return ElfKind.PIE
        return ElfKind.SHARED_LIBRARY

    def _interpreter(self) -> str | None:
        for segment in self.segments:
            if segment["p_type"] == "PT_INTERP":
                return _text(self.data, segment["p_offset"])
        return None

    def _executable_stack(self) -> bool:
        for segment in self.segments:
            if segment["p_type"] == "PT_GNU_STACK":
                return bool(segment["p_flags"] & 1)
        # Without the header glibc takes its default, which is an executable stack on x86-64 and on
        # aarch64 (DEFAULT_STACK_PERMS in glibc's stackinfo.h).
        return True

    def _alignment(self) -> int | None:
        return min((s["p_align"] for s in self.segments if s["p_type"] == "PT_LOAD"), default=None)

    def _relro(self, bind_now: bool) -> Relro:
        if not any(s["p_type"] == "PT_GNU_RELRO" for s in self.segments):
            return Relro.NONE
        return Relro.FULL if bind_now else Relro.PARTIAL

    def _build_id(self) -> str | None:
        for segment in self.segments:
            if isinstance(segment, NoteSegment):
                for note in islice(segment.iter_notes(), 64):
                    if note["n_type"] == "NT_GNU_BUILD_ID" and isinstance(note["n_desc"], str):
                        return str(note["n_desc"])
        return None

    def _comment(self) -> bytes:
        section = next((s for s in self.sections if s.name == ".comment"), None)
        return _table(self.data, section["sh_offset"], section["sh_size"]) if section is not None else b""

    def _dynamic(self) -> _Dynamic:
        segment = next((s for s in self.segments if isinstance(s, DynamicSegment)), None)
        if segment is None:
            return _Dynamic()
        size = "QQ" if self.elf.elfclass == 64 else "II"
        table = _table(self.data, segment["p_offset"], segment["p_filesz"])
        record = struct.Struct(self.order + size)
        tags: list[tuple[int, int]] = []
        for tag, value in record.iter_unpack(table[: len(table) // record.size * record.size]):
            if tag == 0 or len(tags) == _MAX_DYNAMIC_TAGS:
                break
            tags.append((tag, value))
        return _Dynamic.read(tuple(tags), self._offset, self.data)

    def _offset(self, address: int) -> int:
        """The place in the file of what is loaded at ``address``."""
        offset = next(iter(self.elf.address_offsets(address)), None)
        if offset is None:
            raise ValueError(f"address {address:#x} is in no loaded segment")
        return int(offset)

    def _required_versions(self, dynamic: _Dynamic) -> Iterator[tuple[int, RequiredVersion]]:
        """Pairs of version index (as in .gnu.version) and version, from .gnu.version_r."""
        if dynamic.verneed is None:
            return
        position, budget = dynamic.verneed, len(self.data) // 16
        for _ in range(min(dynamic.verneed_count, budget)):
            _, count, file, aux, following = _unpack(self.order + "HHIII", self.data, position)
            library = dynamic.string(file)
            entry = position + aux
            for _ in range(count):
                budget -= 1
                if budget < 0:
                    raise ValueError("the version records run in a circle")
                _, flags, index, name, step = _unpack(self.order + "IHHII", self.data, entry)
                yield index & 0x7FFF, RequiredVersion(library, dynamic.string(name), bool(flags & 2))
                entry += step
            if following == 0:
                return
            position += following

    def _defined_versions(self, dynamic: _Dynamic) -> Iterator[str]:
        """Names in .gnu.version_d, without the base version (which is the file's own name)."""
        if dynamic.verdef is None:
            return
        position = dynamic.verdef
        for _ in range(min(dynamic.verdef_count, len(self.data) // 20)):
            _, flags, _, _, _, aux, following = _unpack(self.order + "HHHHIII", self.data, position)
            (name,) = _unpack(self.order + "I", self.data, position + aux)
            if not flags & 1:
                yield dynamic.string(name)
            if following == 0:
                return
            position += following

    def _symbols(self, dynamic: _Dynamic) -> tuple[_Symbol, ...]:
        if dynamic.symtab is None:
            return ()
        wide = self.elf.elfclass == 64
        record = struct.Struct(self.order + ("IBBHQQ" if wide else "IIIBBH"))
        count = self._symbol_count(record.size)
        table = _table(self.data, dynamic.symtab, count * record.size)
        versions: tuple[int, ...] = ()
        if dynamic.versym is not None:
            versions = struct.unpack(f"{self.order}{count}H", _table(self.data, dynamic.versym, count * 2))
        found: list[_Symbol] = []
        for index, fields in enumerate(record.iter_unpack(table)):
            name, info, other, section = (
                (fields[0], fields[1], fields[2], fields[3])
                if wide
                else (fields[0], fields[3], fields[4], fields[5])
            )
            if name == 0:
                continue
            version = versions[index] & 0x7FFF if versions else 0
            found.append(_Symbol(dynamic.string(name), info >> 4, info & 15, other & 3, section, version))
        return tuple(found)

    def _symbol_count(self, entry_size: int) -> int:
        for section in self.sections:
            if section["sh_type"] == "SHT_DYNSYM":
                return int(section["sh_size"]) // entry_size
        # Without section headers the hash table is the only place that tells how many there are.
        segment = next(s for s in self.segments if isinstance(s, DynamicSegment))
        return int(segment.num_symbols())


@dataclass(frozen=True)
class _Symbol:
    name: str
    binding: int
    type: int
    visibility: int
    section: int
    version: int

    @property
    def exported(self) -> bool:
        """Defined, global or weak (or unique), visible; an absolute symbol is a version's own name."""
        hidden = self.visibility in (1, 2)
        return self.section not in (0, 0xFFF1) and self.binding in (1, 2, 10) and not hidden

    @property
    def imported(self) -> bool:
        return self.section == 0


@dataclass(frozen=True)
class _Dynamic:
    """The dynamic section, with places in the file instead of addresses."""

    data: bytes = b""
    strings: int = 0
    needed: tuple[str, ...] = ()
    soname: str | None = None
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    symtab: int | None = None
    versym: int | None = None
    verneed: int | None = None
    verneed_count: int = 0
    verdef: int | None = None
    verdef_count: int = 0
    bind_now: bool = False
    text_relocations: bool = False
    pie_flag: bool = False

    def string(self, offset: int) -> str:
        return _text(self.data, self.strings + offset)

    @classmethod
    def read(cls, tags: tuple[tuple[int, int], ...], place: Any, data: bytes) -> _Dynamic:
        """From (tag, value) pairs; the numbers are DT_* of the gABI and of glibc's elf.h."""
        value = dict(reversed(tags))
        if 5 not in value:  # DT_STRTAB: without it no name can be read
            raise ValueError("the dynamic section has no string table")
        strings = place(value[5])
        flags, flags_1 = value.get(30, 0), value.get(0x6FFFFFFB, 0)

        def text(tag: int) -> str | None:
            return _text(data, strings + value[tag]) if tag in value else None

        def at(tag: int) -> int | None:
            return place(value[tag]) if tag in value else None

        return cls(
            data=data,
            strings=strings,
            needed=tuple(_text(data, strings + v) for t, v in tags if t == 1),
            soname=text(14),
            rpath=_paths(text(15)),
            runpath=_paths(text(29)),
            symtab=at(6),
            versym=at(0x6FFFFFF0),
            verneed=at(0x6FFFFFFE),
            verneed_count=value.get(0x6FFFFFFF, 0),
            verdef=at(0x6FFFFFFC),
            verdef_count=value.get(0x6FFFFFFD, 0),
            bind_now=24 in value or bool(flags & 8) or bool(flags_1 & 1),
            text_relocations=22 in value or bool(flags & 4),
            pie_flag=bool(flags_1 & 0x08000000),
        )


def _floors(
    required: tuple[tuple[int, RequiredVersion], ...], symbols: tuple[_Symbol, ...]
) -> tuple[VersionFloor, ...]:
    """The highest version per family and library, with the imported symbols that carry it."""
    top: dict[tuple[str, str], tuple[str, int]] = {}
    for index, need in required:
        parts = split_version(need.version)
        if parts is None or need.weak:
            continue
        family, version = parts
        known = top.get((family, need.library))
        if known is None or version_key(version) > version_key(known[0]):
            top[family, need.library] = (version, index)
    users: dict[int, set[str]] = {}
    for symbol in symbols:
        if symbol.imported:
            users.setdefault(symbol.version, set()).add(symbol.name)
    return tuple(
        sorted(
            VersionFloor(family, version, library, tuple(sorted(users.get(index, ()))))
            for (family, library), (version, index) in top.items()
        )
    )


def _paths(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in text.split(":") if part) if text else ()


def _text(data: bytes, offset: int) -> str:
    end = data.find(b"\0", offset, offset + _MAX_NAME) if 0 <= offset < len(data) else -1
    if end < 0:
        raise ValueError(f"no string at offset {offset}")
    # A name is bytes to the loader; escapes keep it printable and the JSON valid.
    return data[offset:end].decode("utf-8", errors="backslashreplace")


def _table(data: bytes, offset: int, size: int) -> bytes:
    if offset < 0 or size < 0 or offset + size > len(data):
        raise ValueError(f"a table of {size} bytes at offset {offset} ends behind the end of the file")
    return data[offset : offset + size]


def _unpack(layout: str, data: bytes, offset: int) -> tuple[int, ...]:
    if offset < 0:
        raise ValueError("a negative offset")
    return struct.unpack_from(layout, data, offset)
