"""Manifests, and what they are made of. Pure, but for reading files.

https://github.com/opencontainers/image-spec/blob/main/manifest.md, .../image-index.md, .../descriptor.md
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, BinaryIO

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
MANIFEST_TYPES = (
    OCI_INDEX,
    OCI_MANIFEST,
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
TITLE = "org.opencontainers.image.title"
CREATED = "org.opencontainers.image.created"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Descriptor:
    """What a manifest says of a part: type, digest, size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str = ""
    platform: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any) -> Descriptor:
        """Out of a document of somebody else.

        :raises ValueError, TypeError, KeyError: it is none.
        """
        digest, size = document["digest"], document["size"]
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise ValueError("no digest of the form sha256:...")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ValueError("no size")
        annotations, platform = document.get("annotations") or {}, document.get("platform") or {}
        return cls(
            str(document["mediaType"]),
            digest,
            size,
            {str(name): str(value) for name, value in annotations.items()},
            str(document.get("artifactType") or ""),
            {str(name): str(value) for name, value in platform.items()},
        )

    @property
    def short(self) -> str:
        """For messages."""
        return self.annotations.get(TITLE) or self.digest[:19]

    def to_json(self) -> dict[str, Any]:
        """Its fields that say something."""
        fields = {
            "mediaType": self.media_type,
            "artifactType": self.artifact_type,
            "digest": self.digest,
            "size": self.size,
            "annotations": dict(self.annotations),
            "platform": dict(self.platform),
        }
        return {name: value for name, value in fields.items() if value or name == "size"}


@dataclass(frozen=True)
class Content:
    """Bytes with their descriptor; ``name`` is for messages. ``open`` gives a stream that can seek."""

    descriptor: Descriptor
    name: str
    open: Callable[[], AbstractContextManager[BinaryIO]] = field(compare=False)

    @property
    def text(self) -> bytes:
        """All of it; of documents only."""
        with self.open() as stream:
            return stream.read()


def content_of(
    data: bytes, media_type: str, name: str, annotations: Mapping[str, str] | None = None
) -> Content:
    """``data``, which is in memory."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Content(
        Descriptor(media_type, digest, len(data), annotations or {}), name, lambda: io.BytesIO(data)
    )


EMPTY = content_of(b"{}", OCI_EMPTY, "empty configuration")


def manifest_of(
    layers: Sequence[Descriptor],
    *,
    name: str,
    config: Descriptor = EMPTY.descriptor,
    artifact_type: str = "",
    subject: Descriptor | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Content:
    """A manifest of an image or, with ``artifact_type``, of something else; it is about
    ``subject``."""
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    if artifact_type:
        document["artifactType"] = artifact_type
    document["config"] = config.to_json()
    document["layers"] = [each.to_json() for each in layers]
    if subject:
        document["subject"] = Descriptor(subject.media_type, subject.digest, subject.size).to_json()
    if annotations:
        document["annotations"] = dict(sorted(annotations.items()))
    made = content_of(json_bytes(document), OCI_MANIFEST, name)
    described = Descriptor(
        OCI_MANIFEST, made.descriptor.digest, made.descriptor.size, annotations or {}, artifact_type
    )
    return Content(described, name, made.open)


def index_of(
    manifests: Iterable[Descriptor], name: str, annotations: Mapping[str, str] | None = None
) -> Content:
    """An index of ``manifests``."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [each.to_json() for each in manifests],
    }
    if annotations:
        document["annotations"] = dict(sorted(annotations.items()))
    return content_of(json_bytes(document), OCI_INDEX, name)


def json_bytes(document: Any) -> bytes:
    """The same bytes for the same document."""
    return json.dumps(document, separators=(",", ":")).encode()
