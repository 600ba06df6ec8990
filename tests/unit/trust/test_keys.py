"""Keys of every form that people have, and what is said of those that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.errors import PackagingError, UsageError
from tfbuild.trust.keys import FileSigner, command_signer, read_signer, read_verifying_key

KINDS: dict[str, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey] = {
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
}
PEM, SSH = serialization.Encoding.PEM, serialization.Encoding.OpenSSH
PKCS8, OPENSSH = serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.OpenSSH
LOCKED = serialization.BestAvailableEncryption(b"open sesame")
OPEN = serialization.NoEncryption()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("form", "is_ssh"), [(PKCS8, False), (OPENSSH, True)])
def test_what_a_key_signs_its_public_half_verifies(
    kind: str, form: serialization.PrivateFormat, is_ssh: bool
) -> None:
    private = KINDS[kind]
    signer = read_signer(private.private_bytes(PEM, form, OPEN), "", "k")
    assert signer.is_ssh is is_ssh
    signature = signer.sign(b"text")
    for encoding, public_form in (
        (PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        (SSH, serialization.PublicFormat.OpenSSH),
    ):
        key = read_verifying_key(private.public_key().public_bytes(encoding, public_form), "k.pub")
        assert key.id == signer.key.id
        assert key.verifies(signature, b"text")
        assert not key.verifies(signature, b"Text")
        assert not key.verifies(signature[:-1] + bytes([signature[-1] ^ 1]), b"text")
        assert not key.verifies(b"", b"text")


@pytest.mark.parametrize("form", [PKCS8, OPENSSH])
def test_a_key_with_a_passphrase_is_read_with_it_alone(form: serialization.PrivateFormat) -> None:
    data = KINDS["Ed25519"].private_bytes(PEM, form, LOCKED)
    assert read_signer(data, "open sesame", "k").key.id
    with pytest.raises(UsageError, match="has a passphrase") as caught:
        read_signer(data, "", "k")
    assert "TFBUILD_SIGNING_PASSPHRASE" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="another passphrase"):
        read_signer(data, "open barley", "k")


def test_a_passphrase_that_a_key_does_not_have_is_not_asked_for() -> None:
    assert read_signer(KINDS["Ed25519"].private_bytes(PEM, PKCS8, OPEN), "not needed", "k")


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----\n", b"\xff" * 99]
)
def test_what_is_no_key_is_refused_with_a_way_to_make_one(data: bytes) -> None:
    with pytest.raises(UsageError, match="no private key") as caught:
        read_signer(data, "", "k")
    assert "openssl genpkey" in (caught.value.hint or "")
    with pytest.raises(UsageError, match=r"public key|private key"):
        read_verifying_key(data, "k")


def test_keys_of_other_kinds_are_refused() -> None:
    for private in (rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP521R1())):
        with pytest.raises(UsageError, match="another kind"):
            read_signer(private.private_bytes(PEM, PKCS8, OPEN), "", "k")
        public = private.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(UsageError, match="another kind"):
            read_verifying_key(public, "k")


def test_who_verifies_needs_no_private_key() -> None:
    with pytest.raises(UsageError, match="is a private key") as caught:
        read_verifying_key(KINDS["Ed25519"].private_bytes(PEM, PKCS8, OPEN), "k")
    assert "-pubout" in (caught.value.hint or "")


def signature_of(data: bytes) -> str:
    import base64

    return base64.b64encode(FileSigner(KINDS["Ed25519"], False).sign(data)).decode()


def test_a_command_signs_what_it_reads(tmp_path: Path) -> None:
    key = FileSigner(KINDS["Ed25519"], False).key
    runner = RecordingRunner([Reply(("hsm", "--slot", "1"), stdout=f"{signature_of(b'text')}\n")])
    signer = command_signer(("hsm", "--slot", "1"), key, runner)
    assert key.verifies(signer.sign(b"text"), b"text")


@pytest.mark.parametrize(
    "printed",
    ["", "not base64!", "AAAA", pytest.param(signature_of(b"another text"), id="of another text")],
)
def test_what_a_command_prints_is_checked(printed: str) -> None:
    key = FileSigner(KINDS["Ed25519"], False).key
    with pytest.raises(PackagingError, match="no signature by"):
        command_signer(("hsm",), key, RecordingRunner([Reply(("hsm",), stdout=printed)])).sign(b"text")


def test_a_command_that_fails_is_quoted() -> None:
    key = FileSigner(KINDS["Ed25519"], False).key
    runner = RecordingRunner([Reply(("hsm",), returncode=3, stderr="token not found\n")])
    with pytest.raises(PackagingError, match="exit code 3") as caught:
        command_signer(("hsm",), key, runner).sign(b"text")
    assert caught.value.details == ("token not found",)
