"""An image of several platforms: every digest stays, and what is wrong leaves no file."""

from __future__ import annotations

import gzip
import hashlib
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.images import Image, Member, docker_archive, oci_archive
from tfbuild.artifacts.image.archive import ImageArchive, image_platforms
from tfbuild.base.errors import PackagingError, UsageError, VerificationError
from tfbuild.build.oci_index import (
    OCI_MANIFEST,
    SavedImage,
    Tagged,
    full_name,
    read_saved,
    require_platform,
    shared_labels,
    write_index,
)

NAME = "tfbuild/tflite:1-opt"


def image(architecture: str, variant: str = "", **labels: str) -> Image:
    return Image(
        [[Member("etc/which", architecture.encode())], [Member("etc/second", b"2")]],
        {"Labels": {"same": "yes", "title": architecture, **labels}},
        architecture,
        variant=variant,
    )


def save(folder: Path, architecture: str, old: bool = False, variant: str = "") -> Path:
    """As an engine saves it; ``old``: as engines before Docker 25 do."""
    write = docker_archive if old else oci_archive
    return write(folder / f"{architecture}.tar", image(architecture, variant))


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {each.name: (tar.extractfile(each) or pytest.fail(each.name)).read() for each in tar}


def both(folder: Path, old: bool = False) -> tuple[SavedImage, ...]:
    return tuple(read_saved(save(folder, each, old)) for each in ("amd64", "arm64"))


def write(path: Path, images: tuple[SavedImage, ...]) -> str:
    tagged = [Tagged(each, f"{NAME}-{each.platform.rpartition('/')[2]}") for each in images]
    return write_index(path, NAME, tagged, shared_labels(images)).digest


@pytest.fixture(params=[False, True], ids=["layout", "old-save"])
def images(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[SavedImage, ...]:
    return both(tmp_path, request.param)


def test_every_blob_has_the_bytes_of_its_digest(images: tuple[SavedImage, ...], tmp_path: Path) -> None:
    digest = write(tmp_path / "index.tar", images)
    files = members(tmp_path / "index.tar")
    blobs = {name: data for name, data in files.items() if name.startswith("blobs/")}
    assert all(name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}" for name, data in blobs.items())
    top = json.loads(files["index.json"])["manifests"]
    assert [each["digest"] for each in top] == [digest]
    index = json.loads(files[f"blobs/sha256/{digest.removeprefix('sha256:')}"])
    assert [(each["platform"], each["digest"]) for each in index["manifests"]] == [
        ({"os": "linux", "architecture": "amd64"}, images[0].manifest.digest),
        ({"os": "linux", "architecture": "arm64"}, images[1].manifest.digest),
    ]
    assert all(
        len(blobs[f"blobs/sha256/{each['digest'][7:]}"]) == each["size"] for each in index["manifests"]
    )
    assert index["annotations"] == {"same": "yes"}


def test_the_documents_and_layers_are_those_that_the_engine_saved(tmp_path: Path) -> None:
    saved = save(tmp_path, "arm64")
    before = members(saved)
    write(tmp_path / "index.tar", both(tmp_path))
    after = members(tmp_path / "index.tar")
    kept = [name for name in before if name.startswith("blobs/") and name in after]
    assert len(kept) == 4  # manifest, configuration, two layers; not the index and its attestation
    assert all(before[name] == after[name] for name in kept)


def test_an_old_archive_gets_a_manifest_that_says_how_its_layers_are_stored(tmp_path: Path) -> None:
    plain = Image([[Member("a", b"a")]], {}, compress=lambda data: data)
    saved = read_saved(docker_archive(tmp_path / "plain.tar", plain))
    manifest = json.loads(saved.manifest.text)
    assert manifest["mediaType"] == OCI_MANIFEST
    assert manifest["layers"][0]["mediaType"] == "application/vnd.oci.image.layer.v1.tar"
    packed = read_saved(docker_archive(tmp_path / "packed.tar", image("amd64")))
    kinds = {each["mediaType"] for each in json.loads(packed.manifest.text)["layers"]}
    assert kinds == {"application/vnd.oci.image.layer.v1.tar+gzip"}
    assert saved.config.digest in saved.ids


def test_both_image_stores_find_what_they_take(images: tuple[SavedImage, ...], tmp_path: Path) -> None:
    digest = write(tmp_path / "index.tar", images)
    files = members(tmp_path / "index.tar")
    annotations = json.loads(files["index.json"])["manifests"][0]["annotations"]
    assert annotations == {
        "io.containerd.image.name": "docker.io/tfbuild/tflite:1-opt",
        "org.opencontainers.image.ref.name": "1-opt",
    }
    old = json.loads(files["manifest.json"])
    assert [each["RepoTags"] for each in old] == [[f"{NAME}-amd64"], [f"{NAME}-arm64"]]
    assert all(each["Config"] in files and set(each["Layers"]) <= set(files) for each in old)
    assert digest not in {each["Config"] for each in old}


def test_the_same_images_give_the_same_bytes(images: tuple[SavedImage, ...], tmp_path: Path) -> None:
    write(tmp_path / "one.tar", images)
    write(tmp_path / "two.tar", images)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_each_platform_is_read_back(images: tuple[SavedImage, ...], tmp_path: Path) -> None:
    path = tmp_path / "index.tar"
    write(path, images)
    assert image_platforms(path) == ("linux/amd64", "linux/arm64")
    for platform in image_platforms(path):
        with ImageArchive(path, platform=platform) as archive:
            assert archive.read("/etc/which") == platform.rpartition("/")[2].encode()


def test_an_image_of_one_platform_is_none_of_several(tmp_path: Path) -> None:
    assert image_platforms(save(tmp_path, "amd64")) == ()
    assert image_platforms(save(tmp_path, "amd64", old=True)) == ()
    twice = oci_archive(tmp_path / "twice.tar", image("amd64"), image("amd64", note="another"))
    assert image_platforms(twice) == ()


@pytest.mark.parametrize(
    ("architecture", "variant", "platform"),
    [
        ("arm64", "v8", "linux/arm64"),
        ("arm64", "", "linux/arm64"),
        ("arm", "", "linux/arm/v7"),
        ("arm", "v6", "linux/arm/v6"),
        ("amd64", "", "linux/amd64"),
    ],
)
def test_platforms_are_written_as_buildx_writes_them(
    tmp_path: Path, architecture: str, variant: str, platform: str
) -> None:
    assert read_saved(save(tmp_path, architecture, variant=variant)).platform == platform


@pytest.mark.parametrize("old", [False, True])
def test_a_damaged_layer_leaves_no_file(tmp_path: Path, old: bool) -> None:
    saved = save(tmp_path, "amd64", old)
    read = read_saved(saved)
    data = saved.read_bytes()
    layer = gzip.compress(b"")[:4]
    place = data.index(layer, 1024) + 12
    saved.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with pytest.raises(PackagingError) as caught:
        write_index(tmp_path / "index.tar", NAME, [Tagged(read, NAME)], {})
    assert caught.value.exit_code == 8
    assert [each.name for each in tmp_path.iterdir()] == ["amd64.tar"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:700],
        lambda data: data.replace(b'"config"', b'"konfig"'),
        lambda data: b"no tar at all",
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    saved = save(tmp_path, "amd64")
    saved.write_bytes(spoil(saved.read_bytes()))
    with pytest.raises(PackagingError, match="cannot be read"):
        read_saved(saved)


def test_two_images_in_one_save_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackagingError):
        read_saved(oci_archive(tmp_path / "i.tar", image("amd64"), image("arm64")))


def test_an_image_for_another_platform_is_refused(tmp_path: Path) -> None:
    (saved, _) = both(tmp_path)
    require_platform(saved, "linux/amd64", "t:1")
    with pytest.raises(PackagingError, match="is for linux/amd64, not for linux/arm64"):
        require_platform(saved, "linux/arm64", "t:1")


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("tflite", "docker.io/library/tflite:latest"),
        ("tfbuild/tflite:1", "docker.io/tfbuild/tflite:1"),
        ("localhost/tflite", "localhost/tflite:latest"),
        ("registry.example:5000/team/tflite:1", "registry.example:5000/team/tflite:1"),
        ("registry.example:5000/tflite", "registry.example:5000/tflite:latest"),
    ],
)
def test_names_in_full(name: str, full: str) -> None:
    assert full_name(name) == full


def test_damage_in_the_documents_is_told_when_verifying(tmp_path: Path) -> None:
    path = tmp_path / "index.tar"
    write(path, both(tmp_path))
    path.write_bytes(path.read_bytes().replace(b'"schemaVersion":2', b'"schemaVersion":3'))
    with pytest.raises(VerificationError):
        image_platforms(path)


def test_an_unknown_platform_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "index.tar"
    write(path, both(tmp_path))
    with pytest.raises(UsageError, match="no image for linux/riscv64"):
        ImageArchive(path, platform="linux/riscv64")
