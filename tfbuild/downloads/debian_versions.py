"""Versions of Debian packages, and what a ``Packages`` index offers. Pure.

deb-version(7): https://manpages.debian.org/stable/dpkg-dev/deb-version.7.en.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, total_ordering
from itertools import zip_longest

_PART = re.compile(r"(\D*)(\d*)", re.ASCII)
_Part = tuple[tuple[int, ...], int]
_NOTHING: _Part = ((0,), 0)  # as what is not there counts
_SOURCE = re.compile(r"(\S+)(?: \(([^)]+)\))?")


@total_ordering
@dataclass(frozen=True, eq=False)
class DebianVersion:
    """A version as dpkg orders it."""

    text: str

    @cached_property
    def key(self) -> tuple[int, tuple[_Part, ...], tuple[_Part, ...]]:
        """Epoch, upstream's version, revision; without parts that count as nothing at their ends."""
        epoch, colon, rest = self.text.partition(":")
        if not colon:
            epoch, rest = "0", self.text
        upstream, dash, revision = rest.rpartition("-")
        if not dash:
            upstream, revision = rest, ""
        return int(epoch) if epoch.isdecimal() else 0, _parts(upstream), _parts(revision)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DebianVersion) and self.key == other.key

    def __lt__(self, other: DebianVersion) -> bool:
        (epoch, *mine), (other_epoch, *others) = self.key, other.key
        if epoch != other_epoch:
            return epoch < other_epoch
        for one, two in zip(mine, others, strict=True):
            if one != two:
                return next(a < b for a, b in zip_longest(one, two, fillvalue=_NOTHING) if a != b)
        return False

    def __hash__(self) -> int:
        return hash(self.key)


def _parts(text: str) -> tuple[_Part, ...]:
    """Text and number in turn; each text ends with what sorts the end of one: behind ``~`` only."""
    found = [
        ((*map(_order, letters), 0), int(digits or 0))
        for letters, digits in _PART.findall(text)
        if letters or digits
    ]
    while found and found[-1] == _NOTHING:
        found.pop()
    return tuple(found)


def _order(char: str) -> int:
    """``~`` before the end, then letters, then all else."""
    if char == "~":
        return -1
    return ord(char) if char.isalpha() else ord(char) + 0x10000


@dataclass(frozen=True)
class Offered:
    """A binary package of an index; ``security``: it is that of the security archive."""

    name: str
    version: str
    arch: str
    source: str
    source_version: str
    security: bool


def parse_index(lines: Iterable[str], *, security: bool) -> Iterator[Offered]:
    """The packages of a ``Packages`` file; stanzas without name or version are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        text = line.rstrip("\n")
        if text and not text.startswith((" ", "\t")):
            name, _, value = text.partition(":")
            if name in {"Package", "Version", "Architecture", "Source"}:
                fields[name] = value.strip()
        elif not text and fields:
            yield from _offered(fields, security)
            fields = {}
    yield from _offered(fields, security)


def _offered(fields: dict[str, str], security: bool) -> Iterator[Offered]:
    name, version = fields.get("Package"), fields.get("Version")
    if not name or not version:
        return
    match = _SOURCE.fullmatch(fields.get("Source", "")) or re.fullmatch(r"(.+)()", name)
    yield Offered(
        name=name,
        version=version,
        arch=fields.get("Architecture", "all"),
        source=match[1] if match else name,
        source_version=(match[2] if match else "") or version,
        security=security,
    )
