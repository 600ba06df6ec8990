"""The index from finished builds: on engines of both kinds, again, and when something is wrong."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.builds import ELF, FakeEngine
from tests.support.images import Image, docker_archive, oci_archive, program
from tests.support.plans import make_plan
from tests.support.reporters import ListReporter
from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import PackagingError, VerificationError
from tfbuild.build.again.index import index_again
from tfbuild.build.dist.folder import is_intact
from tfbuild.build.oci_index import read_saved
from tfbuild.build.run import BuildResult
from tfbuild.build.several import IndexDocument, IndexEffects, build_index, read_index_manifest
from tfbuild.engine.facts import EngineFacts, ImageFacts, image_facts
from tfbuild.plan.several import index_plan
from tfbuild.verify.report import SubjectKind
from tfbuild.verify.verify import INDEX_ARCHIVE, load_policy, verify_path

PROJECT = Path(__file__).resolve().parents[3]
TAGS = {
    Arch.AMD64: "tfbuild/tflite:2.14.1-debian-opt-amd64",
    Arch.ARM64: "tfbuild/tflite:2.14.1-debian-opt-arm64",
}
NAME = "tfbuild/tflite:2.14.1-debian-opt"
POLICY = "policy=default"


class StoreEngine(FakeEngine):
    """An engine whose images are archives on disk; ``containerd``: its store can hold an index."""

    def __init__(self, folder: Path, containerd: bool) -> None:
        super().__init__((), "")
        self.folder = folder
        self.containerd = containerd
        self.archives: dict[str, Path] = {}
        self.loaded: list[str] = []
        self.wrong_after_load = False

    def info(self) -> EngineFacts:
        return EngineFacts("26", "1.45", "linux/amd64", 8, 7 << 30, "overlayfs", self.containerd, "/d", True)

    def put(self, arch: Arch, text: str = "", libc: str = "libc.so.6") -> str:
        """An image for ``arch``; its id as this engine gives it."""
        folder = ELF.parent / arch.platform.qemu
        members = [
            program("usr/bin/benchmark_model", (folder / "pie").read_bytes()),
            program("usr/lib/libtensorflowlite_c.so", (folder / "good.so").read_bytes()),
            program("usr/lib/libc.so.6", (folder / libc).read_bytes()),
            program(arch.platform.loader.lstrip("/"), (folder / "static").read_bytes()),
            program("text", text.encode()),
        ]
        settings = {"User": "65532", "Entrypoint": ["/usr/bin/benchmark_model"], "Labels": {"made": "here"}}
        image = Image([members], settings, str(arch))
        write = oci_archive if self.containerd else docker_archive
        path = write(self.folder / f"{arch}.tar", image)
        self.archives[TAGS[arch]] = path
        saved = read_saved(path)
        self.images[TAGS[arch]] = saved.manifest.digest if self.containerd else saved.config.digest
        return self.images[TAGS[arch]]

    def image(self, ref: str) -> ImageFacts | None:
        return image_facts({"Id": self.images[ref]}) if ref in self.images else None

    def save_image(self, ref: str, path: Path) -> None:
        path.write_bytes(self.archives[ref].read_bytes())

    def load_image(self, path: Path, name: str) -> None:
        assert self.containerd, "the older store cannot take an index"
        with tarfile.open(path) as tar:
            index = json.loads((tar.extractfile("index.json") or pytest.fail("no index")).read())
        (entry,) = index["manifests"]
        assert entry["annotations"]["io.containerd.image.name"] == f"docker.io/{name}"
        self.loaded.append(name)
        self.images[name] = "sha256:" + "0" * 64 if self.wrong_after_load else entry["digest"]


@dataclass
class Site:
    """Two builds that are finished, and where their index goes."""

    folder: Path
    containerd: bool = True
    reporter: ListReporter = field(default_factory=ListReporter)

    def __post_init__(self) -> None:
        (self.folder / "engine").mkdir()
        self.engine = StoreEngine(self.folder / "engine", self.containerd)
        self.ids = {arch: self.engine.put(arch) for arch in TAGS}
        self.output = self.folder / "dist" / "index"
        self.output.parent.mkdir()

    def run(self) -> IndexDocument:
        plans = [make_plan("2.14.1-debian", "opt", arch, POLICY) for arch in TAGS]
        results = [BuildResult(True, self.folder, TAGS[arch], self.ids[arch], (), (), 1.0) for arch in TAGS]
        effects = IndexEffects(self.engine, self.reporter, PROJECT, self.folder / "cache", 0)
        return build_index(index_plan(plans), results, self.output, effects)

    def manifest(self) -> Any:
        return json.loads((self.output / "manifest.json").read_text())


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
