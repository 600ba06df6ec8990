"""Reads a text attribute of an HDF5 file from its bytes, without the HDF5 library. Pure.

Only what h5py writes for Keras is understood: attribute messages of version 1 to 3, fixed-length and
variable-length strings. https://docs.hdfgroup.org/archive/support/HDF5/doc/H5.format.html (IV.A.2.m for
attributes, III.E for the global heap)
"""

from __future__ import annotations

import struct

MAGIC = b"\x89HDF\r\n\x1a\n"
_STRING, _VARIABLE = 3, 9  # classes of data types
_HEAP = b"GCOL"
_MAX_OBJECTS = 65536
_MAX_TEXT = 4096
_MAX_PLACES = 64  # where the name may stand; most are not attributes


def text_attribute(data: bytes, name: str) -> str | None:
    """The value of the first attribute ``name`` that is a text; None where there is none."""
    if not data.startswith(MAGIC):
        return None
    word = name.encode() + b"\0"
    at = -1
    for _ in range(_MAX_PLACES):
        at = data.find(word, at + 1)
        if at < 0:
            return None
        try:
            value = _value(data, at, len(word))
        except (struct.error, IndexError):
            continue
        if value is not None:
            return value
    return None


def _value(data: bytes, at: int, length: int) -> str | None:
    """The value of the attribute whose name begins at ``at``."""
    for header, padded in ((8, True), (8, False), (9, False)):
        version = {True: 1, False: 2 if header == 8 else 3}[padded]
        start = at - header
        if start < 0 or data[start] != version:
            continue
        name, kind, space = struct.unpack_from("<3H", data, start + 2)
        if name != length:
            continue
        type_at = at + (_up(name) if padded else name)
        value_at = type_at + (_up(kind) + _up(space) if padded else kind + space)
        size = struct.unpack_from("<I", data, type_at + 4)[0]
        if data[type_at] & 15 == _STRING:
            return _text(data[value_at : value_at + min(size, _MAX_TEXT)])
        if data[type_at] & 15 == _VARIABLE:
            length, address, index = struct.unpack_from("<IQI", data, value_at)
            return _heap_object(data, address, index, length)
    return None


def _heap_object(data: bytes, address: int, index: int, length: int) -> str | None:
    if data[address : address + 4] != _HEAP:
        return None
    at = address + 16
    for _ in range(_MAX_OBJECTS):
        number, _, _, size = struct.unpack_from("<HHIQ", data, at)
        if number == index:
            return _text(data[at + 16 : at + 16 + min(length, size, _MAX_TEXT)])
        if number == 0:
            return None
        at += 16 + _up(size)
    return None


def _up(size: int) -> int:
    return (size + 7) & ~7


def _text(raw: bytes) -> str | None:
    try:
        return raw.split(b"\0")[0].decode("utf-8") or None
    except UnicodeDecodeError:
        return None
