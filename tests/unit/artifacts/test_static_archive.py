"""Static archives: what is in them, and what is said of broken ones."""

from __future__ import annotations

import json
import random
from pathlib import Path

import jsonschema
import pytest

from tfbuild.artifacts.static_archive import AR_MAGIC, members, read_archive
from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import UsageError, VerificationError
from tfbuild.base.project import PROJECT
from tfbuild.verify.policy import Context
from tfbuild.verify.report import SubjectKind
from tfbuild.verify.text import render
from tfbuild.verify.verify import load_policy, verify_path

ELF = PROJECT / "tests" / "data" / "elf"
SCHEMA = json.loads((PROJECT / "schemas" / "verify.schema.json").read_text())
DEFAULT = load_policy(PROJECT)


def member(name: bytes, data: bytes) -> bytes:
    """One member in the layout of ar(5)."""
    header = (
        name.ljust(16)
        + b"0".ljust(12)
        + b"0".ljust(6) * 2
        + b"644".ljust(8)
        + str(len(data)).encode().ljust(10)
    )
    return header + b"`\n" + data + b"\n" * (len(data) % 2)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_what_an_archive_defines_and_needs(arch: str) -> None:
    path = ELF / arch / "objects.a"
    facts = read_archive(path.read_bytes(), str(path))
    assert (facts.objects, facts.other, facts.bits, facts.bitcode) == (2, (), 64, False)
    assert {"TfLiteVersion", "TfLiteTensorType", "internal_helper"} <= set(facts.defined)
    assert facts.defined_cxx == 1
    assert {"puts", "exp", "strlcpy"} <= set(facts.undefined)
    assert "TfLiteVersion" not in facts.undefined
    assert facts.isa is not None
    assert facts.isa.level in {"x86-64", "armv8-a"}
    assert facts.isa.functions >= 4


def test_the_report_of_an_archive() -> None:
    report = verify_path(ELF / "x86_64" / "objects.a", DEFAULT)
    jsonschema.validate(json.loads(json.dumps(dump(report))), SCHEMA)
    assert (report.kind, report.findings) == (SubjectKind.STATIC, ())
    text = render(report)
    assert "objects.a: static archive" in text
    assert "2 objects, X86_64, 64 bit" in text
    wrong = verify_path(ELF / "x86_64" / "objects.a", DEFAULT, context=Context(arch=Arch.ARM64))
    assert [f.id for f in wrong.findings] == ["elf-machine"]


def test_objects_of_two_machines_do_not_belong_together(tmp_path: Path) -> None:
    path = tmp_path / "mixed.a"
    objects = [(ELF / arch / "object.o").read_bytes() for arch in ("x86_64", "aarch64")]
    path.write_bytes(AR_MAGIC + b"".join(member(b"o.o/", data) for data in objects))
    assert [f.id for f in verify_path(path, DEFAULT).findings] == ["archive-mixed"]


def test_intermediate_code_and_text_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "other.a"
    path.write_bytes(AR_MAGIC + member(b"code.o/", b"BC\xc0\xde1234") + member(b"read.me/", b"hello"))
    report = verify_path(path, DEFAULT)
    assert [f.id for f in report.findings] == ["archive-empty", "archive-bitcode"]
    assert report.facts.static is not None
    assert report.facts.static.other == ("code.o", "read.me")


def test_long_names_are_read() -> None:
    names = b"a_file_with_a_very_long_name.o/\n"
    data = AR_MAGIC + member(b"//", names) + member(b"/0", b"x")
    assert [each.name for each in members(data, "a.a")] == ["a_file_with_a_very_long_name.o"]


def test_a_thin_archive_has_nothing_to_verify(tmp_path: Path) -> None:
    path = tmp_path / "thin.a"
    path.write_bytes(b"!<thin>\n")
    with pytest.raises(UsageError, match="a thin archive") as caught:
        verify_path(path, DEFAULT)
    assert caught.value.hint


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_damaged_archives_are_told_of(arch: str, tmp_path: Path) -> None:
    whole = (ELF / arch / "objects.a").read_bytes()
    path, generator, refused = tmp_path / "a.a", random.Random(2), 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(generator.randint(1, 6)):
            data[generator.randrange(8, len(data))] = generator.randrange(256)
        path.write_bytes(data[: generator.choice([len(data), generator.randrange(8, len(data))])])
        try:
            verify_path(path, DEFAULT)
        except (VerificationError, UsageError):
            refused += 1
    assert refused > 50
