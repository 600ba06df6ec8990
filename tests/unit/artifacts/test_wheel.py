"""Wheels: what they say, what their libraries need, and whether the two agree."""

from __future__ import annotations

import json
import random
import zipfile
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from auditwheel.architecture import Architecture
from auditwheel.libc import Libc as AuditwheelLibc
from auditwheel.wheel_abi import analyze_wheel_abi

from tests.support.wheels import make_wheel
from tfbuild.artifacts.elf.facts import LinkedLibrary, VersionFloor
from tfbuild.artifacts.elf.read import read_elf
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.artifacts.runs_on import wheel_tag
from tfbuild.artifacts.wheel import Wheel
from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, UsageError, VerificationError
from tfbuild.base.project import PROJECT
from tfbuild.verify.report import SubjectKind, VerifyReport
from tfbuild.verify.text import content_lines, render
from tfbuild.verify.verify import load_policy, verify_path

ELF = PROJECT / "tests" / "data" / "elf"
SCHEMA = json.loads((PROJECT / "schemas" / "verify.schema.json").read_text())
DEFAULT = load_policy(PROJECT)
LIBRARY = "tflite_runtime/_wrapper.so"


def library(arch: str = "x86_64", name: str = "good.so") -> dict[str, bytes]:
    return {LIBRARY: (ELF / arch / name).read_bytes(), "tflite_runtime/__init__.py": b"# empty\n"}


def checked(path: Path) -> VerifyReport:
    report = verify_path(path, DEFAULT)
    jsonschema.validate(json.loads(json.dumps(dump(report))), SCHEMA)
    return report


def ids(report: VerifyReport) -> list[str]:
    return [finding.id for finding in report.findings]


def test_a_wheel_whose_tag_promises_too_much(tmp_path: Path) -> None:
    report = checked(make_wheel(tmp_path, library()))
    assert report.kind is SubjectKind.WHEEL
    assert report.exit_code is ExitCode.VERIFICATION_FAILED
    assert ids(report) == ["wheel-tag"]
    (finding,) = report.findings
    assert "the tag says manylinux_2_17" in finding.message
    assert finding.evidence == ("GLIBC_2.38 of libc.so.6, for strlcpy; manylinux_2_17 has 2.17",)
    assert report.facts.tag is not None
    assert report.facts.tag.fits == "manylinux_2_38_x86_64"
    text = render(report)
    assert "Wheel of tflite-runtime 2.14.0 for cp311-cp311" in text
    assert "Debian 13 (trixie) or newer; Ubuntu 24.04 (noble) or newer" in text
    assert "Debian 12 (bookworm) has GLIBC_2.36; GLIBC_2.38 is needed (strlcpy)" in text


def test_a_wheel_whose_tag_is_right(tmp_path: Path) -> None:
    assert ids(checked(make_wheel(tmp_path, library(), platform="manylinux_2_38_x86_64"))) == []


def test_a_wheel_whose_tag_promises_too_little(tmp_path: Path) -> None:
    report = checked(make_wheel(tmp_path, library("aarch64"), platform="manylinux_2_41_aarch64"))
    assert [(f.id, f.severity) for f in report.findings] == [("wheel-tag-strict", "warning")]
    assert report.exit_code is ExitCode.OK


def test_the_most_compatible_of_several_tags_is_what_pip_may_take(tmp_path: Path) -> None:
    report = checked(make_wheel(tmp_path, library(), platform="manylinux_2_17_x86_64.manylinux_2_38_x86_64"))
    assert ids(report) == ["wheel-tag"]


def test_a_wheel_for_another_machine_than_its_tag(tmp_path: Path) -> None:
    assert ids(checked(make_wheel(tmp_path, library("aarch64")))) == ["wheel-machine"]


def test_a_library_that_the_wheel_should_have_brought(tmp_path: Path) -> None:
    files = {"pkg/program": (ELF / "x86_64" / "pie").read_bytes()}
    report = checked(make_wheel(tmp_path, files, platform="manylinux_2_5_x86_64"))
    assert ids(report) == ["wheel-library"]
    assert "libtensorflowlite_c.so" in report.findings[0].message
    files |= {"pkg/libtensorflowlite_c.so": (ELF / "x86_64" / "good.so").read_bytes()}
    assert "wheel-library" not in ids(checked(make_wheel(tmp_path, files, platform="manylinux_2_38_x86_64")))


def test_files_that_record_does_not_name_or_that_differ_from_it(tmp_path: Path) -> None:
    altered = {"tflite_runtime/__init__.py": b"import os\n", "tflite_runtime/more.py": b""}
    path = make_wheel(tmp_path, library(), platform="manylinux_2_38_x86_64", altered=altered)
    report = checked(path)
    assert ids(report) == ["wheel-record"]
    assert report.findings[0].evidence == tuple(sorted(altered))


def test_a_damaged_library_in_a_wheel_is_a_finding(tmp_path: Path) -> None:
    files = {"pkg/cut.so": (ELF / "broken" / "truncated.so").read_bytes()}
    assert ids(checked(make_wheel(tmp_path, files))) == ["elf-damaged"]


def test_a_wheel_of_python_alone(tmp_path: Path) -> None:
    report = checked(make_wheel(tmp_path, {"pkg/__init__.py": b""}, platform="any"))
    assert (ids(report), report.facts.tag, report.facts.runs_on) == ([], None, None)


def test_what_is_no_wheel_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(UsageError, match="a zip file, but not a wheel"):
        verify_path(path, DEFAULT)
    path.write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(VerificationError, match="damaged wheel"):
        verify_path(path, DEFAULT)


def test_a_member_that_grows_without_measure_is_not_unpacked(tmp_path: Path) -> None:
    path = make_wheel(
        tmp_path, {"pkg/bomb.so": b"\x7fELF" + bytes(50_000_000), "pkg/table.h": bytes(300_000)}
    )
    with Wheel(path) as wheel:
        assert len(wheel.read("pkg/table.h")) == 300_000
        with pytest.raises(VerificationError, match="damaged wheel"):
            wheel.read("pkg/bomb.so")


def test_damaged_wheels_are_told_of(tmp_path: Path) -> None:
    whole = make_wheel(tmp_path, library()).read_bytes()
    path = tmp_path / "tflite_runtime-2.14.0-cp311-cp311-manylinux2014_x86_64.whl"
    generator = random.Random(1)
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(generator.randint(1, 4)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        path.write_bytes(data[: generator.choice([len(data), generator.randrange(len(data))])])
        try:
            checked(path)
        except (VerificationError, UsageError):
            refused += 1
    assert refused > 20


# -- tags, against PEP 600's promise ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arch", "floors", "expected"),
    [
        # What the wheels of 2.14.0 and of LiteRT 1.4.0 and 2.2.0 really need.
        ("x86_64", {"GLIBC": "2.29", "GLIBCXX": "3.4.22"}, "manylinux_2_31"),
        ("aarch64", {"GLIBC": "2.27"}, "manylinux_2_27"),
        ("x86_64", {"GLIBC": "2.17", "GLIBCXX": "3.4.19"}, "manylinux_2_17"),
        ("aarch64", {"GLIBC": "2.30", "GLIBCXX": "3.4.26"}, "manylinux_2_31"),
        ("aarch64", {"GLIBC": "2.34", "GLIBCXX": "3.4.30"}, "manylinux_2_35"),
        ("x86_64", {"GLIBC": "2.99"}, None),
        ("x86_64", {"ZLIB": "99"}, "manylinux_2_5"),
    ],
)
def test_the_most_compatible_tag(arch: str, floors: dict[str, str], expected: str | None) -> None:
    facts = read_elf(ELF / arch / "isa-old.so")
    needs = tuple(VersionFloor(family, version, "libc.so.6") for family, version in floors.items())
    changed = (facts.__class__(**{**facts.__dict__, "floors": needs}),)
    tag, _, _ = wheel_tag(changed, Arch.parse(arch) or Arch.AMD64, load_platforms(PROJECT))
    assert (tag.tag if tag else None) == expected


def test_the_table_of_tags_only_grows() -> None:
    tags = load_platforms(PROJECT).wheel_tags
    glibc = [tuple(map(int, tag.versions["GLIBC"].split("."))) for tag in tags]
    assert glibc == sorted(glibc)
    assert len({tag.tag for tag in tags}) == len(tags)


# -- the C library, and libraries that no tag allows -------------------------------------------------------


def for_musl(arch: str = "x86_64") -> bytes:
    """The library as it would be linked on Alpine Linux: another name of the C library, no versions of it."""
    good = (ELF / arch / "good.so").read_bytes()
    return good.replace(b"libc.so.6\0", b"ld-musl-\0\0").replace(b"GLIBC_2.38\0", b"MUSL\0\0\0\0\0\0\0")


def test_a_musl_wheel_gets_no_manylinux_tag(tmp_path: Path) -> None:
    files = {LIBRARY: for_musl()}
    report = checked(make_wheel(tmp_path, files, platform="musllinux_1_1_x86_64"))
    assert ids(report) == []
    assert report.facts.tag is not None
    assert (report.facts.tag.fits, report.facts.tag.libc) == (None, "musl")
    text = render(report)
    assert "manylinux_" not in text
    assert "of which version, files for musl do not say" in text
    assert "Alpine Linux" in text


def test_a_musllinux_tag_decides_where_no_file_names_a_c_library(tmp_path: Path) -> None:
    files = {LIBRARY: (ELF / "x86_64" / "isa-old.so").read_bytes()}
    report = checked(make_wheel(tmp_path, files, platform="musllinux_1_2_x86_64"))
    assert report.facts.tag is not None
    assert (report.facts.tag.fits, ids(report)) == (None, [])


def test_a_tag_for_another_c_library_is_wrong(tmp_path: Path) -> None:
    report = checked(make_wheel(tmp_path, {LIBRARY: for_musl()}))
    assert ids(report) == ["wheel-tag"]
    assert "the libraries were linked with musl" in report.findings[0].message
    (tmp_path / "b").mkdir()
    report = checked(make_wheel(tmp_path / "b", library(), platform="musllinux_1_2_x86_64"))
    assert ids(report) == ["wheel-tag"]
    assert "the libraries were linked with glibc" in report.findings[0].message


def test_a_library_that_no_tag_allows_leaves_no_manylinux_tag(tmp_path: Path) -> None:
    """As tflite-support 0.4.4, which needs libusb: auditwheel calls it linux_x86_64."""
    files = {"pkg/program": (ELF / "x86_64" / "pie").read_bytes()}
    report = checked(make_wheel(tmp_path, files, platform="manylinux_2_17_x86_64"))
    assert report.facts.tag is not None
    assert report.facts.tag.fits == "linux_x86_64"
    assert "fits       linux_x86_64, for it needs libtensorflowlite_c.so" in render(report)
    assert ids(report) == ["wheel-library"]


def test_auditwheel_gives_the_same_tags(tmp_path: Path) -> None:
    wheels = {
        "glibc": {LIBRARY: (ELF / "x86_64" / "good.so").read_bytes()},
        "foreign": {LIBRARY: (ELF / "x86_64" / "pie").read_bytes()},
        "none": {LIBRARY: (ELF / "x86_64" / "isa-old.so").read_bytes()},
    }
    for name, files in wheels.items():
        (tmp_path / name).mkdir()
        path = make_wheel(tmp_path / name, files, platform="linux_x86_64")
        tag = verify_path(path, DEFAULT).facts.tag
        found = analyze_wheel_abi(
            AuditwheelLibc.GLIBC,
            Architecture.x86_64,
            path,
            frozenset(),
            disable_isa_ext_check=True,
            allow_graft=False,
        )
        assert tag is not None
        assert (name, tag.fits) == (name, found.overall_policy.name)


def test_the_same_library_of_many_files_is_named_once(tmp_path: Path) -> None:
    needed = tuple(f"libabsl_{part}.so.20240722" for part in ("base", "strings", "time"))
    facts = read_elf(ELF / "x86_64" / "good.so")
    linked = tuple(LinkedLibrary("absl", "20240722", f"needs {name}") for name in needed)
    lines = list(content_lines(replace(facts, needed=needed, linked=linked)))
    assert [line.split() for line in lines if "contains" in line] == [["contains", "absl", "20240722"]]
