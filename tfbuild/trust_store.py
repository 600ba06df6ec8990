"""A CA bundle as Java's trust store, for Bazel: Java reads no PEM file. Pure.

The form is JKS: it needs no key and no random number, so the same certificates give the same bytes. Source:
JavaKeyStore.java in https://github.com/openjdk/jdk (src/java.base/share/classes/sun/security/provider).
"""

from __future__ import annotations

import hashlib
import re
import ssl
import struct

_MAGIC, _VERSION, _TRUSTED = 0xFEEDFEED, 2, 2
# Every Java knows this one; it protects nothing, and Java asks for none to read certificates.
_PASSWORD = "changeit"  # noqa: S105
_WHITENER = b"Mighty Aphrodite"
_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def java_trust_store(pem: str) -> bytes:
    """The certificates in ``pem`` as a JKS key store; anything else in the text is left out.

    :raises ValueError: a block holds no certificate.
    """
    found = dict.fromkeys(ssl.PEM_cert_to_DER_cert(block) for block in _BLOCK.findall(pem))
    if not all(each.startswith(b"\x30") for each in found):  # every certificate is a SEQUENCE
        raise ValueError("something else than a certificate")
    body = struct.pack(">III", _MAGIC, _VERSION, len(found))
    for number, certificate in enumerate(found):
        # Alias, time in ms since 1970, kind, length.
        body += struct.pack(">I", _TRUSTED) + _text(f"ca-{number}") + struct.pack(">Q", 0)
        body += _text("X.509") + struct.pack(">I", len(certificate)) + certificate
    # The form's own checksum; who may be trusted is not decided by it.
    return body + hashlib.sha1(_PASSWORD.encode("utf-16-be") + _WHITENER + body).digest()  # noqa: S324


def _text(value: str) -> bytes:
    raw = value.encode("ascii")
    return struct.pack(">H", len(raw)) + raw
