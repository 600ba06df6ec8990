"""Signatures in the form of ``ssh-keygen -Y``: SSHSIG, by OpenSSH's PROTOCOL.sshsig. Pure."""

from __future__ import annotations

import base64
import hashlib
import textwrap

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tfbuild.trust.keys import Signer

# Signatures for another purpose do not pass for ours.
NAMESPACE = "tfbuild"
_MAGIC, _VERSION, _HASH = b"SSHSIG", 1, "sha512"


def ssh_signature(data: bytes, signer: Signer) -> bytes:
    """The armoured signature of ``data``."""
    line = signer.key.public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    kind, blob = line.split()[:2]
    digest = hashlib.new(_HASH, data).digest()
    common = (NAMESPACE.encode(), b"", _HASH.encode())
    raw = signer.sign(_MAGIC + b"".join(map(_string, (*common, digest))))
    if kind != b"ssh-ed25519":  # ECDSA: two numbers, which RFC 5656 3.1.2 writes in its own form
        raw = b"".join(_number(each) for each in decode_dss_signature(raw))
    fields = (base64.b64decode(blob), *common, _string(kind) + _string(raw))
    signature = _MAGIC + _VERSION.to_bytes(4, "big") + b"".join(map(_string, fields))
    lines = textwrap.wrap(base64.b64encode(signature).decode(), 70)
    return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", "")).encode()


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _number(value: int) -> bytes:
    """mpint of RFC 4251: with a zero in front where the first bit would make it negative."""
    return _string(value.to_bytes(value.bit_length() // 8 + 1, "big"))
