"""Facts of a static archive (``.a``): its objects, what they define, and what their code uses.

The layout is that of ar(5) with GNU's long names
(https://sourceware.org/binutils/docs/binutils/ar.html, https://man.freebsd.org/cgi/man.cgi?query=ar&sektion=5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import Symbol, SymbolTableSection

from tfbuild.artifacts.elf.code import Code, CodeRange, Function
from tfbuild.artifacts.elf.read import DAMAGE, ELF_MAGIC, damaged
from tfbuild.artifacts.isa.facts import IsaFacts
from tfbuild.artifacts.isa.measure import measure
from tfbuild.base.errors import UsageError, VerificationError

AR_MAGIC = b"!<arch>\n"
THIN_MAGIC = b"!<thin>\n"
_HEADER = 60  # bytes
_END = b"`\n"
_MAX_OBJECTS = 200_000
_SPECIAL = re.compile(r"/|//|/SYM64/|__\.SYMDEF.*")


@dataclass(frozen=True)
class ArchiveFacts:
    """What is read from an archive of objects. Tuples are sorted."""

    path: str
    size: int  # bytes
    objects: int
    other: tuple[str, ...]  # members that are no ELF objects
    machines: tuple[str, ...]
    bits: int
    code: int  # bytes of code in all objects
    defined: tuple[str, ...]  # global C names; C++ names are only counted
    defined_cxx: int
    undefined: tuple[str, ...]  # C names that no object of the archive defines
    bitcode: bool  # objects for link-time optimisation: their code is not there yet
    isa: IsaFacts | None


@dataclass(frozen=True)
class Member:
    """One member: its name and its bytes."""

    name: str
    data: memoryview


def members(data: bytes, name: str) -> Iterator[Member]:
    """The members of the archive, without its tables. Raises VerificationError where it is damaged."""
    if data.startswith(THIN_MAGIC):
        raise UsageError(
            f"{name} is a thin archive: it only names the objects, which lie elsewhere",
            hint="make a whole one: ar -M, or ar rcs NEW.a OBJECTS",
        )
    view, at, long_names = memoryview(data), len(AR_MAGIC), b""
    for _ in range(_MAX_OBJECTS):
        if at >= len(data):
            return
        header = bytes(view[at : at + _HEADER])
        size = header[48:58].strip()
        if len(header) < _HEADER or header[58:] != _END or not size.isdigit():
            raise _broken(name, at, "no member header")
        start, end = at + _HEADER, at + _HEADER + int(size)
        if end > len(data):
            raise _broken(name, at, "a member ends behind the end of the file")
        label = header[:16].decode("latin-1").rstrip()
        if label == "//":
            long_names = bytes(view[start:end])
        elif not _SPECIAL.fullmatch(label):
            yield Member(_name(label, long_names), view[start:end])
        at = end + end % 2


def _name(label: str, long_names: bytes) -> str:
    if label.startswith("/") and label[1:].isdigit():
        start = int(label[1:])
        found = long_names[start : long_names.find(b"\n", start)]
        return found.decode("utf-8", errors="backslashreplace").rstrip("/")
    return label.rstrip("/")


def _broken(name: str, at: int, what: str) -> VerificationError:
    return VerificationError(
        f"{name} is a damaged static archive",
        details=(f"at byte {at}: {what}",),
        hint="copy or build the file again",
    )


def read_archive(data: bytes, name: str) -> ArchiveFacts:
    """Facts of the archive whose bytes are ``data``.

    Raises UsageError for a thin archive, VerificationError for a damaged one or one with a damaged object.
    """
    objects = _Objects()
    other: list[str] = []
    bitcode = False
    for member in members(data, name):
        start = bytes(member.data[:4])
        if start == ELF_MAGIC:
            try:
                objects.add(bytes(member.data))
            except DAMAGE as error:
                raise damaged(f"{member.name} in {name}", len(member.data), error) from error
        else:
            bitcode |= start == b"BC\xc0\xde"
            other.append(member.name)
    plain = sorted(n for n in objects.defined if not n.startswith("_Z"))
    return ArchiveFacts(
        path=name,
        size=len(data),
        objects=objects.count,
        other=tuple(sorted(other)),
        machines=tuple(sorted(objects.machines)),
        bits=objects.bits,
        code=sum(len(each.data) for each in objects.ranges),
        defined=tuple(plain),
        defined_cxx=len(objects.defined) - len(plain),
        undefined=tuple(sorted(n for n in objects.wanted - objects.defined if not n.startswith("_Z"))),
        bitcode=bitcode or objects.bitcode,
        isa=objects.isa(),
    )


class _Objects:
    """Collects over the objects; code is laid out one section behind the other, as a linker would."""

    def __init__(self) -> None:
        self.count = 0
        self.bits = 0
        self.machines: set[str] = set()
        self.defined: set[str] = set()
        self.wanted: set[str] = set()
        self.bitcode = False
        self.ranges: list[CodeRange] = []
        self.functions: list[Function] = []
        self._next = 1 << 20

    def add(self, data: bytes) -> None:
        elf = ELFFile(BytesIO(data))
        self.count += 1
        self.bits = max(self.bits, elf.elfclass)
        self.machines.add(str(elf["e_machine"]))
        bases: dict[int, tuple[int, int]] = {}
        for index, section in enumerate(elf.iter_sections()):
            self.bitcode |= section.name.startswith(".gnu.lto_")
            if section["sh_flags"] & 4 and section["sh_type"] == "SHT_PROGBITS" and section["sh_size"]:
                code = memoryview(data)[section["sh_offset"] : section["sh_offset"] + section["sh_size"]]
                self.ranges.append(CodeRange(self._next, code))
                bases[index] = self._next, len(code)
                self._next += len(code) + 4096 & ~0xFFF
        table = next((s for s in elf.iter_sections() if s["sh_type"] == "SHT_SYMTAB"), None)
        if isinstance(table, SymbolTableSection):
            for symbol in table.iter_symbols():
                self._symbol(symbol, bases)

    def _symbol(self, symbol: Symbol, bases: dict[int, tuple[int, int]]) -> None:
        section, name = symbol["st_shndx"], symbol.name
        kind = symbol["st_info"]
        if kind["bind"] in {"STB_GLOBAL", "STB_WEAK", "STB_LOOS"} and name:
            (self.wanted if section == "SHN_UNDEF" else self.defined).add(name)
        if kind["type"] != "STT_FUNC" or not isinstance(section, int) or section not in bases:
            return
        base, length = bases[section]
        start, size = symbol["st_value"], symbol["st_size"]
        if 0 < size <= length - start:
            self.functions.append(Function(base + start, base + start + size, name))

    def isa(self) -> IsaFacts | None:
        if len(self.machines) != 1:
            return None
        unique: dict[int, Function] = {}
        last = 0
        for each in sorted(self.functions):
            if each.start >= last and each.start not in unique:
                unique[each.start] = each
                last = each.end
        return measure(Code(next(iter(self.machines)), True, tuple(self.ranges), tuple(unique.values())))
