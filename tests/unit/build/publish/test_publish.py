"""What is pushed of an image of several platforms, and of images of the older store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.index import POLICY, TAGS, Site
from tests.support.plans import make_plan
from tests.support.registry import FakeRegistry
from tests.support.reporters import ListReporter
from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError, VerificationError
from tfbuild.build.dist.folder import write_checksums
from tfbuild.build.dist.ownership import read_manifest
from tfbuild.build.publish.image import REFERENCE_DIGEST
from tfbuild.build.publish.sources import Result, image_publication, result_of_image, root_of
from tfbuild.plan.plan import Plan
from tfbuild.registry.push import push


def dist_folder(folder: Path, plan: Plan[Any], image: str) -> Path:
    """The documents of a finished build, as far as a push looks at them."""
    folder.mkdir(parents=True)
    manifest = {"version": 1, "tfbuild": "0", "build_id": plan.build_id, "key": plan.key}
    manifest["image"] = {"name": plan.image.tag, "id": image}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "provenance.json").write_text(json.dumps({"of": plan.build_id}))
    (folder / "sbom.spdx.json").write_text(json.dumps({"of": plan.build_id}))
    write_checksums(folder)
    return folder


@pytest.fixture(params=[True, False], ids=["containerd", "older"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    found = Site(tmp_path, containerd=request.param)
    config = tmp_path / "dist" / "tflite" / "2.14.1-debian" / "opt"
    for arch in TAGS:
        dist_folder(config / str(arch), make_plan("2.14.1-debian", "opt", arch, POLICY), found.ids[arch])
    found.output = config / "index"
    return found


def result(folder: Path) -> Result:
    return Result(folder, read_manifest(folder) or {})


def test_an_image_of_several_platforms_has_the_documents_of_each(site: Site, tmp_path: Path) -> None:
    site.run()
    root = root_of(site.output)
    publication = image_publication(result(site.output), root, site.engine.save_image, tmp_path)
    registry = FakeRegistry()
    repository = registry.open()
    push(publication, repository, ListReporter())
    top = json.loads(registry.manifests[registry.tags["1.0"]])
    images, attestations = top["manifests"][:2], top["manifests"][2:]
    assert [each["platform"]["architecture"] for each in images] == ["amd64", "arm64"]
    assert [each["digest"] for each in images] == [each["digest"] for each in site.manifest()["images"]]
    assert [each["annotations"][REFERENCE_DIGEST] for each in attestations] == [
        each["digest"] for each in images
    ]
    for arch, image, attestation in zip(TAGS, images, attestations, strict=True):
        build_id = make_plan("2.14.1-debian", "opt", arch, POLICY).build_id
        layers = json.loads(registry.manifests[attestation["digest"]])["layers"]
        assert json.loads(registry.blobs[layers[0]["digest"]])["predicate"] == {"of": build_id}
        assert json.loads(registry.blobs[layers[1]["digest"]]) == {"of": build_id}
        assert len(repository.referrers(image["digest"])) == 3  # two documents and their SHA256SUMS
    assert [each.descriptor.digest for each in publication.signable] == [each["digest"] for each in images]


def test_one_image_of_either_store_is_found_by_its_name(site: Site, tmp_path: Path) -> None:
    root = tmp_path / "dist"
    found = result_of_image(TAGS[Arch.ARM64], root)
    assert found.folder.name == "arm64"
    publication = image_publication(found, root, site.engine.save_image, tmp_path)
    (image,) = publication.signable
    ids = {image.descriptor.digest, json.loads(image.text)["config"]["digest"]}
    assert site.ids[Arch.ARM64] in ids


def test_a_platform_whose_folder_is_gone_is_told(site: Site, tmp_path: Path) -> None:
    site.run()
    (site.output.parent / "arm64" / "manifest.json").unlink()
    with pytest.raises(NothingMatchesError, match="arm64, whose dist folder is missing"):
        image_publication(result(site.output), root_of(site.output), site.engine.save_image, tmp_path)


def test_a_changed_document_of_a_platform_stops_it(site: Site, tmp_path: Path) -> None:
    site.run()
    (site.output.parent / "arm64" / "provenance.json").write_text("{}")
    with pytest.raises(VerificationError, match="not those of its SHA256SUMS"):
        image_publication(result(site.output), root_of(site.output), site.engine.save_image, tmp_path)
