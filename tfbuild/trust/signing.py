"""What is signed of a dist folder, and whether a signature is right. Pure, but for what a signer does.

Documents get a DSSE envelope each (https://github.com/secure-systems-lab/dsse), SHA256SUMS a detached
signature of its bytes as OpenSSL verifies it. None of these files is in SHA256SUMS: they can be made anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signature

from tfbuild.trust.files import (
    MINISIGN_SIGNATURE,
    SEALED,
    SSH_SIGNATURE,
    SUMS,
    SUMS_SIGNATURE,
    Signed,
)
from tfbuild.trust.keys import Signer, VerifyingKey
from tfbuild.trust.minisign import is_minisign_key, minisign_signature, minisign_verifies
from tfbuild.trust.sshsig import ssh_signature, ssh_verifies


def signatures_of(documents: Mapping[str, bytes], signer: Signer) -> dict[str, bytes]:
    """The files that sign ``documents``, by their names; ``documents`` has SHA256SUMS and what there is of
    :data:`tfbuild.trust.files.SEALED`.

    :raises PackagingError: the signer gives no signature.
    """
    sums = documents[SUMS]
    files = {SUMS_SIGNATURE: signer.sign(sums)}
    if signer.is_ssh:
        files[SSH_SIGNATURE] = ssh_signature(sums, signer)
    if is_minisign_key(signer.key.public):
        files[MINISIGN_SIGNATURE] = minisign_signature(sums, signer)
    for each in SEALED:
        if each.document in documents:
            files[each.envelope] = _sealed(documents[each.document], each.media_type, signer)
    return files


def _sealed(payload: bytes, media_type: str, signer: Signer) -> bytes:
    envelope = Envelope(payload, media_type, {})
    keyid = signer.key.id
    envelope.signatures[keyid] = Signature(keyid, signer.sign(envelope.pae()).hex())
    return (json.dumps(envelope.to_dict()) + "\n").encode()


@dataclass(frozen=True)
class Problem:
    """The id of a finding, and a sentence."""

    id: str
    text: str


def envelope_problem(data: bytes, expected: bytes, signed: Signed, key: VerifyingKey) -> Problem | None:
    """Why the envelope does not prove that ``key`` signed ``expected``."""
    name = signed.envelope
    try:
        envelope = Envelope.from_dict(json.loads(data))
    # What the library lets out on damaged input is nowhere listed.
    except Exception as error:  # noqa: BLE001
        return Problem("signature-invalid", f"{name} is no DSSE envelope: {error or type(error).__name__}")
    # The id is a hint, as DSSE has it: envelopes of other programs have another one, or none.
    signatures = [bytes.fromhex(each.signature) for each in envelope.signatures.values()]
    if not any(key.verifies(each, envelope.pae()) for each in signatures):
        if key.id in envelope.signatures:
            text = f"the signature in {name} is not of its content: one was changed"
        else:
            ids = ", ".join(sorted(each[:16] for each in envelope.signatures)) or "nobody"
            text = f"{name} is signed by another key: {ids}, not {key.id[:16]}"
        return Problem("signature-invalid", text)
    if envelope.payload_type != signed.media_type:
        what = f"{envelope.payload_type}, not {signed.media_type}"
        return Problem("signature-mismatch", f"{name} signs a document of another kind: {what}")
    if envelope.payload != expected:
        why = "it is of another build, or the file was changed"
        return Problem("signature-mismatch", f"{name} signs another text than {signed.document}: {why}")
    return None


def sums_problem(
    signature: bytes, sums: bytes, key: VerifyingKey, name: str = SUMS_SIGNATURE
) -> Problem | None:
    """Why the detached signature, of the form that the file ``name`` has, does not prove that ``key`` signed
    SHA256SUMS."""
    if _verifies(signature, sums, key, name):
        return None
    reasons = "one of the two was changed, it is of another build, or another key signed"
    text = f"{name} is no signature of {SUMS} by the key {key.id[:16]}: {reasons}"
    return Problem("signature-invalid", text)


def _verifies(signature: bytes, sums: bytes, key: VerifyingKey, name: str) -> bool:
    if name == SSH_SIGNATURE:
        return ssh_verifies(signature, sums, key)
    if name == MINISIGN_SIGNATURE:
        return is_minisign_key(key.public) and minisign_verifies(signature, sums, key)
    return key.verifies(signature, sums)
