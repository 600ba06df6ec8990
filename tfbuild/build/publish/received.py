"""Images out of a registry: what is said about them is compared, then they are put into an archive."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.artifacts.image.manifest import platform_of
from tfbuild.base.errors import VerificationError
from tfbuild.build.oci_index import Blob, SavedImage, Tagged, open_blob, write_archive
from tfbuild.build.publish.image import ATTACHED, ATTESTATION, PREDICATE, REFERENCE_DIGEST, REFERENCE_TYPE
from tfbuild.build.publish.proof import Evidence, problems
from tfbuild.registry.client import Repository, Stored
from tfbuild.registry.content import Descriptor
from tfbuild.registry.pull import attached, document_of, small_blob
from tfbuild.verify.checks.trust import Demand

GetBlob = Callable[[Descriptor], Path]


@dataclass(frozen=True)
class Member:
    """A manifest that a name stands for, and what it is in its index."""

    descriptor: Descriptor
    data: bytes
    document: Mapping[str, Any]

    def parts(self) -> Iterator[Descriptor]:
        """Configuration and layers.

        :raises VerificationError: they are not what a manifest has.
        """
        try:
            yield Descriptor.of(self.document["config"])
            yield from (Descriptor.of(each) for each in self.document["layers"])
        except (ValueError, TypeError, KeyError) as error:
            raise VerificationError(
                f"{self.descriptor.digest} is no manifest of an image", details=(str(error)[:200],)
            ) from None


@dataclass(frozen=True)
class ReceivedImage:
    """What a name stands for: an index with its members, or one image alone."""

    top: Stored
    images: tuple[Member, ...]
    attestations: tuple[Member, ...]


def look_up(top: Stored, repository: Repository) -> ReceivedImage:
    """All manifests below ``top``.

    :raises VerificationError: one is missing, or is no manifest.
    """
    document = document_of(top.data, str(repository.reference))
    if "manifests" not in document:
        alone = Descriptor(top.media_type, top.digest, len(top.data))
        return ReceivedImage(top, (Member(alone, top.data, document),), ())
    try:
        entries = [Descriptor.of(each) for each in document["manifests"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise VerificationError(f"{repository.reference} is no index of images") from None
    members = [_member(each, repository) for each in entries]
    attestations = [each for each in members if _is_attestation(each)]
    images = [each for each in members if not _is_attestation(each)]
    return ReceivedImage(top, tuple(images), tuple(attestations))


def _is_attestation(member: Member) -> bool:
    return member.descriptor.annotations.get(REFERENCE_TYPE) == ATTESTATION


def _member(entry: Descriptor, repository: Repository) -> Member:
    stored = repository.manifest(entry.digest)
    if stored is None:
        raise VerificationError(
            f"{repository.reference} names a manifest that is not there", details=(entry.digest,)
        )
    return Member(entry, stored.data, document_of(stored.data, entry.digest))


def require_proven(received: ReceivedImage, repository: Repository, demand: Demand) -> tuple[str, ...]:
    """The names of the documents that are about the images.

    :raises VerificationError: one is about something else, or a required one is missing.
    """
    names: dict[str, None] = {}
    for image in received.images:
        evidence = _evidence(image, received, repository)
        if wrong := list(problems(evidence, demand)):
            raise VerificationError(
                f"{repository.reference}: what is said about the image for {evidence.platform} is not right",
                details=(*wrong, f"image: {image.descriptor.digest}"),
                hint="do not use it; ask its publisher",
            )
        names.update(dict.fromkeys(name for name in ATTACHED if name in evidence.documents))
    return tuple(names)


def _evidence(image: Member, received: ReceivedImage, repository: Repository) -> Evidence:
    digest = image.descriptor.digest
    attested: dict[str, bytes] = {}
    for each in received.attestations:
        if each.descriptor.annotations.get(REFERENCE_DIGEST) == digest:
            for layer in list(each.parts())[1:]:
                kind = layer.annotations.get(PREDICATE, "")
                attested.setdefault(kind, small_blob(layer, repository))
    config = next(image.parts()).digest
    platform = "/".join(filter(None, map(image.descriptor.platform.get, ("os", "architecture", "variant"))))
    return Evidence(platform, frozenset({digest, config}), attested, attached(repository, digest))


def write_received(received: ReceivedImage, name: str, path: Path, get: GetBlob) -> None:
    """The archive ``path``, as ``docker load`` reads it: with the same digests, attestations too."""
    tagged = [Tagged(_saved(each, get), name) for each in received.images]
    others = [_saved_blobs(each, get) for each in received.attestations]
    top = Blob.of_text(received.top.data)
    write_archive(
        path, name, top, received.top.media_type, tagged, [blob for blobs in others for blob in blobs]
    )


def _saved(member: Member, get: GetBlob) -> SavedImage:
    manifest, config, *layers = _saved_blobs(member, get)
    with open_blob(config) as stream:
        text = stream.read()
    return SavedImage(
        platform=platform_of(text),
        media_type=member.descriptor.media_type,
        manifest=manifest,
        config=config,
        layers=tuple(layers),
        labels=dict((json.loads(text).get("config") or {}).get("Labels") or {}),
    )


def _saved_blobs(member: Member, get: GetBlob) -> tuple[Blob, ...]:
    parts = (Blob(each.digest, each.size, file=get(each)) for each in member.parts())
    return (Blob.of_text(member.data), *parts)
