"""Signatures as minisign makes and verifies them; Ed25519 alone. Pure, but for what a signer does.

https://jedisct1.github.io/minisign/#signature-format
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tfbuild.trust.keys import PublicKey, Signer, VerifyingKey

_PREHASHED = b"ED"  # what is signed is BLAKE2b of the file
_UNTRUSTED, _TRUSTED = "untrusted comment: ", "trusted comment: "
_COMMENT = "file:SHA256SUMS\thashed"  # no time: the same key gives the same bytes
_SIGNATURE = 64


def is_minisign_key(public: PublicKey) -> bool:
    """Whether minisign has keys of this kind."""
    return isinstance(public, ed25519.Ed25519PublicKey)


def minisign_signature(data: bytes, signer: Signer) -> bytes:
    """The file ``*.minisig`` for ``data``, by an Ed25519 key."""
    signature = signer.sign(_hash(data))
    trusted = signer.sign(signature + _COMMENT.encode())
    head = base64.b64encode(_PREHASHED + _id(signer.key) + signature).decode()
    tail = base64.b64encode(trusted).decode()
    return f"{_UNTRUSTED}signature by tfbuild\n{head}\n{_TRUSTED}{_COMMENT}\n{tail}\n".encode()


def minisign_verifies(signature: bytes, data: bytes, key: VerifyingKey) -> bool:
    """Whether ``signature`` is such a file for ``data``, by ``key``."""
    try:
        untrusted, head, trusted, tail = signature.decode().splitlines()
        raw, whole = base64.b64decode(head, validate=True), base64.b64decode(tail, validate=True)
    except (ValueError, binascii.Error):
        return False
    if not (untrusted.startswith(_UNTRUSTED) and trusted.startswith(_TRUSTED)):
        return False
    own, comment = raw[-_SIGNATURE:], trusted.removeprefix(_TRUSTED).encode()
    has_form = raw == _PREHASHED + _id(key) + own and len(own) == _SIGNATURE
    return has_form and key.verifies(own, _hash(data)) and key.verifies(whole, own + comment)


def _id(key: VerifyingKey) -> bytes:
    """Any eight bytes will do; these can be had with OpenSSL, as docs/trust.md shows."""
    return key.public.public_bytes(Encoding.Raw, PublicFormat.Raw)[:8]


def _hash(data: bytes) -> bytes:
    return hashlib.blake2b(data).digest()
