"""Signatures of what a registry has, in the form of cosign, skopeo and Podman: a text that names the digest
and the name of what is signed, and a signature of that text. Pure, but for what a signer does.

https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md,
https://github.com/containers/image/blob/main/docs/containers-signature.5.md
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass

from tfbuild.registry.content import (
    OCI_CONFIG,
    Content,
    Descriptor,
    content_of,
    json_bytes,
    manifest_of,
)
from tfbuild.trust.keys import Signer, VerifyingKey

ARTIFACT_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
LAYER_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
_KIND = "cosign container image signature"


@dataclass(frozen=True)
class Signing:
    """The manifest of a signature and all that it is made of."""

    manifest: Content
    blobs: tuple[Content, ...]


def signature_tag(digest: str) -> str:
    """Where cosign and skopeo look for the signature of the manifest ``digest``."""
    return f"{digest.replace(':', '-')}.sig"


def signature_of(subject: Descriptor, name: str, signer: Signer) -> Content:
    """A signature that ``subject`` is what has the name ``name``, as a layer.

    :raises PackagingError: the signer gives none.
    """
    payload = json_bytes(
        {
            "critical": {
                "identity": {"docker-reference": name},
                "image": {"docker-manifest-digest": subject.digest},
                "type": _KIND,
            },
            "optional": {"creator": "tfbuild"},
        }
    )
    signature = base64.b64encode(signer.sign(payload)).decode()
    return content_of(payload, LAYER_TYPE, f"signature of {subject.short}", {SIGNATURE: signature})


def signing_manifest(subject: Descriptor, layers: Sequence[Content]) -> Signing:
    """A manifest of ``layers``, which are the signatures of ``subject``."""
    rootfs = {"type": "layers", "diff_ids": [each.descriptor.digest for each in layers]}
    document = {"architecture": "", "os": "", "config": {}, "rootfs": rootfs}
    config = content_of(json_bytes(document), OCI_CONFIG, "configuration of a signature")
    manifest = manifest_of(
        [each.descriptor for each in layers],
        name=f"signature of {subject.short}",
        config=config.descriptor,
        artifact_type=ARTIFACT_TYPE,
        subject=subject,
    )
    return Signing(manifest, (*layers, config))


def signature_problem(payload: bytes, signature: str, digest: str, name: str, key: VerifyingKey) -> str:
    """Why ``signature`` does not prove that ``key`` signed the manifest ``digest`` as ``name``; empty where
    it does. ``name`` is empty for what was asked for by its digest: its name proves nothing then."""
    try:
        raw = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if not key.verifies(raw, payload):
        return f"the signature is not one by the key {key.id[:16]}: another key signed, or a byte was changed"
    try:
        critical = json.loads(payload)["critical"]
        signed = critical["image"]["docker-manifest-digest"]
        identity = critical["identity"]["docker-reference"]
        kind = critical["type"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return "what is signed is no statement about an image"
    if kind != _KIND:
        return f"what is signed is a statement of another kind: {kind}"
    if signed != digest:
        return f"the signature is of another artifact: {signed}, not {digest}"
    if name and identity != name:
        return f"it was signed as {identity}, not as {name}: perhaps another release in its place"
    return ""
