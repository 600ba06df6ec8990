"""Makes small image archives in the two layouts that engines write."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfbuild.build.oci_index import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST


@dataclass(frozen=True)
class Member:
    """One entry of a layer."""

    name: str
    data: bytes = b""
    mode: int = 0o644
    type: bytes = tarfile.REGTYPE
    link: str = ""


def folder(name: str, mode: int = 0o755) -> Member:
    return Member(name, mode=mode, type=tarfile.DIRTYPE)


def symlink(name: str, target: str) -> Member:
    return Member(name, mode=0o777, type=tarfile.SYMTYPE, link=target)


def hardlink(name: str, target: str) -> Member:
    return Member(name, type=tarfile.LNKTYPE, link=target)


def program(name: str, data: bytes, mode: int = 0o755) -> Member:
    return Member(name, data, mode)


def tar_bytes(members: Iterable[Member]) -> bytes:
    """An uncompressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type, info.mode, info.linkname, info.size = (
                member.type,
                member.mode,
                member.link,
                len(member.data),
            )
            tar.addfile(info, io.BytesIO(member.data))
    return buffer.getvalue()


def _gzip(data: bytes) -> bytes:
    # The same bytes a second later, too.
    return gzip.compress(data, mtime=0)


@dataclass(frozen=True)
class Image:
    """An image to be written; ``settings`` is the ``config`` part of its configuration."""

    layers: Sequence[Sequence[Member]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    architecture: str = "amd64"
    created: str | None = "2023-11-14T22:13:20Z"
    compress: Callable[[bytes], bytes] = _gzip
    variant: str = ""


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _blob(files: dict[str, bytes], data: bytes) -> dict[str, Any]:
    files[f"blobs/sha256/{_digest(data)}"] = data
    return {"mediaType": "x", "digest": f"sha256:{_digest(data)}", "size": len(data)}


def _config(image: Image, tars: Sequence[bytes]) -> bytes:
    return json.dumps(
        {
            "os": "linux",
            "architecture": image.architecture,
            "variant": image.variant,
            "created": image.created,
            "config": dict(image.settings),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_digest(t)}" for t in tars]},
        }
    ).encode()


def _write(path: Path, files: Mapping[str, bytes]) -> Path:
    path.write_bytes(tar_bytes(Member(name, data) for name, data in files.items()))
    return path


def docker_archive(path: Path, *images: Image, tags: Sequence[str] = ()) -> Path:
    """As ``docker save`` wrote it before it wrote an OCI layout, too. ``tags``: names of the images."""
    files: dict[str, bytes] = {}
    manifest: list[dict[str, Any]] = []
    for number, image in enumerate(images):
        tars = [tar_bytes(layer) for layer in image.layers]
        names = [f"{number}-{index}/layer.tar" for index in range(len(tars))]
        files.update({name: image.compress(tar) for name, tar in zip(names, tars, strict=True)})
        files[f"{number}.json"] = _config(image, tars)
        manifest.append(
            {
                "Config": f"{number}.json",
                "RepoTags": [tags[number] if tags else f"test:{number}"],
                "Layers": names,
            }
        )
    files["manifest.json"] = json.dumps(manifest).encode()
    return _write(path, files)


def _typed(media_type: str, blob: dict[str, Any]) -> dict[str, Any]:
    return {**blob, "mediaType": media_type}


def oci_archive(path: Path, *images: Image, leave_out: Callable[[bytes], bool] = lambda _: False) -> Path:
    """An OCI layout with an index of all images and an attestation, as buildx writes it."""
    files: dict[str, bytes] = {}
    manifests: list[dict[str, Any]] = []
    for image in images:
        tars = [tar_bytes(layer) for layer in image.layers]
        config = _typed(OCI_CONFIG, _blob(files, _config(image, tars)))
        stored = [image.compress(tar) for tar in tars]
        layers = [
            _typed(f"{OCI_LAYER}+gzip" if data[:2] == b"\x1f\x8b" else OCI_LAYER, _blob(files, data))
            for data in stored
        ]
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
        platform = {"os": "linux", "architecture": image.architecture}
        if image.variant:
            platform["variant"] = image.variant
        described = _typed(OCI_MANIFEST, _blob(files, json.dumps(document).encode()))
        manifests.append(described | {"platform": platform})
    empty = _typed(OCI_CONFIG, _blob(files, b"{}"))
    attestation = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": empty, "layers": []}
    ).encode()
    described = _typed(OCI_MANIFEST, _blob(files, attestation))
    manifests.append(described | {"platform": {"os": "unknown", "architecture": "unknown"}})
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    inner = _typed(OCI_INDEX, _blob(files, json.dumps(index).encode()))
    inner["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [inner]}).encode()
    files["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
    return _write(path, {name: data for name, data in files.items() if not leave_out(data)})
