"""What is known of one ELF file, as plain values; :mod:`tfbuild.artifacts.elf.read` reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import PlainSerializer

from tfbuild.artifacts.isa.facts import IsaFacts
from tfbuild.base.text import TextEnum


class ElfKind(TextEnum):
    """What a loader would take the file for."""

    SHARED_LIBRARY = "shared library"
    EXECUTABLE = "executable"
    PIE = "position-independent executable"
    DEBUG = "separate debug information"


class Libc(TextEnum):
    """The C library that a file was linked against."""

    GLIBC = "glibc"
    MUSL = "musl"
    BIONIC = "bionic"


class Relro(TextEnum):
    """Which relocated data is read-only once the file is loaded."""

    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"


@dataclass(frozen=True, order=True)
class RequiredVersion:
    """A symbol version that the library ``library`` has to define, for example ``GLIBC_2.38``."""

    library: str
    version: str
    weak: bool = False  # the loader does not fail when it is missing


@dataclass(frozen=True, order=True)
class VersionFloor:
    """The highest version of ``family`` that is needed from ``library``, and the symbols that need it."""

    family: str  # GLIBC, GLIBCXX, CXXABI, GCC, …
    version: str  # "2.38"
    library: str  # "libc.so.6"
    symbols: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[int, ...]:
        return version_key(self.version)


@dataclass(frozen=True, order=True)
class SectionSize:
    """Name and size in bytes of one section; what it occupies in memory for ``.bss``."""

    name: str
    size: int


@dataclass(frozen=True, order=True)
class LinkedLibrary:
    """A library in the file; ``version`` is what the file says, ``evidence`` where it says so."""

    name: str
    version: str
    evidence: str


@dataclass(frozen=True)
class ApiFacts:
    """How complete the C interface of a library is, judged by ``source``."""

    source: str
    declared: int
    exported: int
    missing: tuple[str, ...]


@dataclass(frozen=True)
class ExportSummary:
    """How :attr:`ElfFacts.exports` is written to JSON: C names in full, mangled C++ names counted."""

    total: int
    mangled: int
    names: tuple[str, ...]


def _summarise(names: tuple[str, ...]) -> ExportSummary:
    plain = tuple(n for n in names if not n.startswith("_Z"))
    return ExportSummary(len(names), len(names) - len(plain), plain)


@dataclass(frozen=True)
class ElfFacts:
    """What is read from one ELF file. Tuples are sorted, except ``needed`` (the loader's order)."""

    path: str
    kind: ElfKind
    machine: str  # "EM_X86_64"
    bits: int  # 32 or 64
    little_endian: bool
    size: int  # bytes
    interpreter: str | None
    soname: str | None
    needed: tuple[str, ...]
    rpath: tuple[str, ...]
    runpath: tuple[str, ...]
    required_versions: tuple[RequiredVersion, ...]
    floors: tuple[VersionFloor, ...]
    defined_versions: tuple[str, ...]
    exports: Annotated[tuple[str, ...], PlainSerializer(_summarise, return_type=ExportSummary)]
    executable_stack: bool
    relro: Relro
    bind_now: bool
    text_relocations: bool
    build_id: str | None
    stripped: bool
    has_debug_info: bool
    sections: tuple[SectionSize, ...]
    abi: tuple[str, ...] = ()  # what the file says of the CPU that it was compiled for
    compilers: tuple[str, ...] = ()
    # Bytes: the least over the segments that are loaded. A kernel with larger pages does not load the file.
    alignment: int | None = None
    # Read on request, see tfbuild.artifacts.examine: None or empty where nobody asked.
    isa: IsaFacts | None = None
    linked: tuple[LinkedLibrary, ...] = ()
    api: ApiFacts | None = None

    @property
    def pie(self) -> bool:
        return self.kind is ElfKind.PIE

    @property
    def static(self) -> bool:
        """Loads without a dynamic loader and needs no library."""
        return self.interpreter is None and not self.needed

    @property
    def libc(self) -> Libc | None:
        """Told by the loader, by names of libraries and by symbol versions; None where nothing tells.

        musl has no symbol versions and one library, libc.musl-ARCH.so.1 on Alpine Linux and libc.so elsewhere
        (https://wiki.musl-libc.org/guidelines-for-distributions); Android's libc.so has the versions LIBC_*
        (bionic, libc/libc.map.txt), and the NDK marks its files with a note.
        """
        android = any(each.name == ".note.android.ident" for each in self.sections)
        names = {each.version.partition("_")[0] for each in self.required_versions}
        if android or "LIBC" in names:
            return Libc.BIONIC
        loader = self.interpreter or ""
        if "/ld-musl-" in loader or any(name.startswith(("libc.musl-", "ld-musl-")) for name in self.needed):
            return Libc.MUSL
        if "GLIBC" in names or "libc.so.6" in self.needed:
            return Libc.GLIBC
        # The bare name: Android's where its other libraries have bare names, too; else musl's.
        if "libc.so" in self.needed:
            return Libc.BIONIC if _BIONIC & set(self.needed) or "/linker" in loader else Libc.MUSL
        return None

    def floor(self, family: str) -> VersionFloor | None:
        """The highest version of ``family`` over all libraries, or None; symbols of all that share it."""
        mine = [f for f in self.floors if f.family == family]
        if not mine:
            return None
        top = max(mine, key=lambda f: f.key)
        symbols = sorted({s for f in mine if f.key == top.key for s in f.symbols})
        return VersionFloor(family, top.version, top.library, tuple(symbols))


_BIONIC = frozenset({"libdl.so", "libm.so", "liblog.so", "libandroid.so"})
_VERSION_NAME = re.compile(r"^([A-Z][A-Za-z0-9]*)_([0-9]{1,9}(?:\.[0-9]{1,9})*)$")


def split_version(name: str) -> tuple[str, str] | None:
    """``GLIBC_2.38`` as ``("GLIBC", "2.38")``; None for names without a number (``GLIBC_PRIVATE``)."""
    match = _VERSION_NAME.match(name)
    return (match[1], match[2]) if match else None


def version_key(version: str) -> tuple[int, ...]:
    """A key by which dotted version numbers sort: 2.9 < 2.38."""
    return tuple(int(part) for part in version.split("."))
