"""A diagnosis finds exactly the fault that an image has, says why, and finds nothing in a sound one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import jsonschema
import pytest

from tests.support.diagnosing import diagnose_case, effects
from tests.support.diagnosis import AMD64, CASES, SITE, distribution, speaking
from tests.support.images import Image, Member, docker_archive, oci_archive
from tests.support.plans import PROJECT
from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, UsageError, VerificationError
from tfbuild.diagnose.catalog import CATALOG
from tfbuild.diagnose.diagnose import diagnose
from tfbuild.diagnose.host import TargetHost
from tfbuild.diagnose.report import render

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((PROJECT / "schemas" / "diagnose.schema.json").read_text())
)


@pytest.mark.parametrize("name", CASES)
def test_each_image_has_exactly_its_fault(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    report = diagnose_case(case, tmp_path)
    assert [f.id for f in report.findings] == ([case.finding] if case.finding else []), render(report)
    if not case.finding:
        assert report.exit_code is ExitCode.OK
        return
    found = report.findings[0]
    assert found.severity.value == case.severity
    assert report.exit_code is (ExitCode.VERIFICATION_FAILED if case.severity == "error" else ExitCode.OK)
    assert case.says in "\n".join((found.title, *found.evidence, found.fix))
    assert found.cause
    assert found.evidence
    SCHEMA.validate(dump(report))


def test_every_finding_of_an_image_has_an_image() -> None:
    runs_only = {id for id in CATALOG if id.startswith("run-")} | {"operation-seccomp"}
    runs_only |= {"python-module-missing"}
    assert {case.finding for case in CASES.values() if case.finding} == set(CATALOG) - runs_only


def test_the_text_names_what_was_looked_at_and_counts(tmp_path: Path) -> None:
    text = render(diagnose_case(CASES["NumPy too new"], tmp_path))
    assert "tensorflow 2.18.0, keras 3.8.0, numpy 2.3.0, protobuf 5.29.3" in text
    assert "error: tensorflow and numpy do not go together  [python-requirements]" in text
    assert "fix: pip install 'numpy<2.2.0,>=1.26.0'" in text
    assert text.endswith("1 finding that will fail.\n")
    assert render(diagnose_case(CASES["clean"], tmp_path)).endswith("Nothing found.\n")


def test_an_archive_is_judged_but_not_run(tmp_path: Path) -> None:
    for write in (docker_archive, oci_archive):
        report = diagnose(str(write(tmp_path / "image.tar", CASES["clean"].image())), effects())
        assert report.kind == "image archive"
        assert report.findings == ()
        assert "docker load" in str(report.runs[0].skipped)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    for target in (str(text), str(tmp_path), str(tmp_path / "none.tar"), "./none"):
        with pytest.raises(UsageError):
            diagnose(target, effects())


def test_a_damaged_archive_is_told_apart(tmp_path: Path) -> None:
    file = docker_archive(tmp_path / "image.tar", CASES["clean"].image())
    data = bytearray(file.read_bytes())
    at = data.index(gzip.compress(b"")[:4]) + 40
    data[at : at + 20] = bytes(20)
    file.write_bytes(data)
    with pytest.raises(VerificationError, match="damaged"):
        diagnose(str(file), effects())


def environment_image(*members: Member) -> Image:
    return Image([[Member(f"{SITE}/tensorflow/__init__.py"), *members]], {"User": "1"})


def ids(image: Image, folder: Path, host: TargetHost = AMD64) -> list[str]:
    return [f.id for f in diagnose(str(docker_archive(folder / "i.tar", image)), effects(host)).findings]


def test_a_name_for_another_platforms_package_is_not_a_second_tensorflow(tmp_path: Path) -> None:
    """On aarch64, tensorflow 2.13 is a name for tensorflow-cpu-aws."""
    alias = distribution("tensorflow", "2.13.0", "tensorflow-cpu-aws==2.13.0", "numpy<3")
    record = Member(f"{SITE}/tensorflow-2.13.0.dist-info/RECORD", b"x")
    real = distribution("tensorflow-cpu-aws", "2.13.0", "numpy<3")
    assert ids(environment_image(alias, record, real, distribution("numpy", "1.24")), tmp_path) == []


def test_two_folders_of_one_python_are_looked_at_together(tmp_path: Path) -> None:
    debian, local = "usr/lib/python3/dist-packages", "usr/local/lib/python3.11/dist-packages"
    image = Image(
        [
            [
                Member("usr/bin/python3.11", b"x", 0o755),
                Member(f"{local}/tensorflow/__init__.py"),
                distribution("tensorflow", "2.18.0", "numpy>=1.26", site=local),
                distribution("numpy", "1.24.2", site=debian),
            ]
        ],
        {"User": "1"},
    )
    assert ids(image, tmp_path) == ["python-requirements"]


def test_unreadable_metadata_is_passed_over(tmp_path: Path) -> None:
    odd = (
        Member(f"{SITE}/odd-1.dist-info/METADATA", b"\xff\xfe\x00"),
        distribution("tensorflow", "not a version", "numpy (((", "keras>=3; python_version >= '4'"),
        Member("models/saved_model.pb", b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        Member("models/a.h5", b"\x89HDF\r\n\x1a\n"),
        Member("models/a.keras", b"PK\x03\x04"),
        Member(f"{SITE}/tensorflow/python/platform/build_info.py", b"build_info = (((("),
    )
    assert ids(environment_image(*odd), tmp_path) == []


def test_a_machine_that_speaks_another_language_gets_no_advice_on_flags(tmp_path: Path) -> None:
    image = speaking("", "0")
    assert ids(image, tmp_path) == []
