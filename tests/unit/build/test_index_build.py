"""The index from finished builds: on engines of both kinds, again, and when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.index import TAGS, Site
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import PackagingError, VerificationError
from tfbuild.build.again.index import index_again
from tfbuild.build.dist.folder import is_intact
from tfbuild.build.several import read_index_manifest
from tfbuild.verify.report import SubjectKind
from tfbuild.verify.verify import INDEX_ARCHIVE, load_policy, verify_path

NAME = "tfbuild/tflite:2.14.1-debian-opt"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def schema(name: str) -> Any:
    text = (PROJECT / "schemas" / f"{name}.schema.json").read_text()
    return jsonschema.Draft202012Validator(json.loads(text))


def test_the_folder_has_archive_documents_and_checksums(site: Site) -> None:
    document = site.run()
    assert sorted(each.name for each in site.output.iterdir()) == [
        "SHA256SUMS", INDEX_ARCHIVE, "manifest.json", "verify.json",
    ]  # fmt: skip
    assert is_intact(site.output)
    schema("index-manifest").validate(site.manifest())
    schema("index-result").validate(dump(document))
    schema("verify").validate(json.loads((site.output / "verify.json").read_text()))
    assert [each["digest"] for each in site.manifest()["images"]] == list(site.ids.values())
    assert site.manifest()["annotations"] == {"made": "here"}
    assert document.status == "built"
    assert [each.name for each in site.output.parent.iterdir()] == ["index"]


def test_an_engine_that_can_hold_an_index_gets_it(site: Site) -> None:
    document = site.run()
    assert (document.loaded, site.engine.loaded) == (True, [NAME])
    assert site.engine.images[NAME] == document.digest


def test_with_the_older_store_the_file_is_the_result(tmp_path: Path) -> None:
    site = Site(tmp_path, containerd=False)
    document = site.run()
    assert (document.loaded, site.engine.loaded) == (False, [])
    assert site.run().status == "up-to-date"
    assert any("the engine's image store holds no index" in str(event) for event in site.reporter.events)


def test_a_second_run_does_nothing(site: Site) -> None:
    site.run()
    before = (site.output / "manifest.json").stat().st_mtime_ns
    again = site.run()
    assert again.status == "up-to-date"
    assert (site.output / "manifest.json").stat().st_mtime_ns == before
    assert site.engine.loaded == [NAME]


@pytest.mark.parametrize("loss", ["file", "engine", "image", "store"])
def test_what_is_missing_or_changed_is_made_again(site: Site, loss: str) -> None:
    site.run()
    if loss == "file":
        (site.output / INDEX_ARCHIVE).write_bytes(b"")
    elif loss == "engine":
        del site.engine.images[NAME]
    elif loss == "image":
        site.ids[Arch.ARM64] = site.engine.put(Arch.ARM64, "another")
    else:
        site.engine.containerd = False
    assert site.run().status == "built"
    assert is_intact(site.output)


def test_an_image_that_something_else_replaced_is_refused(site: Site) -> None:
    first = site.run()
    site.engine.put(Arch.AMD64, "not what was verified")
    (site.output / "SHA256SUMS").unlink()
    with pytest.raises(PackagingError, match="not the one that was just verified"):
        site.run()
    assert site.manifest()["digest"] == first.digest
    assert site.engine.images[NAME] == first.digest


def test_an_image_for_the_wrong_platform_is_refused(site: Site) -> None:
    site.engine.archives[TAGS[Arch.ARM64]] = site.engine.archives[TAGS[Arch.AMD64]]
    with pytest.raises(PackagingError, match="is for linux/amd64, not for linux/arm64"):
        site.run()
    assert list(site.output.parent.iterdir()) == []


def test_what_fails_the_policy_on_one_platform_leaves_everything_as_it_was(site: Site) -> None:
    first = site.run()
    site.ids[Arch.ARM64] = site.engine.put(Arch.ARM64, libc="libc-old.so.6")
    with pytest.raises(VerificationError) as caught:
        site.run()
    assert all("linux/arm64: " in detail for detail in caught.value.details)
    assert (site.manifest()["digest"], site.engine.images[NAME]) == (first.digest, first.digest)
    assert [each.name for each in site.output.parent.iterdir()] == ["index"]


def test_an_engine_that_loads_something_else_is_told_of(site: Site) -> None:
    site.engine.wrong_after_load = True
    with pytest.raises(PackagingError, match="after loading it"):
        site.run()
    assert not site.output.exists()


def test_verify_reports_each_platform_of_archive_and_folder(site: Site) -> None:
    site.run()
    policy = load_policy(PROJECT)
    for target in (site.output, site.output / INDEX_ARCHIVE):
        report = verify_path(target, policy)
        assert report.kind is SubjectKind.INDEX
        assert [each.platform for each in report.platforms] == ["linux/amd64", "linux/arm64"]
        assert all(each.facts.elf for each in report.platforms)
        assert not report.errors
    assert verify_path(site.output, policy).facts.checksums is not None
    (site.output / "verify.json").write_text("{}")
    assert [each.id for each in verify_path(site.output, policy).errors] == ["dist-checksum"]


def test_the_same_images_give_the_same_archive_again_and_others_do_not(site: Site) -> None:
    site.run()
    index = read_index_manifest(site.manifest())
    images = [site.engine.archives[TAGS[arch]] for arch in TAGS]
    assert index_again(index, images, site.folder) == "same"
    site.engine.put(Arch.ARM64, text="other")
    assert index_again(index, images, site.folder) == "differs"
    assert not list(site.folder.glob(".index-*"))
