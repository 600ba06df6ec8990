"""Signatures in the form of ``ssh-keygen -Y``: SSHSIG, by OpenSSH's PROTOCOL.sshsig. Pure."""

from __future__ import annotations

import base64
import hashlib
import textwrap

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from tfbuild.trust.keys import Signer, VerifyingKey

# Signatures for another purpose do not pass for ours.
NAMESPACE = "tfbuild"
_MAGIC, _VERSION, _HASH = b"SSHSIG", b"\0\0\0\1", "sha512"
_HASHES = frozenset({b"sha256", b"sha512"})
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


def ssh_signature(data: bytes, signer: Signer) -> bytes:
    """The armoured signature of ``data``."""
    kind, blob = _public(signer.key)
    raw = signer.sign(_signed(data, _HASH))
    if kind != b"ssh-ed25519":  # ECDSA: two numbers, which RFC 5656 3.1.2 writes in its own form
        raw = b"".join(_number(each) for each in decode_dss_signature(raw))
    fields = (blob, NAMESPACE.encode(), b"", _HASH.encode(), _string(kind) + _string(raw))
    signature = _MAGIC + _VERSION + b"".join(map(_string, fields))
    lines = textwrap.wrap(base64.b64encode(signature).decode(), 70)
    return "\n".join((_BEGIN, *lines, _END, "")).encode()


def ssh_verifies(armoured: bytes, data: bytes, key: VerifyingKey) -> bool:
    """Whether ``armoured`` is a signature of ``data`` by ``key`` for our namespace; also of ssh-keygen."""
    try:
        body = armoured.decode("ascii").strip().removeprefix(_BEGIN).removesuffix(_END)
        signature = base64.b64decode("".join(body.split()), validate=True)
        if not signature.startswith(_MAGIC + _VERSION):
            return False
        blob, namespace, _, algorithm, inner = _strings(signature[len(_MAGIC + _VERSION) :], 5)
        kind, raw = _strings(inner, 2)
        if (kind, blob) != _public(key) or namespace != NAMESPACE.encode() or algorithm not in _HASHES:
            return False
        if kind != b"ssh-ed25519":
            raw = encode_dss_signature(*(int.from_bytes(each, "big") for each in _strings(raw, 2)))
        return key.verifies(raw, _signed(data, algorithm.decode()))
    except ValueError:  # of a text that is no signature
        return False


def _public(key: VerifyingKey) -> tuple[bytes, bytes]:
    """Name of the algorithm, and the key itself."""
    line = key.public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    kind, blob = line.split()[:2]
    return kind, base64.b64decode(blob)


def _signed(data: bytes, algorithm: str) -> bytes:
    """What is signed in the place of ``data``."""
    digest = hashlib.new(algorithm, data).digest()
    return _MAGIC + b"".join(map(_string, (NAMESPACE.encode(), b"", algorithm.encode(), digest)))


def _strings(data: bytes, count: int) -> list[bytes]:
    """``count`` strings that are all of ``data``. Raises ValueError where they are not."""
    found = []
    for _ in range(count):
        size = int.from_bytes(data[:4], "big")
        if len(data) < 4 + size or len(data) < 4:
            raise ValueError("a string ends too early")
        found.append(data[4 : 4 + size])
        data = data[4 + size :]
    if data:
        raise ValueError("something follows the last string")
    return found


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _number(value: int) -> bytes:
    """mpint of RFC 4251: with a zero in front where the first bit would make it negative."""
    return _string(value.to_bytes(value.bit_length() // 8 + 1, "big"))
