"""Facts of ELF files: read rightly from good ones, refused clearly for bad ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.plans import PROJECT
from tfbuild.artifacts.elf.facts import ElfFacts, ElfKind, Relro, VersionFloor, split_version, version_key
from tfbuild.artifacts.elf.read import parse_elf, read_elf
from tfbuild.base.documents import dump
from tfbuild.base.errors import TfBuildError, UsageError, VerificationError

DATA = PROJECT / "tests" / "data" / "elf"
ARCHES = ("x86_64", "aarch64")


@pytest.fixture(params=ARCHES)
def folder(request: pytest.FixtureRequest) -> Path:
    return DATA / str(request.param)


def test_a_library_says_what_it_is_and_what_it_needs(folder: Path) -> None:
    facts = read_elf(folder / "good.so")
    assert facts.kind is ElfKind.SHARED_LIBRARY
    assert facts.machine == {"x86_64": "EM_X86_64", "aarch64": "EM_AARCH64"}[folder.name]
    assert (facts.bits, facts.little_endian) == (64, True)
    assert facts.soname == "libtensorflowlite_c.so"
    assert facts.needed == ("libc.so.6",)
    assert facts.exports == ("TfLiteTensorType", "TfLiteVersion")
    assert facts.floors == (VersionFloor("GLIBC", "2.38", "libc.so.6", ("strlcpy",)),)
    assert [v.version for v in facts.required_versions] == ["GLIBC_2.17", "GLIBC_2.29", "GLIBC_2.38"]
    assert facts.size == (folder / "good.so").stat().st_size
    assert {s.name: s.size for s in facts.sections}[".text"] > 0


def test_hardening_and_symbols_of_a_good_library(folder: Path) -> None:
    facts = read_elf(folder / "good.so")
    assert facts.relro is Relro.FULL
    assert facts.bind_now
    assert not facts.executable_stack
    assert not facts.text_relocations
    assert facts.stripped
    assert not facts.has_debug_info
    assert facts.build_id is not None
    assert len(bytes.fromhex(facts.build_id)) == 20  # sha1
    assert facts.alignment == 4096
    assert read_elf(folder / "bad.so.debug").alignment is None


def test_weaknesses_of_a_bad_library(folder: Path) -> None:
    facts = read_elf(folder / "bad.so")
    assert facts.relro is Relro.NONE
    assert not facts.bind_now
    assert facts.executable_stack
    assert not facts.stripped
    assert facts.has_debug_info
    assert facts.build_id is None
    assert facts.soname is None
    assert (facts.rpath, facts.runpath) == (("/build/tree/lib",), ())
    assert set(facts.exports) >= {"internal_helper", "_ZN6tflite6Helper3runEv"}


def test_a_position_independent_program(folder: Path) -> None:
    facts = read_elf(folder / "pie")
    assert facts.kind is ElfKind.PIE
    assert facts.pie
    assert facts.interpreter in {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"}
    assert facts.needed == ("libtensorflowlite_c.so",)
    assert facts.runpath == ("$ORIGIN/../lib",)
    assert facts.relro is Relro.PARTIAL


def test_a_static_program(folder: Path) -> None:
    facts = read_elf(folder / "static")
    assert facts.kind is ElfKind.EXECUTABLE
    assert facts.static
    assert facts.exports == ()


def test_a_separate_debug_file_is_told_apart(folder: Path) -> None:
    facts = read_elf(folder / "bad.so.debug")
    assert facts.kind is ElfKind.DEBUG
    assert facts.has_debug_info
    assert facts.needed == ()


def test_text_relocations_are_seen() -> None:
    assert read_elf(DATA / "x86_64" / "textrel.so").text_relocations


def test_defined_versions_leave_out_the_base(folder: Path) -> None:
    assert read_elf(folder / "libc.so.6").defined_versions == ("GLIBC_2.17", "GLIBC_2.29", "GLIBC_2.38")
    assert read_elf(folder / "libc-old.so.6").defined_versions == ("GLIBC_2.17", "GLIBC_2.29")


def test_a_file_without_section_headers_has_the_same_dynamic_facts(folder: Path) -> None:
    data = bytearray((folder / "good.so").read_bytes())
    # e_shoff, and e_shentsize, e_shnum, e_shstrndx of Elf64_Ehdr, as sstrip clears them.
    data[0x28:0x30] = bytes(8)
    data[0x3C:0x40] = bytes(4)
    whole, bare = read_elf(folder / "good.so"), parse_elf(bytes(data), "bare")
    assert bare.sections == ()
    # The number of symbols comes from the hash table, which lists exported ones last; so all are there.
    assert replace(bare, path=whole.path, sections=whole.sections, compilers=whole.compilers) == whole


def test_the_highest_version_is_taken_over_all_libraries(folder: Path) -> None:
    facts = replace(
        read_elf(folder / "good.so"),
        floors=(
            VersionFloor("GLIBC", "2.9", "libc.so.6", ("a",)),
            VersionFloor("GLIBC", "2.29", "libm.so.6", ("exp",)),
            VersionFloor("GLIBC", "2.29", "libpthread.so.0", ("sem",)),
        ),
    )
    assert facts.floor("GLIBC") == VersionFloor("GLIBC", "2.29", "libm.so.6", ("exp", "sem"))
    assert facts.floor("GLIBCXX") is None


def test_json_counts_cxx_exports_and_names_the_others(folder: Path) -> None:
    document = dump(read_elf(folder / "bad.so"))
    assert document["exports"]["total"] == len(read_elf(folder / "bad.so").exports)
    assert document["exports"]["mangled"] == 1
    assert "internal_helper" in document["exports"]["names"]
    assert json.dumps(document) == json.dumps(dump(read_elf(folder / "bad.so")))


@pytest.mark.parametrize("name", ["GLIBC_PRIVATE", "libfoo.so.1", "GLIBC_ABI_DT_RELR", "GLIBC_2.x", ""])
def test_names_without_a_number_are_no_versions(name: str) -> None:
    assert split_version(name) is None


def test_versions_sort_as_numbers() -> None:
    assert sorted(["2.38", "2.9", "2.2.5", "2"], key=version_key) == ["2", "2.2.5", "2.9", "2.38"]


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("broken/empty.so", UsageError, "is empty"),
        ("broken/linker-script.so", UsageError, "not an ELF file"),
        ("broken/static.a", UsageError, "not an ELF file"),
        ("x86_64/object.o", UsageError, "relocatable object"),
        ("broken/header-only.so", VerificationError, "damaged"),
        ("broken/truncated.so", VerificationError, "damaged"),
        ("broken/wrong-class.so", VerificationError, "damaged"),
        ("broken/is-not-there.so", UsageError, "No such file"),
        ("x86_64", UsageError, "Is a directory"),
    ],
)
def test_wrong_input_is_refused_with_the_file_and_the_reason(
    name: str, error: type[TfBuildError], words: str
) -> None:
    with pytest.raises(error) as caught:
        read_elf(DATA / name)
    assert name in caught.value.message
    assert words in " ".join((caught.value.message, *caught.value.details))


_GOOD = tuple(
    (DATA / arch / name).read_bytes() for arch in ARCHES for name in ("good.so", "bad.so", "pie", "libc.so.6")
)
_BYTES = st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF]) | st.integers(0, 255)


def _read_or_refuse(data: bytes) -> ElfFacts | None:
    try:
        facts = parse_elf(data, "mutated")
    except TfBuildError:
        return None
    json.dumps(dump(facts))
    return facts


@settings(max_examples=2500, deadline=None)
@given(
    st.sampled_from(_GOOD),
    st.lists(st.tuples(st.integers(0, 1 << 16), _BYTES), min_size=1, max_size=12),
    st.none() | st.integers(0, 1 << 16),
)
@example(_GOOD[0], [(4, 1)], None)
def test_a_mutated_file_is_read_or_refused(
    base: bytes, changes: list[tuple[int, int]], length: int | None
) -> None:
    data = bytearray(base)
    for place, value in changes:
        data[place % len(data)] = value
    _read_or_refuse(bytes(data[: length % len(data)] if length is not None else data))


@settings(max_examples=1500, deadline=None)
@given(
    st.sampled_from(_GOOD), st.integers(0, 1 << 16), st.integers(0, (1 << 64) - 1), st.sampled_from([2, 4, 8])
)
@example(_GOOD[0], 0x28, (1 << 64) - 1, 8)
def test_a_mutated_number_in_the_tables_is_read_or_refused(
    base: bytes, place: int, value: int, size: int
) -> None:
    # Sizes, counts and offsets are aligned words in the headers at both ends of the file.
    words = [*range(16, 1200, size), *range(len(base) - 2400, len(base) - size, size)]
    where = words[place % len(words)]
    changed = value.to_bytes(8, "little")[:size]
    _read_or_refuse(base[:where] + changed + base[where + size :])


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_behind_the_magic_are_refused_or_read(data: bytes) -> None:
    _read_or_refuse(b"\x7fELF" + data)
