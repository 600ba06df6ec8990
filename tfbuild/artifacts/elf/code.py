"""Where the code of an ELF file is: executable bytes, and functions with names where there are any.

A stripped library has no symbol table, but nearly always unwind tables: ``.eh_frame_hdr`` is a sorted
table of the start of every function that an exception could pass. Its layout is described in
https://refspecs.linuxfoundation.org/LSB_5.0.0/LSB-Core-generic/LSB-Core-generic/ehframechpt.html, and is
unpacked here because pyelftools builds an object per entry, and a model server has half a million.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Section

from tfbuild.artifacts.elf.read import DAMAGE, damaged

_HEADER = struct.Struct("<BBBBiI")  # version, three encodings, pointer to .eh_frame, entries
_ENTRY = struct.Struct("<ii")
# DW_EH_PE_pcrel|sdata4, udata4, and datarel|sdata4: what GNU ld, gold and lld write, and nothing else.
_ENCODINGS = (1, 0x1B, 0x03, 0x3B)
_FDE = struct.Struct("<IIiI")  # length, CIE, start (pc-relative), size
_LOADED, _EXECUTABLE, _NOBITS, _CODE_SYMBOLS = (
    2,
    4,
    "SHT_NOBITS",
    frozenset({2, 10}),
)  # STT_FUNC, STT_GNU_IFUNC
_WEAK = 2  # STB_WEAK
_MAX_NAME = 4096


@dataclass(frozen=True)
class CodeRange:
    """Bytes that are loaded executable."""

    address: int
    data: memoryview

    @property
    def end(self) -> int:
        return self.address + len(self.data)


@dataclass(frozen=True, order=True)
class Function:
    """A function; the name is empty where no table has one."""

    start: int
    end: int
    name: str = ""


@dataclass(frozen=True)
class Code:
    """All code of one file. Functions are sorted and do not overlap."""

    machine: str
    little_endian: bool
    ranges: tuple[CodeRange, ...]
    functions: tuple[Function, ...]
    segments: tuple[tuple[int, int, int], ...] = ()  # address, place in the file, bytes of what is loaded
    data: tuple[memoryview, ...] = ()  # what is loaded beside the code: pointers to functions stand there
    exported: frozenset[int] = frozenset()  # starts of functions that others may call
    fixed: bool = False  # loaded at one address: code may hold absolute addresses

    def offset(self, address: int) -> int | None:
        """The place in the file of what is loaded at ``address``."""
        return next((o + address - a for a, o, n in self.segments if a <= address < a + n), None)

    @property
    def size(self) -> int:
        return sum(len(each.data) for each in self.ranges)

    def chunks(self, gap: int = 64) -> Iterator[tuple[int, memoryview, bool]]:
        """Address, bytes, and whether functions are there, in parts that each begin at a function or a gap.

        Functions with at most ``gap`` bytes of padding in between make one part. Whoever decodes starts
        anew at each part, so that data between functions does not shift what comes behind it.
        """
        for area in self.ranges:
            at = area.address
            for start, end in _runs(self.functions, area, gap):
                if start > at:
                    yield at, area.data[at - area.address : start - area.address], False
                yield start, area.data[start - area.address : end - area.address], True
                at = end
            if area.end > at:
                yield at, area.data[at - area.address :], False


def _runs(functions: tuple[Function, ...], area: CodeRange, gap: int) -> Iterator[tuple[int, int]]:
    first = bisect_right(functions, (area.address,), key=lambda f: (f.start + 1,))
    start = end = -1
    for index in range(first, len(functions)):
        each = functions[index]
        if each.start >= area.end:
            break
        if start < 0:
            start = each.start
        elif each.start > end + gap:
            yield start, end
            start = each.start
        end = min(each.end, area.end)
    if start >= 0:
        yield start, end


def read_code(data: bytes, name: str, symbols: bytes | None = None) -> Code:
    """The code of the ELF file whose bytes are ``data``; ``name`` is used in messages.

    ``symbols`` is the same library before it was stripped, or its separate debug file: further names.
    Raises VerificationError when the file is damaged.
    """
    try:
        elf = ELFFile(BytesIO(data))
        sections = tuple(elf.iter_sections())
        ranges = _ranges(elf, sections, data)
        names = _symbols(elf, data)
        if symbols is not None:
            names |= _symbols(ELFFile(BytesIO(symbols)), symbols)
        return Code(
            machine=str(elf["e_machine"]),
            little_endian=bool(elf.little_endian),
            ranges=ranges,
            functions=_functions(_unwind(elf, data), names, ranges),
            segments=tuple(
                (s["p_vaddr"], s["p_offset"], s["p_filesz"])
                for s in elf.iter_segments()
                if s["p_type"] == "PT_LOAD"
            ),
            data=_data(elf, sections, data),
            exported=_exported(elf, sections),
            fixed=elf["e_type"] == "ET_EXEC",
        )
    except DAMAGE as error:
        raise damaged(name, len(data), error) from error


def _ranges(elf: ELFFile, sections: tuple[Section, ...], data: bytes) -> tuple[CodeRange, ...]:
    view = memoryview(data)
    places = [
        (s["sh_addr"], s["sh_offset"], s["sh_size"])
        for s in sections
        if s["sh_flags"] & _EXECUTABLE and s["sh_type"] != _NOBITS
    ] or [
        (s["p_vaddr"], s["p_offset"], s["p_filesz"])
        for s in elf.iter_segments()
        if s["p_type"] == "PT_LOAD" and s["p_flags"] & 1
    ]
    found = [CodeRange(address, view[offset : offset + size]) for address, offset, size in sorted(places)]
    for one, next_one in pairwise(found):
        if one.end > next_one.address:
            raise ValueError("executable sections overlap")
    return tuple(found)


def _data(elf: ELFFile, sections: tuple[Section, ...], data: bytes) -> tuple[memoryview, ...]:
    """What is loaded but not executed, relocations among it; each begins aligned."""
    view = memoryview(data)
    places = [
        (s["sh_offset"], s["sh_size"])
        for s in sections
        if s["sh_flags"] & _LOADED
        and not s["sh_flags"] & _EXECUTABLE
        and s["sh_type"] not in {_NOBITS, "SHT_DYNSYM"}
    ] or [(s["p_offset"], s["p_filesz"]) for s in elf.iter_segments() if s["p_type"] == "PT_LOAD"]
    return tuple(view[offset : offset + size] for offset, size in places)


def _exported(elf: ELFFile, sections: tuple[Section, ...]) -> frozenset[int]:
    """Without weak symbols: those are templates and inline functions, on which no other file relies."""
    wide, order = elf.elfclass == 64, "<" if elf.little_endian else ">"
    record = struct.Struct(order + ("IBBHQQ" if wide else "IIIBBH"))
    found: set[int] = set()
    for table in sections:
        if table["sh_type"] != "SHT_DYNSYM":
            continue
        raw = table.data()
        for fields in record.iter_unpack(raw[: len(raw) // record.size * record.size]):
            info, address = (fields[1], fields[4]) if wide else (fields[3], fields[1])
            if info >> 4 != _WEAK:
                found.add(address)
    return frozenset(found)


def _symbols(elf: ELFFile, data: bytes) -> dict[int, tuple[int, str]]:
    """Size and name of each function in the symbol tables, by address."""
    wide, order = elf.elfclass == 64, "<" if elf.little_endian else ">"
    record = struct.Struct(order + ("IBBHQQ" if wide else "IIIBBH"))
    found: dict[int, tuple[int, str]] = {}
    for table in elf.iter_sections():
        if table["sh_type"] not in {"SHT_SYMTAB", "SHT_DYNSYM"}:
            continue
        strings = elf.get_section(table["sh_link"])
        raw = data[table["sh_offset"] : table["sh_offset"] + table["sh_size"]]
        text = data[strings["sh_offset"] : strings["sh_offset"] + strings["sh_size"]]
        for fields in record.iter_unpack(raw[: len(raw) // record.size * record.size]):
            if wide:
                name, info, _, section, address, size = fields
            else:
                name, address, size, info, _, section = fields
            if info & 15 not in _CODE_SYMBOLS or section == 0 or address in found:
                continue
            end = text.find(b"\0", name, name + _MAX_NAME)
            found[address] = size, text[name:end].decode("utf-8", errors="backslashreplace")
    return found


def _unwind(elf: ELFFile, data: bytes) -> dict[int, int]:
    """Size of each function with unwind information, by address; empty where there is no table."""
    header = next((s for s in elf.iter_segments() if s["p_type"] == "PT_GNU_EH_FRAME"), None)
    if header is None or not elf.little_endian or header["p_filesz"] < _HEADER.size:
        return {}
    offset, base = header["p_offset"], header["p_vaddr"]
    *encodings, _, count = _HEADER.unpack_from(data, offset)
    if tuple(encodings) != _ENCODINGS:
        return {}
    first = offset + _HEADER.size
    count = min(count, (header["p_filesz"] - _HEADER.size) // _ENTRY.size)
    frames = _file_offsets(elf, base + min((_entries(data, first, count)), default=(0, 0))[1])
    found: dict[int, int] = {}
    for start, frame in _entries(data, first, count):
        place = base + frame + frames
        if not 0 <= place <= len(data) - _FDE.size:
            continue
        _, _, relative, size = _FDE.unpack_from(data, place)
        # The start in the frame is relative to its own place; another encoding would not agree.
        if base + frame + 8 + relative == base + start:
            found[base + start] = size
    return found


def _entries(data: bytes, first: int, count: int) -> Iterator[tuple[int, int]]:
    return _ENTRY.iter_unpack(data[first : first + count * _ENTRY.size])


def _file_offsets(elf: ELFFile, address: int) -> int:
    """What has to be added to an address of .eh_frame to get its place in the file."""
    offset = next(iter(elf.address_offsets(address)), None)
    return 0 if offset is None else int(offset) - address


def _functions(
    unwind: dict[int, int], names: dict[int, tuple[int, str]], ranges: tuple[CodeRange, ...]
) -> tuple[Function, ...]:
    """One entry per start; a function ends where the next one starts, at the latest."""
    sizes = {address: size for address, (size, _) in names.items()}
    for address, size in unwind.items():
        sizes[address] = max(size, sizes.get(address, 0))
    starts = sorted(address for address, size in sizes.items() if size > 0)
    found: list[Function] = []
    areas = iter(ranges)
    area = next(areas, None)
    for index, start in enumerate(starts):
        while area is not None and start >= area.end:
            area = next(areas, None)
        if area is None:
            break
        if start < area.address:
            continue
        following = starts[index + 1] if index + 1 < len(starts) else area.end
        end = min(start + sizes[start], following, area.end)
        found.append(Function(start, end, names.get(start, (0, ""))[1]))
    return tuple(found)
