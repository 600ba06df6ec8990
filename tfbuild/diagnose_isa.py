"""Which CPU features TensorFlow's files in an image need, as far as the files or their origin say so.

Two sources: the ISA level that a linker recorded (``-z x86-64-v3``), which ld.so checks itself, and the
known flags of the official wheels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from io import BytesIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection

from tfbuild.diagnose_facts import TENSORFLOWS, IsaNeed, PythonEnvironment
from tfbuild.diagnose_python import parse_version
from tfbuild.host import x86_64_features
from tfbuild.image_archive import ImageArchive

# GNU_PROPERTY_X86_ISA_1_NEEDED; bit N is level N + 1. https://gitlab.com/x86-psABIs/x86-64-ABI
_ISA_NEEDED = 0xC0008002
# "Prebuilt binaries will use AVX instructions": https://github.com/tensorflow/tensorflow/releases/tag/v1.6.0
_AVX_SINCE = "1.6"
_WHEEL_LIBRARY = re.compile(r"-packages/tensorflow/(?:libtensorflow_framework\.so|python/_pywrap_tensorflow)")


def read_isa(archive: ImageArchive, paths: tuple[str, ...]) -> tuple[IsaNeed, ...]:
    """What the linker recorded in the ELF files at ``paths``."""
    found = []
    for path, data in archive.read_many(paths):
        level = recorded_level(data)
        if level > 1:
            reason = f"the linker recorded that it needs x86-64-v{level}"
            found.append(IsaNeed(path=path, features=tuple(sorted(x86_64_features(level))), reason=reason))
    return tuple(found)


def recorded_level(data: bytes) -> int:
    """The x86-64 level that the ELF file whose bytes are ``data`` says it needs; 0 where it says nothing."""
    level = 0
    try:
        elf = ELFFile(BytesIO(data))
        if elf["e_machine"] != "EM_X86_64":
            return 0
        for section in elf.iter_sections("SHT_NOTE"):
            if section.name != ".note.gnu.property" or not isinstance(section, NoteSection):
                continue
            for note in section.iter_notes():
                if note["n_type"] == "NT_GNU_PROPERTY_TYPE_0":
                    bits = [_bits(each) for each in note["n_desc"]]
                    level = max([level, *(b.bit_length() for b in bits)])
    # What pyelftools lets out on damaged files; see tfbuild.elf.
    except (ELFError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        return 0
    return min(level, 4)


def _bits(entry: Mapping[str, object]) -> int:
    """The level bits of one property; pyelftools names some properties and leaves others as numbers."""
    kind, data = entry["pr_type"], entry["pr_data"]
    if kind not in (_ISA_NEEDED, "GNU_PROPERTY_X86_ISA_1_NEEDED"):
        return 0
    if isinstance(data, bytes):
        return int.from_bytes(data[:4], "little")
    return data if isinstance(data, int) else 0


def wheel_needs(environments: Iterable[PythonEnvironment], files: Iterable[str]) -> tuple[IsaNeed, ...]:
    """AVX for an official x86-64 wheel, which has the usual libraries in the usual places."""
    libraries = sorted(path for path in files if _WHEEL_LIBRARY.search(path))
    found = []
    for environment in environments:
        tensorflow = environment.tensorflow
        if tensorflow is None or tensorflow.name not in TENSORFLOWS:
            continue
        version, since = parse_version(tensorflow.version), parse_version(_AVX_SINCE)
        mine = [path for path in libraries if path.startswith(tensorflow.folder + "/")]
        if mine and version and since and version >= since:
            reason = f"{tensorflow.name} {tensorflow.version}: official x86-64 wheels are compiled with AVX"
            found.append(IsaNeed(path=mine[0], features=("avx",), reason=reason))
    return tuple(found)
