"""Images for a registry: each platform's with BuildKit's attestations beside it, and documents that refer to
it. Pure, but for reading files.

https://github.com/moby/buildkit/blob/master/docs/attestations/attestation-storage.md
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO, cast

from tfbuild.build.oci_index import OCI_LAYER, Blob, SavedImage, open_blob
from tfbuild.registry.content import (
    EMPTY,
    OCI_CONFIG,
    TITLE,
    Content,
    Descriptor,
    content_of,
    index_of,
    json_bytes,
    manifest_of,
)
from tfbuild.registry.push import Publication, Referrer
from tfbuild.trust.files import CYCLONEDX_FILE, PROVENANCE_FILE, SEALED, SPDX_FILE, SUMS, VERDICT
from tfbuild.trust.provenance import PREDICATE_TYPE, STATEMENT_TYPE

SPDX_PREDICATE = "https://spdx.dev/Document"
IN_TOTO = "application/vnd.in-toto+json"
PREDICATE = "in-toto.io/predicate-type"
REFERENCE_DIGEST, REFERENCE_TYPE = "vnd.docker.reference.digest", "vnd.docker.reference.type"
ATTESTATION = "attestation-manifest"
_UNKNOWN = {"architecture": "unknown", "os": "unknown"}
_DSSE = "application/vnd.dsse.envelope.v1+json"
# What refers to an image, by the document's name.
ATTACHED: Mapping[str, str] = {
    PROVENANCE_FILE: IN_TOTO,
    SPDX_FILE: "application/spdx+json",
    CYCLONEDX_FILE: "application/vnd.cyclonedx+json",
    SUMS: "text/plain",
    VERDICT.document: VERDICT.media_type,
    **{each.envelope: _DSSE for each in SEALED},
}


@dataclass(frozen=True)
class Described:
    """An image, the name that it was built with, and the documents of its dist folder, by their names."""

    image: SavedImage
    name: str
    documents: Mapping[str, bytes]


def publication_of_image(images: Sequence[Described], annotations: Mapping[str, str]) -> Publication:
    """An index of ``images``, one for each platform; manifests, configurations and layers are as they were
    built, so every digest stays."""
    blobs: list[Content] = [EMPTY]
    manifests: list[Content] = []
    entries: list[Descriptor] = []
    attestations: list[Descriptor] = []
    for each in images:
        blobs += _parts(each.image)
        manifest = _content(each.image.manifest, each.image.media_type, f"image for {each.image.platform}")
        attested, parts = attestation_of(each)
        manifests += (manifest, attested)
        blobs += parts
        entries.append(replace(manifest.descriptor, platform=_platform(each.image.platform)))
        attestations.append(attested.descriptor)
    top = index_of((*entries, *attestations), "index", annotations)
    referrers: list[Referrer] = []
    for each, entry in zip(images, entries, strict=True):
        # Programs that show what refers to a name look at what the name is of: the index.
        for subject in (entry, *((top.descriptor,) if len(images) == 1 else ())):
            found = tuple(_referrers(each.documents, subject))
            referrers += [referrer for referrer, _ in found]
            blobs += [document for _, document in found]
    images_alone = tuple(manifests[::2])  # each is followed by its attestations
    return Publication(top, tuple(manifests), tuple(blobs), tuple(referrers), images_alone)


def attestation_of(described: Described) -> tuple[Content, tuple[Content, ...]]:
    """BuildKit's attestation manifest, with its descriptor as the index has it, and what it is made of.

    The statement of the bill of materials is made here; the provenance is the folder's own, byte for byte.
    """
    layers = []
    digest = described.image.manifest.digest
    if (bill := described.documents.get(SPDX_FILE)) is not None:
        statement = {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": described.name, "digest": {"sha256": digest.removeprefix("sha256:")}}],
            "predicateType": SPDX_PREDICATE,
            "predicate": json.loads(bill),
        }
        layers.append(
            content_of(json_bytes(statement), IN_TOTO, "bill of materials", {PREDICATE: SPDX_PREDICATE})
        )
    if (provenance := described.documents.get(PROVENANCE_FILE)) is not None:
        layers.append(content_of(provenance, IN_TOTO, "provenance", {PREDICATE: PREDICATE_TYPE}))
    rootfs = {"type": "layers", "diff_ids": [each.descriptor.digest for each in layers]}
    config = content_of(
        json_bytes({**_UNKNOWN, "config": {}, "rootfs": rootfs}), OCI_CONFIG, "configuration of attestations"
    )
    manifest = manifest_of(
        [each.descriptor for each in layers],
        name=f"attestations for {described.image.platform}",
        config=config.descriptor,
    )
    annotations = {REFERENCE_DIGEST: digest, REFERENCE_TYPE: ATTESTATION}
    entry = replace(manifest.descriptor, annotations=annotations, platform=_UNKNOWN)
    return replace(manifest, descriptor=entry), (*layers, config)


def _referrers(documents: Mapping[str, bytes], subject: Descriptor) -> Iterator[tuple[Referrer, Content]]:
    for name, media_type in ATTACHED.items():
        if (data := documents.get(name)) is None:
            continue
        document = content_of(data, media_type, name, {TITLE: name})
        manifest = manifest_of(
            (document.descriptor,),
            name=name,
            artifact_type=media_type,
            subject=subject,
            annotations={TITLE: name},
        )
        yield Referrer(subject, manifest), document


def _parts(image: SavedImage) -> Iterator[Content]:
    document: dict[str, Any] = json.loads(image.manifest.text)
    kinds = [str(each.get("mediaType") or OCI_LAYER) for each in document["layers"]]
    kind = str(document["config"].get("mediaType") or OCI_CONFIG)
    yield _content(image.config, kind, f"configuration for {image.platform}")
    for number, (blob, kind) in enumerate(zip(image.layers, kinds, strict=True), start=1):
        yield _content(blob, kind, f"layer {number} for {image.platform}")


def _content(blob: Blob, media_type: str, name: str) -> Content:
    return Content(Descriptor(media_type, blob.digest, blob.size), name, partial(_opened, blob))


def _opened(blob: Blob) -> AbstractContextManager[BinaryIO]:
    return cast("AbstractContextManager[BinaryIO]", open_blob(blob))


def _platform(text: str) -> dict[str, str]:
    words = dict(zip(("os", "architecture", "variant"), text.split("/"), strict=False))
    return {"architecture": words.pop("architecture"), **words}
