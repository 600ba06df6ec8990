"""Where a file runs: distributions, CPUs, what has to be installed; and what is in the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tfbuild.artifacts.elf.abi import compilers
from tfbuild.artifacts.elf.c_api import compare, declared_functions, load_api, read_headers
from tfbuild.artifacts.elf.code import Code, CodeRange, Function
from tfbuild.artifacts.elf.facts import ElfFacts, LinkedLibrary, VersionFloor, version_key
from tfbuild.artifacts.elf.linked import linked_libraries, returned_text
from tfbuild.artifacts.elf.read import read_elf
from tfbuild.artifacts.examine import examine_file
from tfbuild.artifacts.platforms import FAMILIES, load_platforms
from tfbuild.artifacts.runs_on import runs_on
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.base.project import PROJECT
from tfbuild.verify.verify import load_policy, verify_path

ELF = PROJECT / "tests" / "data" / "elf"
PLATFORMS = load_platforms(PROJECT)


def library(arch: str = "x86_64", **floors: str) -> ElfFacts:
    needs = tuple(VersionFloor(family, version, "libc.so.6", ("f",)) for family, version in floors.items())
    return replace(read_elf(ELF / arch / "isa-old.so"), floors=needs, needed=("libc.so.6",))


@pytest.mark.parametrize(
    ("arch", "floors", "first"),
    [
        (
            "x86_64",
            {"GLIBC": "2.31"},
            ["Debian 11", "Ubuntu 20.04", "RHEL, AlmaLinux and Rocky Linux 9", "Amazon Linux 2023"],
        ),
        (
            "x86_64",
            {"GLIBC": "2.17"},
            ["Debian 10", "Ubuntu 18.04", "RHEL, AlmaLinux and Rocky Linux 7", "Amazon Linux 2"],
        ),
        # glibc would do on Ubuntu 22.04, its libstdc++ not.
        (
            "x86_64",
            {"GLIBC": "2.34", "GLIBCXX": "3.4.31"},
            ["Debian 13", "Ubuntu 24.04", "RHEL, AlmaLinux and Rocky Linux 10"],
        ),
        (
            "aarch64",
            {"GLIBC": "2.34", "GLIBCXX": "3.4.30"},
            ["Debian 12", "Ubuntu 22.04", "RHEL, AlmaLinux and Rocky Linux 10", "Raspberry Pi OS 12"],
        ),
        ("x86_64", {"GLIBC": "2.99"}, []),
    ],
)
def test_the_first_release_of_each_distribution(arch: str, floors: dict[str, str], first: list[str]) -> None:
    found = runs_on((library(arch, **floors),), PLATFORMS)
    assert len(found.distributions) == len(first)
    for words, start in zip(found.distributions, first, strict=True):
        assert words.startswith(start)
        assert words.endswith("or newer")


def test_the_reason_against_the_release_before_names_the_symbol() -> None:
    found = runs_on((library(GLIBC="2.31"),), PLATFORMS)
    assert "Debian 10 (buster) has GLIBC_2.28; GLIBC_2.31 is needed (f)" in found.refused


def test_the_highest_need_of_all_files_counts_but_not_what_they_give_each_other() -> None:
    first = library(GLIBC="2.17")
    second = replace(first, soname="libother.so", floors=(VersionFloor("OTHER", "9", "libmine.so"),))
    assert runs_on((first, second), PLATFORMS) == replace(
        runs_on((first,), PLATFORMS), libraries=runs_on((first, second), PLATFORMS).libraries
    )


def test_libraries_come_from_beside_from_packages_or_from_somewhere_else() -> None:
    mine = replace(library(), soname="libmine.so")
    user = replace(library(), needed=("libmine.so", "libstdc++.so.6", "libfoo.so.3"))
    found = runs_on((mine, user), PLATFORMS)
    assert {each.library: each.source.split()[0] for each in found.libraries} == {
        "libc.so.6": "libc6",
        "libfoo.so.3": "somewhere",
        "libmine.so": "beside",
        "libstdc++.so.6": "libstdc++6",
    }
    assert found.conditions == ("these have to be installed as well: libfoo.so.3",)


def test_a_library_for_musl_is_for_no_distribution_with_glibc() -> None:
    found = runs_on((replace(library(), needed=("libc.musl-x86_64.so.1",)),), PLATFORMS)
    assert found.distributions == ()
    assert any("musl" in each for each in found.conditions)


def test_the_only_file_that_needs_a_newer_cpu_is_named() -> None:
    files = tuple(examine_file(ELF / "x86_64" / f"isa-{name}.so") for name in ("old", "new"))
    found = runs_on(files, PLATFORMS)
    assert "Haswell" in found.cpus
    assert "only isa-new.so needs AVX, AVX2, FMA" in found.conditions


def test_an_image_brings_its_own_libraries() -> None:
    assert runs_on((library(GLIBC="2.99"),), PLATFORMS, image=True).distributions == ()


def test_releases_are_listed_from_old_to_new() -> None:
    for family in PLATFORMS.distributions:
        for name in FAMILIES:
            versions = [version_key(getattr(release, name)) for release in family.releases]
            assert versions == sorted(versions), f"{family.family}, {name}"
    assert {arch for f in PLATFORMS.distributions for r in f.releases for arch in r.arches} == set(Arch)


def test_a_library_finds_those_beside_it(tmp_path: Path) -> None:
    policy = load_policy(PROJECT)
    (tmp_path / "bin").mkdir()
    (tmp_path / "lib").mkdir()
    program = tmp_path / "bin" / "pie"
    program.write_bytes((ELF / "x86_64" / "pie").read_bytes())
    alone = verify_path(program, policy).facts.runs_on
    (tmp_path / "lib" / "libtensorflowlite_c.so").write_bytes((ELF / "x86_64" / "good.so").read_bytes())
    together = verify_path(program, policy).facts.runs_on
    assert alone is not None
    assert together is not None
    assert alone.conditions == ("these have to be installed as well: libtensorflowlite_c.so",)
    assert together.conditions == ()


# -- the C interface -------------------------------------------------------------------------------

HEADER = """
// TFL_CAPI_EXPORT extern void TfLiteInAComment(void);
/* TFL_CAPI_EXPORT void TfLiteInAnotherComment(void); */
TFL_CAPI_EXPORT extern const char* TfLiteVersion(void);
TFL_CAPI_EXPORT TfLiteStatus
TfLiteInterpreterInvoke(TfLiteInterpreter* interpreter);
TFL_CAPI_EXPORT extern TfLiteModel* TfLiteModelCreate(
    const void* model_data, size_t model_size);
static inline int TfLiteNotExported(void) { return TfLiteVersion() != 0; }
#define TFL_CAPI_EXPORT __attribute__((visibility("default")))
"""


def test_functions_that_a_header_declares() -> None:
    assert declared_functions(HEADER) == {"TfLiteVersion", "TfLiteInterpreterInvoke", "TfLiteModelCreate"}


@pytest.mark.parametrize("lite", ["tensorflow/lite", "tflite"])
def test_headers_beside_a_library_are_read(tmp_path: Path, lite: str) -> None:
    folder = tmp_path / lite / "core" / "c"
    folder.mkdir(parents=True)
    (folder / "c_api.h").write_text(HEADER)
    (folder / "c_api_for_testing.h").write_text(HEADER.replace("TfLiteVersion", "TfLiteTest"))
    assert "TfLiteTest" not in read_headers(tmp_path)
    assert len(read_headers(tmp_path)) == 3
    assert read_headers(tmp_path / "nowhere") == frozenset()
    facts = compare("headers", read_headers(tmp_path), ["TfLiteVersion", "TfLiteModelCreate", "other"])
    assert (facts.declared, facts.exported, facts.missing) == (3, 2, ("TfLiteInterpreterInvoke",))


def test_the_list_of_a_release_is_found_by_the_librarys_version() -> None:
    known = load_api(PROJECT, "2.14.1")
    assert known is not None
    assert {"TfLiteVersion", "TfLiteInterpreterInvoke"} <= known.functions
    assert load_api(PROJECT, "2.99.0") is None
    assert load_api(PROJECT, "../../x") is None


def test_a_broken_list_is_told_of(tmp_path: Path) -> None:
    folder = tmp_path / "build_configs" / "api"
    folder.mkdir(parents=True)
    (folder / "tflite-2.1.yaml").write_text("product: tflite\nrelease: two\nheaders: {}\n")
    with pytest.raises(ConfigError):
        load_api(tmp_path, "2.1.0")


# -- what is linked in -----------------------------------------------------------------------------

X86_RETURNS = bytes.fromhex("f30f1efa 488d05f50f0000 c3")  # endbr64; lea rax, [rip + 0xff5]; ret
ARM64_RETURNS = bytes.fromhex(
    "5f2403d5 00000090 00000491 c0035fd6"
)  # bti c; adrp x0, .; add x0, x0, 256; ret


@pytest.mark.parametrize(
    ("machine", "code", "address"),
    [("EM_X86_64", X86_RETURNS, 0x1000 + 11 + 0xFF5), ("EM_AARCH64", ARM64_RETURNS, 0x1000 + 256)],
)
def test_the_version_that_a_function_returns(machine: str, code: bytes, address: int) -> None:
    start = 0x1000
    data = bytearray(0x3000)
    data[start : start + len(code)] = code
    data[address : address + 7] = b"2.14.1\0"
    functions = (Function(start, start + len(code), "TfLiteVersion"),)
    area = CodeRange(start, memoryview(bytes(data))[start : start + 64])
    known = Code(machine, True, (area,), functions, ((0, 0, len(data)),))
    assert returned_text(known, "TfLiteVersion", bytes(data)) == "2.14.1"
    assert returned_text(known, "TF_Version", bytes(data)) is None
    found = linked_libraries(bytes(data) + b"N4absl12lts_2024011610", known, ("libXNNPACK.so.0.20241108",))
    assert {(each.name, each.version) for each in found} == {
        ("TensorFlow Lite", "2.14.1"),
        ("absl", "20240116"),
        ("XNNPACK", "0.20241108"),
    }


def test_a_function_that_does_more_than_return_a_text_is_not_believed() -> None:
    facts = examine_file(ELF / "x86_64" / "good.so")
    assert LinkedLibrary("TensorFlow Lite", "2.14.1", "what TfLiteVersion returns") not in facts.linked


def test_compilers_are_named() -> None:
    comment = b"GCC: (Debian 14.2.0-19) 14.2.0\0Linker: Ubuntu LLD 18.1.8\0Ubuntu clang version 18.1.8 (x)\0"
    assert len(compilers(comment)) == 3
    assert (
        examine_file(ELF / "x86_64" / "good.so").compilers == read_elf(ELF / "x86_64" / "good.so").compilers
    )
