"""One verification from path to report: the kinds of subject, exit codes, prose, and JSON."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import jsonschema
import pytest

from tests.support.images import Image, Member, docker_archive, oci_archive, program, tar_bytes
from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, NothingMatchesError, UsageError, VerificationError
from tfbuild.verify.policy import Context, Policy
from tfbuild.verify.report import NamedPolicy, SubjectKind, VerifyReport
from tfbuild.verify.text import render
from tfbuild.verify.verify import load_policy, verify, verify_path

ROOT = Path(__file__).parents[3]
ELF = ROOT / "tests" / "data" / "elf"
SCHEMA = json.loads((ROOT / "schemas" / "verify.schema.json").read_text())
DEFAULT = load_policy(ROOT)
STRICT = NamedPolicy(
    "strict",
    Policy.model_validate(
        {
            "description": "test",
            "elf": {"require_stripped": True},
            "roles": {
                "c": {"files": ["libtensorflowlite_c.so"], "soname": "libtensorflowlite_c.so"},
                "tool": {"files": ["benchmark_model"]},
            },
            "image": {"closure": ["/*"]},
        }
    ),
)


def ids(report: VerifyReport) -> list[str]:
    return [finding.id for finding in report.findings]


def checked(report: VerifyReport) -> VerifyReport:
    """The report, whose JSON follows the published schema and survives being written."""
    document = json.loads(json.dumps(dump(report)))
    jsonschema.validate(document, SCHEMA)
    assert document["version"] == 1
    assert [f["id"] for f in document["findings"]] == ids(report)
    return report


def no_engine(ref: str, path: Path) -> None:
    raise AssertionError("the engine must not be asked")


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("good.so", SubjectKind.LIBRARY),
        ("pie", SubjectKind.PROGRAM),
        ("static", SubjectKind.PROGRAM),
        ("bad.so.debug", SubjectKind.DEBUG),
    ],
)
def test_files_that_are_in_order(arch: str, name: str, kind: SubjectKind) -> None:
    report = checked(verify(str(ELF / arch / name), DEFAULT, no_engine))
    assert (report.kind, report.findings, report.exit_code) == (kind, (), ExitCode.OK)


def test_warnings_do_not_fail_and_errors_do() -> None:
    mild = checked(verify_path(ELF / "x86_64" / "bad.so", DEFAULT))
    assert {f.severity for f in mild.findings} == {"warning"}
    assert mild.exit_code is ExitCode.OK
    harsh = checked(verify_path(ELF / "x86_64" / "bad.so", STRICT))
    assert harsh.exit_code is ExitCode.VERIFICATION_FAILED


def test_the_prose_says_what_is_needed_and_what_to_do() -> None:
    text = render(verify_path(ELF / "aarch64" / "bad.so", STRICT))
    assert "shared library, arm64, 64 bit" in text
    assert "glibc 2.38 or newer" in text
    assert "because of strlcpy" in text
    assert "asks for an executable stack  [elf-executable-stack]" in text
    assert "fix: link with -Wl,-z,noexecstack" in text
    assert text.endswith("FAILED: 4 errors.\n")
    assert render(verify_path(ELF / "aarch64" / "good.so", STRICT)).endswith("OK: nothing found.\n")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\x1f\x8b\x08", "compressed with gzip"),
        (b"#!/bin/sh\n", "cannot be verified"),
        (b"", "cannot be verified"),
        (tar_bytes([Member("etc/passwd", b"x")]), "a tar file without an image"),
    ],
)
def test_what_cannot_be_verified_is_named(tmp_path: Path, start: bytes, words: str) -> None:
    path = tmp_path / "thing"
    path.write_bytes(start)
    with pytest.raises(UsageError) as caught:
        verify(str(path), DEFAULT, no_engine)
    assert words in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code is ExitCode.USAGE


@pytest.mark.parametrize("name", ["truncated.so", "header-only.so", "wrong-class.so"])
def test_damaged_files_fail_the_verification(name: str) -> None:
    with pytest.raises(VerificationError) as caught:
        verify_path(ELF / "broken" / name, DEFAULT)
    assert caught.value.exit_code is ExitCode.VERIFICATION_FAILED


# --- dist folders -----------------------------------------------------------------------------


def write_sums(folder: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder)}\n" for p in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "dist" / "tflite" / "2.14.1" / "opt" / "amd64"
    for part in ("lib/pkgconfig", "bin", "include", "logs"):
        (folder / part).mkdir(parents=True)
    shutil.copy(ELF / "x86_64" / "good.so", folder / "lib" / "libtensorflowlite_c.so")
    shutil.copy(ELF / "x86_64" / "pie", folder / "bin" / "benchmark_model")
    (folder / "lib" / "pkgconfig" / "tflite.pc").write_text("Name: tflite\n")
    (folder / "include" / "c_api.h").write_text("/* */\n")
    (folder / "logs" / "01-fetch.log").write_text("log\n")
    write_sums(folder)
    return folder


def test_a_whole_dist_folder(dist: Path) -> None:
    report = checked(verify_path(dist, STRICT))
    assert (report.kind, report.findings) == (SubjectKind.DIST, ())
    assert [Path(facts.path).name for facts in report.facts.elf] == [
        "benchmark_model",
        "libtensorflowlite_c.so",
    ]
    assert report.facts.checksums is not None
    assert (report.facts.checksums.listed, report.facts.checksums.equal) == (5, 5)
    assert "SHA256SUMS: 5 of 5" in render(report)


def test_the_instructions_of_what_a_policy_names_are_not_read_and_that_is_told(dist: Path) -> None:
    rules = STRICT.policy.model_dump()
    rules["elf"]["unmeasured"] = ["libtensorflowlite_c.so"]
    report = checked(verify_path(dist, NamedPolicy("large", Policy.model_validate(rules))))
    measured = {Path(facts.path).name: facts.isa is not None for facts in report.facts.elf}
    assert measured == {"benchmark_model": True, "libtensorflowlite_c.so": False}
    assert report.facts.runs_on is not None
    assert "libtensorflowlite_c.so not measured, being too large" in report.facts.runs_on.cpus


def test_every_difference_from_the_sums_is_an_error(dist: Path) -> None:
    (dist / "include" / "c_api.h").write_text("/* changed */\n")
    (dist / "logs" / "01-fetch.log").unlink()
    (dist / "lib" / "extra").write_text("x")
    with (dist / "SHA256SUMS").open("a") as file:
        file.write("not a line\n" + "0" * 64 + "  ../outside\n" + "0" * 64 + "  /etc/passwd\n")
    report = checked(verify_path(dist, STRICT))
    assert sorted(ids(report)) == [
        "dist-checksum",
        "dist-missing",
        "dist-sums",
        "dist-sums",
        "dist-sums",
        "dist-unlisted",
    ]
    assert report.exit_code is ExitCode.VERIFICATION_FAILED


def test_a_link_out_of_the_folder_is_not_followed(dist: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("/* */\n")
    (dist / "include" / "c_api.h").unlink()
    (dist / "include" / "c_api.h").symlink_to(outside)
    assert ids(checked(verify_path(dist, STRICT))) == ["dist-checksum"]


def test_a_folder_without_sums_fails_unless_it_is_still_being_made(dist: Path) -> None:
    (dist / "SHA256SUMS").unlink()
    assert ids(checked(verify_path(dist, STRICT))) == ["dist-sums"]
    assert verify_path(dist, STRICT, checksums=False).findings == ()


def test_the_folders_name_tells_the_architecture(dist: Path) -> None:
    shutil.copy(ELF / "aarch64" / "pie", dist / "bin" / "benchmark_model")
    write_sums(dist)
    assert ids(checked(verify_path(dist, STRICT))) == ["elf-machine"]
    assert ids(verify_path(dist, STRICT, context=Context(arch=Arch.ARM64))) == ["elf-machine"]


def test_damaged_and_missing_libraries_of_a_dist_folder(dist: Path) -> None:
    (dist / "bin" / "benchmark_model").unlink()
    library = dist / "lib" / "libtensorflowlite_c.so"
    library.write_bytes(library.read_bytes()[:300])
    write_sums(dist)
    assert ids(checked(verify_path(dist, STRICT))) == ["elf-damaged", "dist-nothing"]


def test_any_other_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a dist folder"):
        verify_path(tmp_path, DEFAULT)


# --- images -----------------------------------------------------------------------------------


def app_image(libc: str = "libc.so.6", arch: str = "x86_64") -> Image:
    loader = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}[arch]
    source = ELF / arch
    layer = [
        program("usr/bin/benchmark_model", (source / "pie").read_bytes()),
        program("usr/lib/libtensorflowlite_c.so", (source / "good.so").read_bytes()),
        program("usr/lib/libc.so.6", (source / libc).read_bytes()),
        program(loader, (source / "static").read_bytes()),
    ]
    return Image([layer], {"User": "65532", "Entrypoint": ["benchmark_model"], "Env": ["PATH=/bin:/usr/bin"]})


def test_an_image_archive_that_is_complete(tmp_path: Path) -> None:
    report = checked(verify_path(oci_archive(tmp_path / "i.tar", app_image()), STRICT))
    assert (report.kind, report.findings) == (SubjectKind.ARCHIVE, ())
    assert [f.path for f in report.facts.elf] == [
        "/usr/bin/benchmark_model",
        "/usr/lib/libtensorflowlite_c.so",
    ]
    text = render(report)
    assert "Image for linux/amd64" in text
    assert "all of them there" in text


def test_an_image_whose_libc_is_too_old(tmp_path: Path) -> None:
    report = checked(verify_path(docker_archive(tmp_path / "i.tar", app_image("libc-old.so.6")), DEFAULT))
    assert ids(report) == ["image-version-missing"]
    assert "GLIBC_2.38" in report.findings[0].evidence[0]


def test_libraries_of_another_machine_than_the_images(tmp_path: Path) -> None:
    report = checked(verify_path(docker_archive(tmp_path / "i.tar", app_image(arch="aarch64")), STRICT))
    assert ids(report) == ["elf-machine", "elf-machine"]  # the configuration says amd64


def test_an_image_without_our_files_or_with_a_damaged_one(tmp_path: Path) -> None:
    layer = [program("usr/lib/other.so", (ELF / "x86_64" / "good.so").read_bytes()[:300])]
    path = docker_archive(tmp_path / "i.tar", Image([layer], {"User": "1"}))
    assert ids(checked(verify_path(path, STRICT))) == ["elf-damaged", "image-nothing"]


def test_an_image_in_the_engine_is_saved_and_called_by_its_name(tmp_path: Path) -> None:
    saved: list[Path] = []

    def save(ref: str, path: Path) -> None:
        assert ref == "tfbuild/tflite:2.14.1-opt-amd64"
        docker_archive(path, app_image())
        saved.append(path)

    report = checked(verify("tfbuild/tflite:2.14.1-opt-amd64", STRICT, save))
    assert (report.kind, report.subject) == (SubjectKind.IMAGE, "tfbuild/tflite:2.14.1-opt-amd64")
    assert not saved[0].exists()


def test_an_image_that_the_engine_does_not_have() -> None:
    def save(ref: str, path: Path) -> None:
        raise NothingMatchesError(f"no image {ref}")

    with pytest.raises(NothingMatchesError):
        verify("no/such:image", DEFAULT, save)


@pytest.mark.parametrize("target", ["./dist/x", "/nowhere/at/all", "libfoo.so", "image.tar"])
def test_a_path_that_is_not_there_is_not_taken_for_an_image(target: str) -> None:
    with pytest.raises(UsageError, match="no file or folder"):
        verify(target, DEFAULT, no_engine)


def test_the_schema_asks_for_every_part_of_a_report() -> None:
    document = dump(verify_path(ELF / "x86_64" / "good.so", DEFAULT))
    for key in document:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({k: v for k, v in document.items() if k != key}, SCHEMA)


def test_every_cut_of_an_archive_is_an_expected_error(tmp_path: Path) -> None:
    path = tmp_path / "i.tar"
    whole = docker_archive(path, app_image()).read_bytes()
    # The rest of a tar is padding, so cut where there still is content.
    for length in range(0, len(whole.rstrip(b"\0")), 499):
        path.write_bytes(whole[:length])
        with pytest.raises((UsageError, VerificationError)):
            verify_path(path, STRICT)
