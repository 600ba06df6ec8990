"""Files that are not understood are named as such, and a verdict says how far it reaches."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest

from tests.support.images import Image, Member, docker_archive, program
from tests.support.wheels import make_wheel
from tfbuild.artifacts.foreign import (
    CLASS,
    DEB,
    MACHO,
    MODEL,
    PE,
    RPM,
    STATIC,
    ZIP,
    count_foreign,
    is_text,
    kind_of,
)
from tfbuild.artifacts.whole_file import read_whole
from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode, TfBuildError, UsageError, VerificationError
from tfbuild.base.project import PROJECT
from tfbuild.verify.report import SubjectKind, VerifyReport
from tfbuild.verify.text import render
from tfbuild.verify.verify import load_policy, verify, verify_path

ELF = PROJECT / "tests" / "data" / "elf"
SCHEMA = json.loads((PROJECT / "schemas" / "verify.schema.json").read_text())
DEFAULT = load_policy(PROJECT)

WINDOWS = b"MZ" + bytes(58) + (128).to_bytes(4, "little") + bytes(64) + b"PE\0\0" + bytes(60)
MACOS = bytes.fromhex("cffaedfe0c000001") + bytes(100)
MACOS_BOTH = bytes.fromhex("cafebabe00000002") + bytes(100)
JAVA = bytes.fromhex("cafebabe00000041") + bytes(100)


def checked(path: Path) -> VerifyReport:
    report = verify_path(path, DEFAULT)
    jsonschema.validate(json.loads(json.dumps(dump(report))), SCHEMA)
    return report


def last_line(report: VerifyReport) -> str:
    return render(report).splitlines()[-1]


def zip_of(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("head", "name", "kind"),
    [
        (WINDOWS, "a.dll", PE),
        (b"MZ" + b"a text that begins so" * 20, "a.txt", None),
        (MACOS, "a.so", MACHO),
        (MACOS_BOTH, "a.dylib", MACHO),
        (JAVA, "a.class", CLASS),
        (b"!<arch>\ndebian-binary   ", "a.deb", DEB),
        (b"!<arch>\napi.o/          ", "a.a", STATIC),
        (b"\xed\xab\xee\xdb\x03", "a.rpm", RPM),
        (b"\x1c\0\0\0TFL3\x14\0", "a.tflite", MODEL),
        (b"PK\x03\x04\x14", "a.npz", ZIP),
        (b"\x7fELF\x02", "a.so", None),
        (b"import os\n", "a.py", None),
        (b"", "a", None),
    ],
)
def test_a_kind_is_told_by_the_first_bytes(head: bytes, name: str, kind: object) -> None:
    assert kind_of(head, name) == kind


def test_kinds_are_counted_with_a_few_examples_code_first() -> None:
    files = [(f"{number}.dll", PE) for number in range(5)] + [("a.npz", ZIP)]
    first, second = count_foreign(files)
    assert (first.files, first.code, first.examples) == (5, True, ("0.dll", "1.dll", "2.dll"))
    assert (second.kind, second.code) == ("zip archive", False)


def test_text_is_told_from_data() -> None:
    assert is_text("grüße".encode() * 50)
    assert is_text(("x" * 511 + "ü").encode()[:512])
    assert not is_text(b"\0\1\2")
    assert not is_text(b"")


@pytest.mark.parametrize(
    ("data", "name", "words"),
    [
        (WINDOWS, "tensorflow.dll", "Windows program or library (PE)"),
        (MACOS, "libtensorflowlite_c.dylib", "macOS program or library (Mach-O)"),
        (b"!<arch>\ndebian-binary   0", "tflite.deb", "Debian package (.deb)"),
        (b"\xed\xab\xee\xdb\x03", "tflite.rpm", "RPM package (.rpm)"),
        (b"\x1c\0\0\0TFL3\x14\0", "model.tflite", "TFLite model (.tflite)"),
    ],
)
def test_a_single_file_of_another_world_is_refused_by_its_name(
    tmp_path: Path, data: bytes, name: str, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        verify_path(path, DEFAULT)
    assert f"is a {words}, which is not understood here" in caught.value.message
    assert caught.value.exit_code is ExitCode.USAGE


def test_a_wheel_for_windows_is_never_in_order(tmp_path: Path) -> None:
    """As tensorflow-intel 2.15.0 of win_amd64 is: 9272 files, of which none is an ELF file."""
    files = {
        "tensorflow/python/_pywrap.pyd": WINDOWS,
        "tensorflow/a.dll": WINDOWS,
        "tensorflow/__init__.py": b"",
    }
    report = checked(make_wheel(tmp_path, files, platform="win_amd64"))
    (finding,) = report.findings
    assert (finding.id, finding.severity) == ("file-not-examined", "error")
    assert "2 x Windows program or library (PE)" in finding.message
    assert report.exit_code is ExitCode.VERIFICATION_FAILED
    assert "OK" not in last_line(report)
    (foreign,) = report.facts.foreign
    assert (foreign.files, foreign.code) == (2, True)


def test_a_wheel_that_is_partly_of_another_world_is_judged_as_far_as_it_goes(tmp_path: Path) -> None:
    files = {"pkg/a.so": (ELF / "x86_64" / "good.so").read_bytes(), "pkg/launcher.exe": WINDOWS}
    report = checked(make_wheel(tmp_path, files, platform="manylinux_2_38_x86_64"))
    assert [(each.id, each.severity) for each in report.findings] == [("file-partly-examined", "warning")]
    assert report.exit_code is ExitCode.OK
    assert last_line(report).startswith("OK as far as it was examined: 1 warning. Not examined: 1 x Windows")


def test_launchers_in_a_wheel_of_python_alone_are_told(tmp_path: Path) -> None:
    report = checked(make_wheel(tmp_path, {"pip/t64.exe": WINDOWS, "pip/a.py": b""}, platform="any"))
    assert [each.severity for each in report.findings] == ["warning"]
    assert "Not examined: 1 x Windows" in last_line(report)


def test_static_archives_in_a_wheel_are_told_without_a_warning(tmp_path: Path) -> None:
    files = {
        "pkg/a.so": (ELF / "x86_64" / "good.so").read_bytes(),
        "pkg/lib/libm.a": (ELF / "x86_64" / "objects.a").read_bytes(),
    }
    report = checked(make_wheel(tmp_path, files, platform="manylinux_2_38_x86_64"))
    assert report.findings == ()
    assert last_line(report) == (
        "OK as far as it was examined: nothing found. Not examined: 1 x static archive (.a)."
    )


def test_a_wheel_of_python_alone_is_in_order_and_says_what_that_means(tmp_path: Path) -> None:
    report = checked(make_wheel(tmp_path, {"pkg/__init__.py": b""}, platform="any"))
    assert last_line(report) == "OK: nothing found; no native code in it."


def test_foreign_files_of_a_dist_folder_are_told(tmp_path: Path) -> None:
    folder = tmp_path / "amd64"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "a.so").write_bytes((ELF / "x86_64" / "good.so").read_bytes())
    (folder / "lib" / "b.dylib").write_bytes(MACOS)
    report = verify_path(folder, DEFAULT, checksums=False)
    assert [each.id for each in report.findings] == ["file-partly-examined"]


def test_foreign_files_of_an_image_limit_its_verdict(tmp_path: Path) -> None:
    layer = [program("usr/bin/tool", (ELF / "x86_64" / "static").read_bytes()), Member("opt/a.jar", JAVA)]
    layer.append(Member("opt/b.dll", WINDOWS))
    settings = {"User": "1", "Entrypoint": ["/usr/bin/tool"]}
    report = checked(docker_archive(tmp_path / "i.tar", Image([layer], settings)))
    assert report.findings == ()
    assert {each.kind for each in report.facts.foreign} == {PE.name, CLASS.name}
    assert last_line(report).startswith("OK as far as it was examined: nothing found. Not examined:")


# -- Android -----------------------------------------------------------------------------------------------


def android(arch: str) -> bytes:
    """A library that says it was linked against bionic: its libc has the version LIBC."""
    data = (ELF / arch / "good.so").read_bytes()
    return data.replace(b"libc.so.6\0", b"libc.so\0\0\0").replace(b"GLIBC_2.38\0", b"LIBC_N\0\0\0\0\0")


def test_libraries_in_an_android_package_are_examined(tmp_path: Path) -> None:
    files = {
        "jni/arm64-v8a/libtensorflowlite_jni.so": android("aarch64"),
        "jni/x86_64/libtensorflowlite_jni.so": android("x86_64"),
        "classes.jar": b"PK\x03\x04" + bytes(60),
        "AndroidManifest.xml": b"<manifest/>",
    }
    report = checked(zip_of(tmp_path / "tensorflow-lite-2.14.0.aar", files))
    assert report.kind is SubjectKind.PACKAGE
    assert len(report.facts.elf) == 2
    assert "Java archive (.jar)" in last_line(report)
    text = render(report)
    assert "bionic (Android)" in text
    assert "or newer; Ubuntu" not in text


def test_a_library_in_the_folder_of_another_abi_is_an_error(tmp_path: Path) -> None:
    report = checked(zip_of(tmp_path / "a.aar", {"jni/x86_64/liba.so": android("aarch64")}))
    assert "elf-machine" in [each.id for each in report.findings]
    assert report.facts.runs_on is not None
    assert report.facts.runs_on.distributions == ()
    assert any("bionic" in each for each in report.facts.runs_on.conditions)


def test_a_zip_archive_without_any_library_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no library for Linux or Android; 1 files are a Windows"):
        verify_path(zip_of(tmp_path / "a.zip", {"a.dll": WINDOWS}), DEFAULT)


# -- files that cannot be read to an end -------------------------------------------------------------------


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    def no_engine(ref: str, path: Path) -> None:
        raise AssertionError

    with pytest.raises(UsageError, match="a named pipe, not a regular file"):
        verify(str(tmp_path / "pipe"), DEFAULT, no_engine)
    with pytest.raises(UsageError, match="a device, not a regular file"):
        verify("/dev/zero", DEFAULT, no_engine)


def test_pipes_in_a_dist_folder_do_not_stop_it(tmp_path: Path) -> None:
    folder = tmp_path / "amd64"
    for part in ("lib", "python", "include/tensorflow/lite/core/c"):
        (folder / part).mkdir(parents=True)
    (folder / "lib" / "a.so").write_bytes((ELF / "x86_64" / "good.so").read_bytes())
    for name in ("lib/b.so", "python/c.whl", "include/tensorflow/lite/core/c/c_api.h"):
        os.mkfifo(folder / name)
    assert [Path(each.path).name for each in verify_path(folder, DEFAULT, checksums=False).facts.elf] == [
        "a.so"
    ]


def test_a_file_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.so"
    path.write_bytes((ELF / "x86_64" / "good.so").read_bytes())
    os.truncate(path, 200 * 10**9)
    for read in (read_whole, lambda p: verify_path(p, DEFAULT)):
        with pytest.raises(UsageError, match="has 200 GB"):
            read(path)


def cut(path: Path, size: int) -> Path:
    path.write_bytes(path.read_bytes()[:size])
    return path


def test_whatever_is_cut_off_gives_the_same_exit_code(tmp_path: Path) -> None:
    library = tmp_path / "a.so"
    library.write_bytes((ELF / "x86_64" / "good.so").read_bytes())
    wheel = make_wheel(tmp_path, {"pkg/a.so": library.read_bytes()})
    layer = [program("usr/bin/tool", (ELF / "x86_64" / "good.so").read_bytes())]
    image = docker_archive(tmp_path / "i.tar", Image([layer], compress=bytes))
    whole = wheel.stat().st_size
    for path, size in (
        (library, 3000),
        (wheel, whole // 2),
        (wheel, whole - 9),
        (image, 3000),
        (image, 1024),
    ):
        with pytest.raises(TfBuildError) as caught:
            verify_path(cut(path, size), DEFAULT)
        assert (path.name, caught.value.exit_code) == (path.name, ExitCode.VERIFICATION_FAILED)


def test_a_tar_file_that_ends_between_two_members_is_damaged(tmp_path: Path) -> None:
    whole = docker_archive(tmp_path / "i.tar", Image([[Member("a", b"x" * 100)]], compress=bytes))
    data = whole.read_bytes()
    end = data.index(b"manifest.json")  # the member's header begins with its name
    whole.write_bytes(data[:end])
    with pytest.raises(VerificationError, match="damaged tar archive"):
        verify_path(whole, DEFAULT)
