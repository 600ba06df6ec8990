"""Puts saved images of several platforms together to one image index, in an OCI archive.

Manifests, configurations and layers are the images' own bytes, so every digest stays. The archive is read by
skopeo (``oci-archive:``), ``ctr image import`` and ``docker load``: with the containerd store as one image of
several platforms, with the older store, which knows no index, as one image for each platform.
https://github.com/opencontainers/image-spec/blob/main/image-index.md, .../image-layout.md
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from tfbuild.artifacts.image.manifest import Candidate, find_images, platform_of
from tfbuild.base.errors import PackagingError

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_MAX_DOCUMENT = 16 << 20
# What tarfile and json let out on damaged input.
_DAMAGE = (EOFError, LookupError, OSError, TypeError, ValueError, tarfile.TarError)


@dataclass(frozen=True)
class Blob:
    """Bytes by their digest ("sha256:..."): a member of ``archive``, a file of its own, or the text of a
    document made here."""

    digest: str
    size: int
    archive: Path | None = None
    member: str = ""
    text: bytes = b""
    file: Path | None = None

    @classmethod
    def of_text(cls, text: bytes) -> Blob:
        return cls(f"sha256:{hashlib.sha256(text).hexdigest()}", len(text), text=text)

    @property
    def path(self) -> str:
        """In the layout."""
        return posixpath.join("blobs", *self.digest.split(":"))


@dataclass(frozen=True)
class SavedImage:
    """One image of a ``docker save`` archive."""

    platform: str  # linux/arm64
    media_type: str  # of the manifest
    manifest: Blob
    config: Blob
    layers: tuple[Blob, ...]
    labels: Mapping[str, str]

    @property
    def blobs(self) -> tuple[Blob, ...]:
        return (self.manifest, self.config, *self.layers)

    @property
    def ids(self) -> frozenset[str]:
        """What an engine calls this image: the manifest's digest, or (older store) the configuration's."""
        return frozenset({self.manifest.digest, self.config.digest})


@dataclass(frozen=True)
class Tagged:
    """An image and the name that it has as an image of one platform."""

    image: SavedImage
    tag: str


def read_saved(archive: Path) -> SavedImage:
    """The one image of a ``docker save`` archive. Raises :class:`PackagingError` for anything else."""
    found = read_images(archive)
    if len(found) > 1:
        raise PackagingError(
            f"the engine saved {len(found)} images as {archive.name}, instead of one",
            hint="run the command again; invoke doctor checks the engine",
        )
    return found[0]


def read_images(archive: Path) -> tuple[SavedImage, ...]:
    """The images of an archive, one for each platform. Raises :class:`PackagingError` for anything else."""
    try:
        with tarfile.open(archive, "r:") as tar:
            members = {posixpath.normpath(each.name): each for each in tar}

            def read(name: str) -> bytes:
                member = members[posixpath.normpath(name)]
                if member.size > _MAX_DOCUMENT:
                    raise ValueError(f"{name} is {member.size} bytes long")
                return _stream(tar, member).read()

            found = find_images(read, frozenset(members)) if "index.json" in members else ()
            if found:
                return tuple(_of_layout(archive, each, read) for each in found)
            return (_of_old_save(archive, tar, members, read),)
    except _DAMAGE as error:
        raise PackagingError(
            f"the engine saved {archive.name} in a form that cannot be read",
            details=(f"{type(error).__name__}: {str(error)[:300]}",),
            hint="run the command again; invoke doctor checks the engine",
        ) from error


def _of_layout(archive: Path, found: Candidate, read: Callable[[str], bytes]) -> SavedImage:
    """The image of an OCI layout, as engines since Docker 25 save it: every document as it is."""
    document = json.loads(found.raw)
    blob = _blob_of(archive, document["config"])
    config = read(blob.path)
    if Blob.of_text(config).digest != blob.digest:
        raise ValueError(f"the configuration {blob.digest} has other content than its digest says")
    return SavedImage(
        platform=platform_of(config),
        media_type=document.get("mediaType", OCI_MANIFEST),
        manifest=Blob.of_text(found.raw),
        config=blob,
        layers=tuple(_blob_of(archive, layer) for layer in document["layers"]),
        labels=_labels(config),
    )


def _blob_of(archive: Path, descriptor: Mapping[str, Any]) -> Blob:
    blob = Blob(descriptor["digest"], int(descriptor["size"]))
    return Blob(blob.digest, blob.size, archive, blob.path)


def _of_old_save(
    archive: Path, tar: tarfile.TarFile, members: Mapping[str, tarfile.TarInfo], read: Any
) -> SavedImage:
    """The image of an archive without manifests, as engines before Docker 25 save it: it gets one."""
    (saved,) = json.loads(read("manifest.json"))
    config = read(saved["Config"])
    layers, descriptors = [], []
    for name in saved["Layers"]:
        member = members[posixpath.normpath(name)]
        digest, size, compressed = _hash(_stream(tar, member))
        layers.append(Blob(digest, size, archive, member.name))
        kind = f"{OCI_LAYER}+gzip" if compressed else OCI_LAYER
        descriptors.append({"mediaType": kind, "digest": digest, "size": size})
    config_blob = Blob.of_text(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": OCI_CONFIG, "digest": config_blob.digest, "size": config_blob.size},
        "layers": descriptors,
    }
    return SavedImage(
        platform=platform_of(config),
        media_type=OCI_MANIFEST,
        manifest=Blob.of_text(_json(manifest)),
        config=config_blob,
        layers=tuple(layers),
        labels=_labels(config),
    )


def _labels(config: bytes) -> dict[str, str]:
    return dict((json.loads(config).get("config") or {}).get("Labels") or {})


def _stream(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(member)  # a link to another layer, as old engines write it, is followed
    if stream is None:
        raise ValueError(f"{member.name} is not a file")
    return stream


def _hash(stream: IO[bytes]) -> tuple[str, int, bool]:
    digest, size, start = hashlib.sha256(), 0, b""
    while chunk := stream.read(_CHUNK):
        start = start or chunk[:2]
        digest.update(chunk)
        size += len(chunk)
    return f"sha256:{digest.hexdigest()}", size, start == _GZIP


def shared_labels(images: Sequence[SavedImage]) -> dict[str, str]:
    """Labels that say the same in every image: what is true of all of them together."""
    first, *others = [image.labels for image in images]
    return {
        name: value
        for name, value in sorted(first.items())
        if all(labels.get(name) == value for labels in others)
    }


def index_document(images: Sequence[SavedImage], annotations: Mapping[str, str]) -> bytes:
    """The image index; platforms are written as buildx writes them."""
    manifests = [
        {
            "mediaType": image.media_type,
            "digest": image.manifest.digest,
            "size": image.manifest.size,
            "platform": _platform(image.platform),
        }
        for image in images
    ]
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    if annotations:
        document["annotations"] = dict(sorted(annotations.items()))
    return _json(document)


def _platform(text: str) -> dict[str, str]:
    return dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))


def write_index(path: Path, name: str, images: Sequence[Tagged], annotations: Mapping[str, str]) -> Blob:
    """Write the archive to ``path``; the same images give the same bytes. Returns the index.

    ``name`` is that of the image of all platforms. Raises :class:`PackagingError` where bytes are not those
    of their digest; ``path`` then does not exist.
    """
    index = Blob.of_text(index_document([each.image for each in images], annotations))
    write_archive(path, name, index, OCI_INDEX, images)
    return index


def write_archive(
    path: Path, name: str, top: Blob, media_type: str, images: Sequence[Tagged], others: Iterable[Blob] = ()
) -> None:
    """Write the archive of ``top``, which has the name ``name``: of an index of ``images`` and ``others``, or
    of one image alone. Raises as :func:`write_index`."""
    documents = {
        "oci-layout": _LAYOUT,
        "index.json": _json(_top(top, media_type, name)),
        "manifest.json": _json([_for_old_store(each) for each in images]),
    }
    blobs = {blob.digest: blob for blob in (*(blob for each in images for blob in each.image.blobs), *others)}
    blobs[top.digest] = top
    partial = path.with_name(f".{path.name}.part")
    try:
        with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as out:
            for member, text in documents.items():
                _add(out, member, len(text), io.BytesIO(text))
            for blob in sorted(blobs.values(), key=lambda each: each.path):
                with open_blob(blob) as stream:
                    checked = _Checked(stream)
                    _add(out, blob.path, blob.size, cast("IO[bytes]", checked))
                    checked.require(blob)
        partial.replace(path)
    except _DAMAGE as error:
        raise PackagingError(
            f"couldn't write {path}", details=(str(error)[:300],), hint="df -h; then run the command again"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def full_name(name: str) -> str:
    """``name`` as containerd wants it: with a host, and with a tag.

    https://github.com/distribution/reference/blob/main/normalize.go
    """
    host, slash, rest = name.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        host, rest = "docker.io", name if slash else f"library/{name}"
    return f"{host}/{rest}" if ":" in rest.rpartition("/")[2] else f"{host}/{rest}:latest"


def _top(top: Blob, media_type: str, name: str) -> dict[str, Any]:
    full = full_name(name)
    annotations = {
        "io.containerd.image.name": full,
        "org.opencontainers.image.ref.name": full.rpartition(":")[2],
    }
    entry = {
        "mediaType": media_type, "digest": top.digest, "size": top.size, "annotations": annotations,
    }  # fmt: skip
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry]}


def _for_old_store(tagged: Tagged) -> dict[str, Any]:
    image, tag = tagged.image, tagged.tag
    tag = tag if ":" in tag.rpartition("/")[2] else f"{tag}:latest"
    layers = [layer.path for layer in image.layers]
    return {"Config": image.config.path, "RepoTags": [tag], "Layers": layers}


def _json(document: Any) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _add(out: tarfile.TarFile, name: str, size: int, stream: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    out.addfile(member, stream)


@contextmanager
def open_blob(blob: Blob) -> Iterator[IO[bytes]]:
    """Its bytes as a stream that can seek; they are not compared with the digest."""
    if blob.file is not None:
        with blob.file.open("rb") as file:
            yield file
        return
    if blob.archive is None:
        yield io.BytesIO(blob.text)
        return
    with tarfile.open(blob.archive, "r:") as tar:
        yield _stream(tar, tar.getmember(blob.member))


class _Checked:
    """A stream that knows the hash of what was read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._hash.update(data)
        return data

    def require(self, blob: Blob) -> None:
        if self._stream.read(1) or f"sha256:{self._hash.hexdigest()}" != blob.digest:
            raise ValueError(f"{blob.digest} has other content than its digest says")


def require_platform(image: SavedImage, wanted: str, tag: str) -> None:
    """Raises :class:`PackagingError` where the image is for another platform than the build made it for."""
    if image.platform != wanted:
        raise PackagingError(
            f"the image {tag} is for {image.platform}, not for {wanted}",
            hint="run the command again; something else gave its name to another image",
        )
