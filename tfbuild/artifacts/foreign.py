"""Files that are not examined here: what they are, told by their first bytes. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

HEAD = 512  # bytes of a file that tell

_AR = b"!<arch>\n"
_ZIP = b"PK\x03\x04"
_JAVA = b"\xca\xfe\xba\xbe"  # and Mach-O for several machines, which counts them where Java has its version
_MACHO = (
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbf",
)
_OLDEST_JAVA = 45  # Java Virtual Machine Specification 4.1: the major version of JDK 1.1
_EXAMPLES = 3


@dataclass(frozen=True, order=True)
class ForeignKind:
    """A kind of files; ``code`` when a CPU would execute what is in it."""

    name: str
    code: bool


# PE: learn.microsoft.com/windows/win32/debug/pe-format. Mach-O: mach-o/loader.h and fat.h of Apple's cctools.
PE = ForeignKind("Windows program or library (PE)", True)
MACHO = ForeignKind("macOS program or library (Mach-O)", True)
BITCODE = ForeignKind("LLVM bitcode", True)
WASM = ForeignKind("WebAssembly module", True)
DEB = ForeignKind("Debian package (.deb)", True)
RPM = ForeignKind("RPM package (.rpm)", True)
STATIC = ForeignKind("static archive (.a)", True)
ANDROID = ForeignKind("Android package (.aar, .apk)", True)
JAR = ForeignKind("Java archive (.jar)", True)
WHEEL = ForeignKind("wheel inside (.whl)", True)
CLASS = ForeignKind("Java class", True)
ZIP = ForeignKind("zip archive", False)
MODEL = ForeignKind("TFLite model (.tflite)", False)
TEXT = ForeignKind("text", False)

# (bytes, place, kind): rpm.org, "Package format"; webassembly.org; LLVM, "Bitcode File Format"; TFLite's
# schema.fbs.
_MAGIC: tuple[tuple[bytes, int, ForeignKind], ...] = (
    (_AR + b"debian-binary", 0, DEB),
    (_AR, 0, STATIC),
    (b"!<thin>\n", 0, STATIC),
    (b"\xed\xab\xee\xdb", 0, RPM),
    (b"BC\xc0\xde", 0, BITCODE),
    (b"\xde\xc0\x17\x0b", 0, BITCODE),
    (b"\0asm", 0, WASM),
    (b"TFL3", 4, MODEL),
)
_ZIPS = {".jar": JAR, ".aar": ANDROID, ".apk": ANDROID, ".whl": WHEEL}
# Names of files that are worth a look at their bytes, where there are too many to look at all.
SUSPICIOUS = frozenset(
    {".dll", ".pyd", ".exe", ".dylib", ".lib", ".deb", ".rpm", ".jar", ".aar", ".apk", ".wasm", ".bc", ".so"}
)


@dataclass(frozen=True)
class ForeignFiles:
    """How many files of one kind were not examined."""

    kind: str
    code: bool  # what a CPU would execute is in them
    files: int
    examples: tuple[str, ...]


def kind_of(head: bytes, name: str) -> ForeignKind | None:
    """What a file is that starts with ``head``; None for ELF files, and for what is of no interest here."""
    for magic, place, kind in _MAGIC:
        if head[place : place + len(magic)] == magic:
            return kind
    if head.startswith(_JAVA):
        count = int.from_bytes(head[4:8], "big")
        return CLASS if count & 0xFFFF >= _OLDEST_JAVA else MACHO
    if head.startswith(_MACHO):
        return MACHO
    if _is_pe(head):
        return PE
    if head.startswith(_ZIP):
        return _ZIPS.get(PurePosixPath(name).suffix.lower(), ZIP)
    return None


def _is_pe(head: bytes) -> bool:
    """ "MZ" alone is a text's beginning, too; the header that it points to may lie behind the first bytes."""
    if not head.startswith(b"MZ") or len(head) < 64:
        return False
    place = int.from_bytes(head[60:64], "little")
    return head[place : place + 4] == b"PE\0\0" if place + 4 <= len(head) else 64 <= place < 1 << 20


def is_text(head: bytes) -> bool:
    """Whether the first bytes are those of a text."""
    if not head or b"\0" in head:
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # a character was cut
    return True


def count_foreign(files: Iterable[tuple[str, ForeignKind]]) -> tuple[ForeignFiles, ...]:
    """By kind; what a CPU would execute comes first."""
    counts: Counter[ForeignKind] = Counter()
    examples: dict[ForeignKind, list[str]] = {}
    for name, kind in sorted(files):
        counts[kind] += 1
        if len(examples.setdefault(kind, [])) < _EXAMPLES:
            examples[kind].append(name)
    ordered = sorted(counts, key=lambda kind: (not kind.code, kind.name))
    return tuple(ForeignFiles(k.name, k.code, counts[k], tuple(examples[k])) for k in ordered)
