"""Which package each ELF file of an image belongs to, by the records that scanners read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.images import Image, Member, docker_archive, folder, program, symlink
from tests.support.plans import PROJECT
from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.artifacts.image.owners import elf_files, owners
from tfbuild.verify.report import VerifyReport
from tfbuild.verify.verify import load_policy, verify_path

CODE = (PROJECT / "tests" / "data" / "elf" / "x86_64" / "good.so").read_bytes()
LIBRARY, MODULE = "usr/lib/x86_64-linux-gnu/libz.so.1", "usr/lib/python3/dist-packages/numpy/core.so"
SUM = "0" * 32
CODE_FILES = [program(LIBRARY, CODE), program(MODULE, CODE), program("opt/own.so", CODE)]


def saved(tmp_path: Path, *members: Member) -> Path:
    return docker_archive(tmp_path / "i.tar", Image([list(members)], {"User": "1"}))


def read(path: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    with ImageArchive(path) as archive:
        return elf_files(archive), dict(owners(archive))


def text(name: str, content: str) -> Member:
    return Member(name, content.encode())


@pytest.mark.parametrize(
    "record",
    [
        text("var/lib/dpkg/status.d/zlib1g.md5sums", f"{SUM}  {LIBRARY}\n"),
        text("var/lib/dpkg/info/zlib1g:amd64.list", f"/.\n/usr\n/{LIBRARY}\n"),
        text("var/lib/dpkg/info/zlib1g.md5sums", f"{SUM}  lib/x86_64-linux-gnu/libz.so.1\n"),
    ],
    ids=["distroless", "dpkg", "before the merge of /usr"],
)
def test_records_of_dpkg_own_their_files(record: Member, tmp_path: Path) -> None:
    found, known = read(saved(tmp_path, folder("usr/lib"), symlink("lib", "usr/lib"), *CODE_FILES, record))
    assert found == ("/opt/own.so", f"/{MODULE}", f"/{LIBRARY}")
    assert known[f"/{LIBRARY}"] == "zlib1g"
    assert f"/{MODULE}" not in known


def test_the_record_of_a_wheel_owns_its_files(tmp_path: Path) -> None:
    record = text(
        "usr/lib/python3/dist-packages/numpy-2.1.0.dist-info/RECORD",
        "numpy/core.so,sha256=x,1\n../../../bin/f2py,,\n\n",
    )
    _, known = read(saved(tmp_path, *CODE_FILES, program("usr/bin/f2py", b"#!"), record))
    assert known == {f"/{MODULE}": "numpy-2.1.0", "/usr/bin/f2py": "numpy-2.1.0"}


def verified(path: Path) -> VerifyReport:
    return verify_path(path, load_policy(PROJECT))


def test_a_file_that_nobody_owns_is_a_finding(tmp_path: Path) -> None:
    record = text("var/lib/dpkg/status.d/zlib1g.md5sums", f"{SUM}  {LIBRARY}\n")
    path = saved(tmp_path, *CODE_FILES, record)
    (found,) = (each for each in verified(path).findings if each.id == "image-owner")
    assert found.evidence == ("/opt/own.so", f"/{MODULE}")
    assert found.severity == "warning"
    assert found.fix


def bill(*files: tuple[str, bytes], place: str = "var/lib/db/sbom/own.cdx.json") -> Member:
    parts = [
        {
            "type": "file",
            "name": name,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(data).hexdigest()}],
        }
        for name, data in files
    ]
    component = {"type": "library", "name": "mine", "components": parts}
    return text(place, json.dumps({"bomFormat": "CycloneDX", "metadata": {"component": component}}))


def test_a_bill_owns_the_files_that_have_their_hash(tmp_path: Path) -> None:
    """Not one that was changed since, whatever the bill says."""
    record = text("var/lib/dpkg/status.d/zlib1g.md5sums", f"{SUM}  {LIBRARY}\n")
    other = replace(CODE_FILES[1], data=CODE + b"\0")
    claims = bill(("/opt/own.so", CODE), (f"/{MODULE}", CODE), ("/gone", b""), (f"/{LIBRARY}", CODE))
    path = saved(tmp_path, CODE_FILES[0], other, CODE_FILES[2], record, claims)
    assert read(path)[1] == {f"/{LIBRARY}": "zlib1g", "/opt/own.so": "mine"}
    (found,) = (each for each in verified(path).findings if each.id == "image-owner")
    assert found.evidence == (f"/{MODULE}",)


def test_a_bill_elsewhere_is_no_record(tmp_path: Path) -> None:
    _, known = read(saved(tmp_path, *CODE_FILES, bill(("/opt/own.so", CODE), place="srv/own.cdx.json")))
    assert known == {}


def test_an_image_without_any_record_is_not_judged(tmp_path: Path) -> None:
    assert not [each for each in verified(saved(tmp_path, *CODE_FILES)).findings if each.id == "image-owner"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(content=st.text(max_size=200), name=st.sampled_from(["status.d/a.md5sums", "info/a.list"]))
def test_any_record_is_read(content: str, name: str, tmp_path: Path) -> None:
    members = [text(f"var/lib/dpkg/{name}", content), text("x/a.dist-info/RECORD", content)]
    members += [text("var/lib/db/sbom/a.cdx.json", content)]
    _, known = read(saved(tmp_path, *CODE_FILES, *members))
    assert all(path.startswith("/") for path in known)


NOTHING = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
WORDS = st.sampled_from(["name", "components", "metadata", "component", "type", "hashes", "alg", "content"])
DOCUMENTS = st.recursive(
    NOTHING,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(document=DOCUMENTS)
def test_any_bill_is_read(document: Any, tmp_path: Path) -> None:
    record = text("var/lib/db/sbom/a.cdx.json", json.dumps(document))
    assert read(saved(tmp_path, *CODE_FILES, record))[1] == {}
