"""What is newer than a build: packages and their fixes, wheels that were withdrawn, patch releases."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.plans import PROJECT, make_plan
from tfbuild.base.documents import dump
from tfbuild.base.values import Pin
from tfbuild.build.again.updates import (
    FailOn,
    Installed,
    OutdatedDocument,
    Update,
    debian_updates,
    failing,
    outdated_lines,
    pinned_of,
    release_update,
    wheel_projects,
    wheel_updates,
)
from tfbuild.build.dist.manifest import Package
from tfbuild.cli.audit.outdated import published_as
from tfbuild.downloads.debian_versions import Offered
from tfbuild.downloads.index_pages import IndexFile, project_files


def installed(name: str, version: str, *where: Any, arch: str = "amd64") -> Installed:
    package = Package(package=name, version=version, arch=arch, source=f"src-{name}", source_version=version)
    return Installed(package, where or ("image",))


def offered(name: str, version: str, *, security: bool = False, arch: str = "amd64") -> Offered:
    return Offered(name, version, arch, f"src-{name}", version, security)


# -- Debian -------------------------------------------------------------------------------------------------


def test_the_newest_version_is_told_and_whether_it_is_a_fix() -> None:
    updates, unlisted = debian_updates(
        [
            installed("libc6", "2.41-12"),
            installed("libssl", "3.5.1-1"),
            installed("same", "1"),
            installed("older", "2"),
            installed("own", "1"),
        ],
        [
            offered("libc6", "2.41-12+deb13u1"),
            offered("libssl", "3.5.1-1+deb13u2", security=True),
            offered("libssl", "3.5.9-1"),
            offered("same", "1"),
            offered("older", "1", security=True),
        ],
    )
    assert [(each.name, each.newest, each.security) for each in updates] == [
        ("libc6:amd64", "2.41-12+deb13u1", False),
        ("libssl:amd64", "3.5.9-1", True),
    ]
    assert "the image gets files of src-libc6" in updates[0].change
    assert unlisted == ("own:amd64 1",)


def test_another_architecture_is_another_package_and_all_is_every_one() -> None:
    updates, _ = debian_updates(
        [installed("a", "1", arch="arm64"), installed("tzdata", "1", arch="all")],
        [offered("a", "2"), offered("a", "1", arch="arm64"), offered("tzdata", "2", arch="all")],
    )
    assert [each.name for each in updates] == ["tzdata:all"]


def test_what_is_linked_in_has_to_be_built_again() -> None:
    found = debian_updates(
        [installed("libeigen3-dev", "1", "folder", "builder")], [offered("libeigen3-dev", "2")]
    )
    assert "has to be built again" in found[0][0].change


def test_a_pinned_package_of_any_machine_is_found_whatever_machine_the_plan_is_for() -> None:
    pins = {each.package.package: each for each in pinned_of(make_plan())}
    eigen = pins["libeigen3-dev"]
    mine = eigen.package.version
    updates, unlisted = debian_updates([eigen], [offered("libeigen3-dev", mine + "+b1", arch="all")])
    assert [each.newest for each in updates] == [mine + "+b1"]
    assert unlisted == ()


# -- wheels and releases ------------------------------------------------------------------------------------

FILES = (
    IndexFile("numpy-2.1.0-cp313-cp313-linux_x86_64.whl", "wrong metadata"),
    IndexFile("numpy-2.1.2-cp313-cp313-linux_x86_64.whl"),
    IndexFile("numpy-2.1.3rc1-cp313-cp313-linux_x86_64.whl"),
    IndexFile("numpy-2.1.4-cp313-cp313-linux_x86_64.whl", ""),
    IndexFile("numpy-2.2.0-cp313-cp313-linux_x86_64.whl"),
    IndexFile("numpy-2.1.9.tar.gz"),
    IndexFile("odd.whl"),
)


def with_wheel(filename: str) -> Any:
    pin = Pin("numpy", (f"pypi:numpy/{filename}",), "0" * 64, filename)
    return replace(make_plan(), pins=(pin,))


def test_a_withdrawn_wheel_is_told_with_its_reason_and_the_newest_patch() -> None:
    plan = with_wheel("numpy-2.1.0-cp313-cp313-linux_x86_64.whl")
    assert wheel_projects(plan) == ("numpy",)
    (found,) = wheel_updates(plan, {"numpy": FILES})
    assert (found.now, found.newest, found.yanked) == ("2.1.0", "2.1.2", "wrong metadata")


def test_a_release_candidate_a_withdrawn_and_the_next_minor_one_are_no_patch() -> None:
    assert wheel_updates(with_wheel("numpy-2.1.2-cp313-cp313-linux_x86_64.whl"), {"numpy": FILES}) == ()


def test_a_wheel_withdrawn_without_a_reason_and_without_a_successor_is_told() -> None:
    (found,) = wheel_updates(with_wheel("numpy-2.1.4-cp313-cp313-linux_x86_64.whl"), {"numpy": FILES})
    assert (found.newest, found.yanked) == (None, "")


def test_a_newer_patch_of_the_source_is_told() -> None:
    plan = make_plan()  # 2.14.1
    files = [IndexFile(f"tensorflow-{each}-py3-none-any.whl") for each in ("2.14.1", "2.14.2", "2.15.0")]
    (found,) = release_update(plan, "tensorflow", files)
    assert (found.kind, found.now, found.newest) == ("release", "2.14.1", "2.14.2")
    assert release_update(plan, "tensorflow", files[:1]) == ()


@pytest.mark.parametrize(
    ("address", "project"),
    [
        ("https://github.com/tensorflow/tensorflow", "tensorflow"),
        ("https://github.com/tensorflow/serving.git", "tensorflow-serving-api"),
        ("https://github.com/google-ai-edge/LiteRT/", "ai-edge-litert"),
        ("https://example.org/mine", ""),
        ("", ""),
    ],
)
def test_upstream_tells_its_releases_by_its_packages(address: str, project: str) -> None:
    assert published_as(address) == project


def test_stored_pages_of_an_index_tell_what_is_withdrawn() -> None:
    html = (
        b'<html><body><a href="a-1.whl" data-yanked="broken">a-1.whl</a>'
        b'<a href="a-2.whl" data-yanked="">a-2.whl</a><a href="a-3.whl">a-3.whl</a></body></html>'
    )
    wanted = (IndexFile("a-1.whl", "broken"), IndexFile("a-2.whl", ""), IndexFile("a-3.whl"))
    assert project_files(html, "text/html", "https://index.example/a/") == wanted
    page = {
        "meta": {"api-version": "1.0"},
        "name": "a",
        "files": [
            {"filename": "a-1.whl", "url": "a-1.whl", "hashes": {}, "yanked": "broken"},
            {"filename": "a-2.whl", "url": "a-2.whl", "hashes": {}, "yanked": True},
            {"filename": "a-3.whl", "url": "a-3.whl", "hashes": {}, "yanked": False},
        ],
    }
    text = json.dumps(page).encode()
    kind = "application/vnd.pypi.simple.v1+json"
    assert project_files(text, kind, "https://index.example/a/") == wanted
    assert project_files(b"[", kind, "https://index.example/a/") == ()


# -- what fails ---------------------------------------------------------------------------------------------


def update(**changes: Any) -> Update:
    plain: dict[str, Any] = {"kind": "debian", "name": "a:amd64", "now": "1", "newest": "2"}
    return Update(**{**plain, "where": ("image",), "change": "c", **changes})


@pytest.mark.parametrize(
    ("wanted", "changes", "fails"),
    [
        (set(), {"security": True}, False),
        ({FailOn.SECURITY}, {"security": True}, True),
        ({FailOn.SECURITY}, {}, False),
        ({FailOn.SECURITY}, {"security": True, "where": ("builder",)}, False),
        ({FailOn.SECURITY}, {"security": True, "where": ("folder", "builder")}, True),
        ({FailOn.YANKED}, {"yanked": ""}, True),
        ({FailOn.YANKED}, {"security": True}, False),
        ({FailOn.ANY}, {"where": ("builder",)}, True),
    ],
)
def test_a_command_fails_on_what_it_was_told_to(wanted: set[FailOn], changes: Any, fails: bool) -> None:
    assert bool(failing([update(**changes)], frozenset(wanted))) is fails


def test_the_document_fits_its_schema_and_its_text_names_everything() -> None:
    document = OutdatedDocument(
        subject="tflite-2.14.1-debian-opt-amd64",
        asked=("http://mirror.example/debian trixie",),
        checked=2,
        updates=(update(security=True), update(kind="wheel", name="numpy", yanked="bad", newest=None)),
        unlisted=("own:amd64 1",),
    )
    schema = json.loads(Path(PROJECT, "schemas", "outdated.schema.json").read_text())
    jsonschema.validate(json.loads(json.dumps(dump(document))), schema)
    text = "\n".join(outdated_lines(document))
    for word in ("a:amd64 1 -> 2 (security, in the image)", "yanked: bad", "own:amd64 1", "asked http://"):
        assert word in text
    assert "nothing is newer" in "\n".join(outdated_lines(replace(document, updates=())))
