"""What differs between two versions of a file, in lines that name sections, functions and texts. Pure.

diffoscope says more; this needs nothing installed, and is enough to see what kind of difference it is.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from itertools import zip_longest

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from tfbuild.artifacts.elf.read import DAMAGE, ELF_MAGIC
from tfbuild.artifacts.static_archive import AR_MAGIC, THIN_MAGIC
from tfbuild.artifacts.wheel import ZIP_MAGIC
from tfbuild.base.printable import printable

_SHOWN = 8  # functions, texts or members of one kind
_QUOTED = 160  # characters of a text
_TEXT = re.compile(rb"[\x20-\x7e]{4,}")
_COMPARED = 8 << 20  # bytes of a section whose texts are compared
_AR_HEADER = 60
_NOBITS = "SHT_NOBITS"


def describe_difference(before: bytes, after: bytes) -> tuple[str, ...]:
    """Lines about two contents that are not equal; the most telling first."""
    for magic, describe in (
        ((ELF_MAGIC,), _elf),
        ((AR_MAGIC, THIN_MAGIC), _archive),
        ((ZIP_MAGIC,), _zip),
    ):
        if before.startswith(magic) and after.startswith(magic):
            try:
                return tuple(describe(before, after)) or _bytes(before, after)
            except (*DAMAGE, zipfile.BadZipFile):  # damaged: then as bytes
                return _bytes(before, after)
    return tuple(_text(before, after)) or _bytes(before, after)


# -- ELF ----------------------------------------------------------------------------------------------------


def _elf(before: bytes, after: bytes) -> Iterator[str]:
    first, second = ELFFile(io.BytesIO(before)), ELFFile(io.BytesIO(after))
    old, new = _sections(first), _sections(second)
    for name in sorted(old.keys() | new.keys(), key=lambda each: (each == ".note.gnu.build-id", each)):
        if name not in new or name not in old:
            yield f"section {name} is only in {'the first' if name in old else 'the second'}"
        elif old[name] != new[name]:
            yield _section(name, old[name], new[name])
            yield from _texts(old[name], new[name])
    yield from _functions(first, second)


def _sections(elf: ELFFile) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for section in elf.iter_sections():
        data = b"" if section["sh_type"] == _NOBITS else section.data()
        if data:
            found[section.name] = found.get(section.name, b"") + data
    return found


def _section(name: str, old: bytes, new: bytes) -> str:
    if len(old) != len(new):
        return f"section {name} has {len(old)} and {len(new)} bytes"
    return f"section {name} ({len(old)} bytes) differs from {_first(old, new):#x} on"


def _functions(first: ELFFile, second: ELFFile) -> Iterator[str]:
    """Functions of the same name whose code is another."""
    old, new = _code(first), _code(second)
    changed = sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
    for kind, names in (
        ("functions with other code", changed),
        ("functions only in the first", sorted(old.keys() - new.keys())),
        ("functions only in the second", sorted(new.keys() - old.keys())),
    ):
        if names:
            yield f"{kind}: {_several([printable(name) for name in names])}"


def _code(elf: ELFFile) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for table in elf.iter_sections():
        if not isinstance(table, SymbolTableSection):
            continue
        for symbol in table.iter_symbols():
            index = symbol["st_shndx"]
            if symbol["st_info"]["type"] != "STT_FUNC" or not isinstance(index, int) or not symbol["st_size"]:
                continue
            section = elf.get_section(index)
            start = symbol["st_value"] - section["sh_addr"] + section["sh_offset"]
            elf.stream.seek(start)
            found[symbol.name] = elf.stream.read(min(symbol["st_size"], _COMPARED))
    return found


# -- archives -----------------------------------------------------------------------------------------------


def _archive(before: bytes, after: bytes) -> Iterator[str]:
    old, new = list(_members(before)), list(_members(after))
    if [name for name, _, _ in old] != [name for name, _, _ in new]:
        yield f"the archive has {len(old)} and {len(new)} members, or has them in another order"
    for first, second in zip_longest(old, new):
        if first is None or second is None or first[0] != second[0]:
            continue
        if first[1] != second[1]:
            yield f"member {printable(first[0])}: its header (time, owner, mode) is another"
        if first[2] != second[2]:
            yield f"member {printable(first[0])} has other content"


def _members(data: bytes) -> Iterator[tuple[str, bytes, bytes]]:
    """Name, header and content: ar(5)."""
    place = len(AR_MAGIC)
    while place + _AR_HEADER <= len(data):
        header = data[place : place + _AR_HEADER]
        size = int(header[48:58])
        content = data[place + _AR_HEADER : place + _AR_HEADER + size]
        yield header[:16].decode("ascii", "replace").strip(), header, content
        place += _AR_HEADER + size + size % 2


def _zip(before: bytes, after: bytes) -> Iterator[str]:
    with zipfile.ZipFile(io.BytesIO(before)) as first, zipfile.ZipFile(io.BytesIO(after)) as second:
        old = {each.filename: each for each in first.infolist()}
        new = {each.filename: each for each in second.infolist()}
        if list(old) != list(new):
            yield f"the archive has {len(old)} and {len(new)} members, or has them in another order"
        for name in (name for name in old if name in new):
            if old[name].date_time != new[name].date_time:
                times = f"{old[name].date_time}, {new[name].date_time}"
                yield f"member {printable(name)}: its time is another: {times}"
            if old[name].external_attr != new[name].external_attr:
                yield f"member {printable(name)}: its mode is another"
            if old[name].CRC != new[name].CRC:
                inner = describe_difference(first.read(name), second.read(name))
                yield from (f"member {printable(name)}: {line}" for line in inner[:_SHOWN])


# -- texts and bytes ----------------------------------------------------------------------------------------


def _texts(old: bytes, new: bytes) -> Iterator[str]:
    """Texts that only one of them has."""
    if len(old) > _COMPARED or len(new) > _COMPARED:
        return
    first, second = ({each[0] for each in _TEXT.finditer(data)} for data in (old, new))
    for which, texts in (("first", first - second), ("second", second - first)):
        for text in sorted(texts)[: _SHOWN // 2]:
            yield f"  only in the {which}: {text.decode('ascii')[:_QUOTED]}"


def _text(before: bytes, after: bytes) -> Iterator[str]:
    """The first lines that differ, where both are texts."""
    try:
        old, new = before.decode("utf-8").splitlines(), after.decode("utf-8").splitlines()
    except UnicodeDecodeError:
        return
    if any("\0" in line for line in (*old, *new)):
        return
    pairs = (
        (number, pair) for number, pair in enumerate(zip_longest(old, new), start=1) if pair[0] != pair[1]
    )
    for _, (number, (first, second)) in zip(range(_SHOWN), pairs, strict=False):
        for which, line in (("first", first), ("second", second)):
            if line is not None:
                yield f"line {number} of the {which}: {printable(line)[:_QUOTED]}"


def _bytes(before: bytes, after: bytes) -> tuple[str, ...]:
    size = (
        f"{len(before)} and {len(after)} bytes" if len(before) != len(after) else f"{len(before)} bytes each"
    )
    return (f"{size}; the first difference is at {_first(before, after):#x}",)


def _first(old: bytes, new: bytes) -> int:
    """The first place where they differ; halved, since Python compares slices fast."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[:middle] == new[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _several(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
