"""Which CPU features TensorFlow's files in an image need.

Three sources: the code itself (:mod:`tfbuild.artifacts.isa.measure`), the level that a linker recorded
(``-z x86-64-v3``), which ld.so checks, and, where the code does not settle it, the known flags of the
official wheels.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from io import BytesIO

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection

from tfbuild.artifacts.elf.code import read_code
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.artifacts.isa.facts import Extension, IsaFacts, Verdict
from tfbuild.artifacts.isa.measure import measure
from tfbuild.base.errors import UsageError, VerificationError
from tfbuild.base.project import PROJECT
from tfbuild.config.cpus import load_cpus
from tfbuild.diagnose.facts import TENSORFLOWS, IsaNeed, PythonEnvironment
from tfbuild.diagnose.read.python import parse_version

# GNU_PROPERTY_X86_ISA_1_NEEDED; bit N is level N + 1. https://gitlab.com/x86-psABIs/x86-64-ABI
_ISA_NEEDED = 0xC0008002
# "Prebuilt binaries will use AVX instructions": https://github.com/tensorflow/tensorflow/releases/tag/v1.6.0
_AVX_SINCE = "1.6"
# A model server has 250 MB and takes half a minute. What is larger (libtensorflow_cc.so.2 of a wheel, 800 MB)
# was compiled together with libtensorflow_framework.so.2, which has 60.
_MEASURED_BYTES = 400 << 20
# The part of a file's functions from which on an extension is common code, which runs in every process. The
# framework library of tensorflow-cpu 2.21.0 has AVX in all of 18,000, F16C in 16 that convert half floats.
_COMMON_SHARE = 0.01
_ARM_SHA = "sha2"
_WHEEL_LIBRARY = re.compile(r"-packages/tensorflow/(?:libtensorflow_framework\.so|python/_pywrap_tensorflow)")


def read_isa(archive: ImageArchive, paths: tuple[str, ...]) -> tuple[IsaNeed, ...]:
    """What the code of the ELF files at ``paths`` needs, and what the linker recorded in them."""
    found: list[IsaNeed] = []
    for path, data in archive.read_many(p for p in paths if _small(archive, p)):
        found.extend(_measured(path, data))
        level = recorded_level(data)
        if level > 1:
            reason = f"the linker recorded that it needs x86-64-v{level}"
            found.append(
                IsaNeed(
                    path=path,
                    features=tuple(sorted(load_cpus(PROJECT).x86_64_features(level))),
                    reason=reason,
                )
            )
    return tuple(found)


def _small(archive: ImageArchive, path: str) -> bool:
    return archive.files[archive.resolve(path) or path].size <= _MEASURED_BYTES


def _measured(path: str, data: bytes) -> tuple[IsaNeed, ...]:
    try:
        facts = measure(read_code(data, path))
    except (UsageError, VerificationError):
        return ()
    common = common_extensions(facts) if facts else ()
    if facts is None or not common:
        return ()
    features = tuple(sorted(flag_of(each.name, facts.machine) for each in common))
    counted = ", ".join(f"{each.name} ({_functions(each)})" for each in common)
    reason = f"its common code uses (number of functions) {counted}"
    return (IsaNeed(path=path, features=features, reason=reason),)


def common_extensions(facts: IsaFacts) -> tuple[Extension, ...]:
    """Extensions that are used without asking the CPU, in a part of the code that every process runs."""
    total = max(facts.modern + facts.legacy, 1)
    return tuple(
        each
        for each in facts.extensions
        if each.verdict is Verdict.ALWAYS and _functions(each) >= _COMMON_SHARE * total
    )


def _functions(extension: Extension) -> int:
    return extension.ordinary_functions + extension.unnamed_functions


def flag_of(name: str, machine: str) -> str:
    """The name in /proc/cpuinfo of the extension ``name``."""
    if name == "SHA" and machine != "EM_X86_64":
        return _ARM_SHA
    return load_cpus(PROJECT).cpuinfo.get(name, name.lower().replace(".", "_"))


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
    # What pyelftools lets out on damaged files; see tfbuild.artifacts.elf.read.
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
