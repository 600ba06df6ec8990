"""All that can be read of one ELF file: headers, code, what is linked into it, its C interface."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfbuild.artifacts.elf.c_api import compare, load_api, read_headers
from tfbuild.artifacts.elf.code import read_code
from tfbuild.artifacts.elf.facts import ApiFacts, ElfFacts, ElfKind, LinkedLibrary
from tfbuild.artifacts.elf.linked import linked_libraries
from tfbuild.artifacts.elf.read import parse_elf
from tfbuild.artifacts.isa.facts import IsaFacts
from tfbuild.artifacts.isa.measure import measure
from tfbuild.artifacts.kept import kept
from tfbuild.artifacts.whole_file import read_whole
from tfbuild.base.project import PROJECT

_C_INTERFACE = "TfLiteModelCreate"  # who has this is meant to have the rest


@dataclass(frozen=True)
class Beside:
    """What lies beside a file and tells more about it."""

    symbols: Mapping[str, Path] = field(default_factory=dict)  # by file name: itself before it was stripped
    declared: frozenset[str] = frozenset()  # functions that the headers beside it declare
    headers: str = ""  # where these are

    @classmethod
    def of(cls, folder: Path, symbols: Path | None = None) -> Beside:
        """For the dist folder ``folder``; ``symbols`` is a folder of files with their symbol tables."""
        found = {
            path.name.removesuffix(".debug"): path for path in sorted((folder / "lib/debug").glob("*.debug"))
        }
        if symbols is not None and symbols.is_dir():
            found |= {path.name: path for path in sorted(symbols.iterdir()) if path.is_file()}
        return cls(found, read_headers(folder / "include"), "the headers in include/")


def examine_file(path: Path, beside: Beside | None = None, *, code: bool = True) -> ElfFacts:
    """As :func:`examine`, for a file. Raises UsageError when it cannot be read.

    Without ``code`` its headers are all that is read: the instructions of hundreds of megabytes take minutes.
    """
    data = read_whole(path)
    return examine(data, str(path), beside) if code else parse_elf(data, str(path))


def examine(data: bytes, name: str, beside: Beside | None = None) -> ElfFacts:
    """All facts of the ELF file whose bytes are ``data``. Raises as
    :func:`tfbuild.artifacts.elf.read.parse_elf`."""
    facts = parse_elf(data, name)
    if facts.kind is ElfKind.DEBUG:
        return facts
    beside = beside or Beside()
    symbols = beside.symbols.get(name.rpartition("/")[2]) if facts.stripped else None
    inside = _inside(data, name, read_whole(symbols) if symbols else b"", facts.needed)
    return replace(facts, isa=inside.isa, linked=inside.linked, api=_api(facts, inside.linked, beside))


@dataclass(frozen=True)
class _Inside:
    """What only the instructions and the data of a file tell."""

    isa: IsaFacts | None
    linked: tuple[LinkedLibrary, ...]


# By the hashes of a file and of its symbols: a build's image has the files that its folder has.
_KNOWN: dict[tuple[str, str], _Inside] = {}


def _inside(data: bytes, name: str, symbols: bytes, needed: tuple[str, ...]) -> _Inside:
    key = (hashlib.sha256(data).hexdigest(), hashlib.sha256(symbols).hexdigest())
    if key not in _KNOWN:
        _KNOWN[key] = kept(_Inside, key, lambda: _read(data, name, symbols, needed))
    return _KNOWN[key]


def _read(data: bytes, name: str, symbols: bytes, needed: tuple[str, ...]) -> _Inside:
    code = read_code(data, name, symbols or None)
    return _Inside(measure(code), linked_libraries(data, code, needed))


def _api(facts: ElfFacts, linked: tuple[LinkedLibrary, ...], beside: Beside) -> ApiFacts | None:
    if _C_INTERFACE not in facts.exports:
        return None
    if beside.declared:
        return compare(beside.headers, beside.declared, facts.exports)
    version = next((each.version for each in linked if each.name == "TensorFlow Lite"), "")
    known = load_api(PROJECT, version)
    return (
        compare(f"the headers of TensorFlow Lite {known.release}", known.functions, facts.exports)
        if known
        else None
    )
