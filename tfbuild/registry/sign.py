"""Signatures beside what a registry has: those that are there, one more, and whether one proves something."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tfbuild.base.errors import VerificationError
from tfbuild.registry.client import Repository
from tfbuild.registry.content import Content, Descriptor, content_of
from tfbuild.registry.push import Referrer
from tfbuild.registry.signature import (
    LAYER_TYPE,
    SIGNATURE,
    Signing,
    signature_of,
    signature_problem,
    signature_tag,
    signing_manifest,
)
from tfbuild.trust.keys import Signer, VerifyingKey

# Of a statement about an image; a larger one is none.
_MAX_PAYLOAD = 64 << 10
_MANY = 64


@dataclass(frozen=True)
class Found:
    """A signature of a manifest: the statement, as it is stored, and what signs it."""

    layer: Descriptor
    payload: bytes

    @property
    def signature(self) -> str:
        return self.layer.annotations.get(SIGNATURE, "")


def signatures(repository: Repository, digest: str) -> tuple[Found, ...]:
    """Those of the manifest ``digest``, where cosign and skopeo look for them.

    :raises VerificationError: what is there is no list of signatures, or other bytes than its digests say.
    """
    stored = repository.manifest(signature_tag(digest))
    if stored is None:
        return ()
    try:
        layers = [Descriptor.of(each) for each in json.loads(stored.data)["layers"]]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise VerificationError(
            f"{repository.reference.place}:{signature_tag(digest)} is no list of signatures"
        ) from None
    return tuple(_read(repository, layers))


def _read(repository: Repository, layers: list[Descriptor]) -> Iterator[Found]:
    for layer in layers[:_MANY]:
        if layer.media_type == LAYER_TYPE and layer.size <= _MAX_PAYLOAD:
            yield Found(layer, b"".join(repository.blob(layer)))


def signed(
    repository: Repository, subject: Descriptor, name: str, signer: Signer
) -> tuple[Referrer, tuple[Content, ...]]:
    """The signatures of ``subject`` with one of ``signer`` among them, and the blobs that they are made of.

    Those that are there stay: of other keys, and for other names of the same content.

    :raises PackagingError: the signer gives none.
    """
    there = signatures(repository, subject.digest)
    old = [content_of(each.payload, LAYER_TYPE, "signature", each.layer.annotations) for each in there]
    done = any(
        not signature_problem(each.payload, each.signature, subject.digest, name, signer.key)
        for each in there
    )
    new = [] if done else [signature_of(subject, name, signer)]
    made: Signing = signing_manifest(subject, (*old, *new))
    return Referrer(subject, made.manifest, (signature_tag(subject.digest),)), made.blobs


def require_signed(repository: Repository, digest: str, key: VerifyingKey) -> None:
    """Raises :class:`VerificationError` unless ``key`` signed the manifest ``digest`` under the name that
    ``repository`` was asked for."""
    reference = repository.reference
    name = "" if reference.digest else str(reference)
    found = signatures(repository, digest)
    problems = [signature_problem(each.payload, each.signature, digest, name, key) for each in found]
    if found and not all(problems):
        return
    reasons = tuple(dict.fromkeys(problems)) or (f"nothing is stored as {signature_tag(digest)}",)
    raise VerificationError(
        f"{reference} is not what the key {key.id[:16]} signed" if found else f"nobody signed {reference}",
        details=(*reasons, f"digest: {digest}"),
        hint="do not use it; ask its publisher for the right key, and for the digest",
    )
