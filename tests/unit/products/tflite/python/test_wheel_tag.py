"""The platform tag of a wheel that was just built: from what its libraries need, wherever it stands."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tests.support.plans import PROJECT
from tests.support.wheels import make_wheel
from tfbuild.artifacts.wheel import Wheel
from tfbuild.base.errors import PackagingError
from tfbuild.products.tflite.python.tag import fitting_platform, retag
from tfbuild.verify.verify import load_policy, verify_path

ELF = PROJECT / "tests" / "data" / "elf"


def library(machine: str = "x86_64", name: str = "good.so") -> dict[str, bytes]:
    return {"tflite_runtime/module.so": (ELF / machine / name).read_bytes()}


@pytest.mark.parametrize(("machine", "arch"), [("x86_64", "amd64"), ("aarch64", "arm64")])
def test_the_tag_is_what_verify_says_that_fits(tmp_path: Path, machine: str, arch: str) -> None:
    made = make_wheel(tmp_path, library(machine), platform=f"linux_{machine}")
    platform = fitting_platform(made)
    assert platform.startswith("manylinux_2_")
    assert platform.endswith(machine)
    report = verify_path(made, load_policy(PROJECT))
    assert report.facts.tag is not None
    assert report.facts.tag.fits == platform
    final = retag(made, tmp_path, platform)
    assert final.name == f"tflite_runtime-2.14.0-cp311-cp311-{platform}.whl"
    findings = {each.id for each in verify_path(final, load_policy(PROJECT)).findings}
    assert not {each for each in findings if each.startswith("wheel-")}


def test_a_library_that_no_tag_allows_leaves_the_bare_platform(tmp_path: Path) -> None:
    data = (ELF / "x86_64" / "good.so").read_bytes()
    assert b"libc.so.6\0" in data
    foreign = {"tflite_runtime/module.so": data.replace(b"libc.so.6\0", b"libq.so.6\0")}
    assert fitting_platform(make_wheel(tmp_path, foreign)) == "linux_x86_64"


def test_every_document_says_the_tag_and_the_rest_stays(tmp_path: Path) -> None:
    files = {**library(), "tflite_runtime/__init__.py": b"x = 1\n"}
    made = make_wheel(tmp_path, files, platform="linux_x86_64")
    final = retag(made, tmp_path, "manylinux_2_41_x86_64")
    with Wheel(final) as wheel:
        facts = wheel.facts()
    assert (facts.altered, facts.tags) == ((), ("manylinux_2_41_x86_64",))
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(final) as new:
        assert sorted(old.namelist()) == sorted(new.namelist())
        assert new.namelist()[-1].endswith("/RECORD")
        changed = {name for name in old.namelist() if old.read(name) != new.read(name)}
        assert {name.rpartition("/")[2] for name in changed} == {"WHEEL", "RECORD"}
        (document,) = (name for name in changed if name.endswith("WHEEL"))
        assert b"Tag: cp311-cp311-manylinux_2_41_x86_64\n" in new.read(document)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    made = make_wheel(tmp_path, library(), platform="linux_x86_64")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (retag(made, tmp_path / name, "manylinux_2_41_x86_64") for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_a_wheel_without_libraries_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match="has no libraries"):
        fitting_platform(make_wheel(tmp_path, {"tflite_runtime/__init__.py": b""}))
