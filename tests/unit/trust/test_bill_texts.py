"""Bills of materials as SPDX and CycloneDX: valid whatever names come, the same bytes for the same bill."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.bills import (
    bill,
    component,
    owners_in_cyclonedx,
    require_valid_cyclonedx,
    require_valid_spdx,
)
from tfbuild.trust.bill import Kind, OwnedFile, Role, component_ids, merged, repository_purl
from tfbuild.trust.cyclonedx import cyclonedx_text
from tfbuild.trust.known import cpe_of
from tfbuild.trust.licenses import known_license
from tfbuild.trust.spdx import spdx_text

PROJECT = Path(__file__).resolve().parents[3]


def spdx_of(folder: Path, *components: Any, **changes: Any) -> dict[str, Any]:
    path = folder / "sbom.spdx.json"
    path.write_text(spdx_text(bill(*components, **changes)), encoding="utf-8")
    return require_valid_spdx(path)


def relations(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    elements = (*document["packages"], *document["files"])
    names = {each["SPDXID"]: each.get("name") or each["fileName"] for each in elements}
    return {
        (names.get(each["spdxElementId"], ""), each["relationshipType"], names[each["relatedSpdxElement"]])
        for each in document["relationships"]
    }


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (Role.SOURCE, ("tool-1.0-opt-amd64", "GENERATED_FROM", "x")),
        (Role.STATIC, ("tool-1.0-opt-amd64", "STATIC_LINK", "x")),
        (Role.DYNAMIC, ("tool-1.0-opt-amd64", "DYNAMIC_LINK", "x")),
        (Role.CONTAINED, ("tool-1.0-opt-amd64", "CONTAINS", "x")),
        (Role.IN_IMAGE, ("tool:1.0", "CONTAINS", "x")),
        (Role.TOOL, ("x", "BUILD_TOOL_OF", "tool-1.0-opt-amd64")),
        (Role.PATCH, ("x", "PATCH_FOR", "tool-1.0-opt-amd64")),
    ],
)
def test_spdx_says_what_each_component_is_to_the_result(
    role: Role, expected: tuple[str, str, str], tmp_path: Path
) -> None:
    assert expected in relations(spdx_of(tmp_path, component("x", roles=(role,))))


def test_a_debian_package_names_the_source_package_that_scanners_ask_for(tmp_path: Path) -> None:
    document = spdx_of(tmp_path, component("libabsl1"), component("libabsl2"))
    (source,) = [each for each in document["packages"] if each["name"] == "abseil"]
    assert source["externalRefs"][0]["referenceLocator"] == "pkg:deb/debian/abseil@20240722.0-4?arch=source"
    told = relations(document)
    assert {("libabsl1", "GENERATED_FROM", "abseil"), ("libabsl2", "GENERATED_FROM", "abseil")} <= told
    cyclone = require_valid_cyclonedx(cyclonedx_text(bill(component("libabsl1"))))
    (package,) = [each for each in cyclone["components"] if each["name"] == "libabsl1"]
    assert package["purl"] == "pkg:deb/debian/libabsl1@20240722.0-4?arch=amd64&distro=trixie"
    assert [each["name"] for each in package["pedigree"]["ancestors"]] == ["abseil"]


def test_each_file_has_its_owner_in_both_forms(tmp_path: Path) -> None:
    package = component("libabsl1", roles=(Role.CONTAINED,))
    copy = OwnedFile(path="lib/libabsl.so.1", size=1, sha256="5" * 64, sha1="6" * 40, owner=package.purl)
    own = OwnedFile(path="lib/libtool.so", size=1, sha256="7" * 64, sha1="8" * 40, owner=None)
    files = {"files": (copy, own)}
    told = relations(spdx_of(tmp_path, package, **files))
    assert ("./lib/libabsl.so.1", "EXPANDED_FROM_ARCHIVE", "libabsl1") in told
    assert ("tool-1.0-opt-amd64", "CONTAINS", "./lib/libtool.so") in told
    cyclone = require_valid_cyclonedx(cyclonedx_text(bill(package, **files)))
    owners = {"lib/libabsl.so.1": "libabsl1", "lib/libtool.so": "tool-1.0-opt-amd64"}
    assert owners_in_cyclonedx(cyclone) == owners


def test_what_is_not_listed_is_said(tmp_path: Path) -> None:
    document = spdx_of(tmp_path, unlisted="what Bazel fetches")
    assert document["comment"] == "Not listed: what Bazel fetches."
    cyclone = require_valid_cyclonedx(cyclonedx_text(bill(unlisted="what Bazel fetches")))
    assert cyclone["metadata"]["properties"] == [{"name": "tfbuild:unlisted", "value": "what Bazel fetches"}]


def test_a_licence_of_its_own_has_its_place(tmp_path: Path) -> None:
    own = component("fft2d", license="LicenseRef-Ooura", license_file="share/licenses/fft2d", source=None)
    (told,) = spdx_of(tmp_path, own)["hasExtractedLicensingInfos"]
    assert told["licenseId"] == "LicenseRef-Ooura"
    assert "share/licenses/fft2d" in told["extractedText"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Apache-2.0", "Apache-2.0"),
        ("MIT AND (BSD-2-Clause OR Apache-2.0)", "MIT AND (BSD-2-Clause OR Apache-2.0)"),
        ("LicenseRef-Ooura", "LicenseRef-Ooura"),
        ("Apache Software License", ""),
        ("Proprietary", ""),
        ("MIT AND", ""),
        ("", ""),
    ],
)
def test_only_licences_that_spdx_knows_are_stated(text: str, expected: str) -> None:
    assert known_license(text) == expected


ODD = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=30)
# To the NTIA a name or a version of blanks alone is none.
NAMED = ODD.filter(str.strip)


@pytest.mark.parametrize("name", [" ", "/", " / ", "/ /", "\u3000"])
def test_a_name_of_blanks_has_a_package_url_all_the_same(name: str) -> None:
    assert repository_purl("", name, "1") == "pkg:generic/unnamed@1"


@settings(max_examples=60)
@given(
    name=NAMED, version=NAMED, supplier=st.sampled_from(["Debian", "Google, Inc."]), license=ODD, note=ODD,
    path=ODD, kind=st.sampled_from(sorted(Kind)), roles=st.sets(st.sampled_from(sorted(Role)), min_size=1),
)  # fmt: skip
def test_both_documents_are_valid_whatever_names_come(
    name: str, version: str, supplier: str, license: str, note: str, path: str, kind: Kind, roles: set[Role]
) -> None:
    odd = component(
        name,
        version=version,
        supplier=supplier,
        license=license,
        note=note,
        kind=kind,
        roles=tuple(roles),
        purl=repository_purl("", name, version),
    )
    file = OwnedFile(path=f"lib/{path}", size=1, sha256="7" * 64, sha1="8" * 40, owner=odd.purl)
    with tempfile.TemporaryDirectory() as folder:
        spdx_of(Path(folder), odd, files=(file,))
    require_valid_cyclonedx(cyclonedx_text(bill(odd, files=(file,))))


@given(names=st.lists(st.sampled_from(["a b", "a-b", "a_b", "a--b", "a b-2"]), min_size=1, max_size=6))
def test_ids_are_unique_whatever_is_replaced_in_them(names: list[str]) -> None:
    one = bill(*merged(component(name) for name in names))
    ids = component_ids(one)
    assert len(set(ids.values())) == len(ids) == len(set(names)) + 2


def test_one_thing_in_two_roles_is_one_component() -> None:
    (one,) = merged([component(roles=(Role.IN_IMAGE,)), component(roles=(Role.CONTAINED,))])
    assert one.roles == (Role.CONTAINED, Role.IN_IMAGE)


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("https://github.com/google/XNNPACK", "pkg:github/google/xnnpack@1"),
        ("https://github.com/google/ruy.git", "pkg:github/google/ruy@1"),
        ("https://gitlab.com/libeigen/eigen", "pkg:gitlab/libeigen/eigen@1"),
        ("https://example.com/a/b", "pkg:generic/x@1"),
        ("", "pkg:generic/x@1"),
    ],
)
def test_a_repository_has_a_package_url(repository: str, expected: str) -> None:
    assert repository_purl(repository, "x", "1") == expected


def test_a_cpe_is_told_of_released_versions_that_are_certain() -> None:
    assert cpe_of("tensorflow", "v2.14.1") == "cpe:2.3:a:google:tensorflow:2.14.1:*:*:*:*:*:*:*"
    assert cpe_of("tensorflow", "0d859a811870d10f53a594927d0d0b97573ad06d") == ""
    assert cpe_of("nobody-knows", "1.0") == ""


@pytest.mark.real_processes
def test_the_same_bill_gives_the_same_bytes_in_any_process() -> None:
    program = (
        "from tests.support.bills import bill, component; import sys;"
        "from tfbuild.trust.spdx import spdx_text; from tfbuild.trust.cyclonedx import cyclonedx_text;"
        "one = bill(component('a'), component('b', license='MIT AND Zlib'), component('c'));"
        "sys.stdout.write(spdx_text(one) + cyclonedx_text(one))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(PROJECT), "TZ": zone},
            check=True,
            capture_output=True,
        ).stdout
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"), ("3", "America/New_York"))
    }
    assert len(outputs) == 1
