"""Keys that sign and keys that verify: Ed25519, and ECDSA with P-256 and P-384.

Private keys come from a file (PEM or OpenSSH's form) or stay in a device, behind a command. Keys are read
with ``cryptography``; ``securesystemslib`` names them and verifies, as in-toto and TUF do.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import Signature, SSlibKey

from tfbuild.base.errors import PackagingError, UsageError
from tfbuild.machine.programs import Runner

PASSPHRASE = "TFBUILD_SIGNING_PASSPHRASE"  # noqa: S105 - the name of a variable
PublicKey = ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey
_PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_HASHES = {256: hashes.SHA256(), 384: hashes.SHA384()}  # of ECDSA, by the bits of the curve
_MAKE = "openssl genpkey -algorithm ed25519 -out key.pem"


@dataclass(frozen=True)
class VerifyingKey:
    """A public key."""

    public: PublicKey

    @property
    def named(self) -> SSlibKey:
        """With the id that envelopes have: a hash of the key."""
        return SSlibKey.from_crypto(self.public)

    @property
    def id(self) -> str:
        return str(self.named.keyid)

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether ``signature`` is one of ``data`` by this key: Ed25519's 64 bytes, or ECDSA's in DER."""
        try:
            self.named.verify_signature(Signature(self.id, signature.hex()), data)
        except (UnverifiedSignatureError, VerificationError):
            return False
        return True


class Signer(Protocol):
    """Whatever signs."""

    @property
    def key(self) -> VerifyingKey: ...
    @property
    def is_ssh(self) -> bool:
        """Whether its owner verifies with OpenSSH."""

    def sign(self, data: bytes) -> bytes:
        """In the form that :meth:`VerifyingKey.verifies` takes.

        :raises PackagingError: there is none.
        """


@dataclass(frozen=True)
class FileSigner:
    """A private key in memory."""

    private: _PrivateKey
    is_ssh: bool

    @property
    def key(self) -> VerifyingKey:
        return VerifyingKey(self.private.public_key())

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.private, ed25519.Ed25519PrivateKey):
            return self.private.sign(data)
        return self.private.sign(data, ec.ECDSA(_HASHES[self.private.curve.key_size]))


@dataclass(frozen=True)
class CommandSigner:
    """A program that signs what it reads from stdin and prints the signature in base64, for HSMs and KMS."""

    argv: tuple[str, ...]
    key: VerifyingKey
    runner: Runner
    is_ssh: bool = False

    def sign(self, data: bytes) -> bytes:
        done = self.runner.capture(self.argv, input=data)
        hint = "it gets the bytes to sign on stdin, and prints the signature in base64"
        if not done.ok:
            lines = tuple(done.stderr.splitlines()[-5:])
            raise PackagingError(
                f"signing.command ended with exit code {done.returncode}", details=lines, hint=hint
            )
        try:
            signature = base64.b64decode("".join(done.stdout.split()), validate=True)
        except binascii.Error:
            signature = b""
        if not self.key.verifies(signature, data):
            raise PackagingError(
                "what signing.command printed is no signature by signing.public_key",
                details=(f"command: {' '.join(self.argv)}",),
                hint=hint,
            )
        return signature


def read_signer(data: bytes, passphrase: str, where: str) -> FileSigner:
    """The private key in a file's bytes, PEM or OpenSSH's form; ``where`` is what messages call it.

    :raises UsageError: it is none, of another kind, or locked by another passphrase.
    """
    is_ssh = data.lstrip().startswith(_OPENSSH)
    load = serialization.load_ssh_private_key if is_ssh else serialization.load_pem_private_key
    password = passphrase.encode() or None
    try:
        try:
            private = load(data, password)
        except TypeError:  # a passphrase, and the key has none; or none, and it has one
            if password is None:
                raise UsageError(
                    f"{where} has a passphrase", hint=f"give it in the environment: {PASSPHRASE}=..."
                ) from None
            private = load(data, None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"{where} is no private key that can be read{', or has another passphrase' if password else ''}",
            details=(str(error),),
            hint=f"make one: {_MAKE}",
        ) from None
    if not isinstance(private, ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey):
        raise _of_another_kind(where)
    _require_curve(private.public_key(), where)
    return FileSigner(private, is_ssh)


def read_verifying_key(data: bytes, where: str) -> VerifyingKey:
    """The public key in a file's bytes: PEM, or a line of OpenSSH's.

    :raises UsageError: it is none, or of another kind.
    """
    start = data.lstrip()
    if b"PRIVATE KEY-----" in start[:64]:
        raise UsageError(
            f"{where} is a private key; verifying takes the public one",
            hint="openssl pkey -in KEY -pubout -out KEY.pub; of an SSH key, the file KEY.pub",
        )
    pem = start.startswith(b"-----BEGIN")
    try:
        public = (serialization.load_pem_public_key if pem else serialization.load_ssh_public_key)(start)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"{where} is no public key that can be read", details=(str(error),), hint="PEM, or OpenSSH's .pub"
        ) from None
    if not isinstance(public, ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey):
        raise _of_another_kind(where)
    _require_curve(public, where)
    return VerifyingKey(public)


def _require_curve(public: PublicKey, where: str) -> None:
    if isinstance(public, ec.EllipticCurvePublicKey) and public.curve.key_size not in _HASHES:
        raise _of_another_kind(where)


def _of_another_kind(where: str) -> UsageError:
    return UsageError(
        f"{where} is a key of another kind", hint=f"take Ed25519, or ECDSA with P-256 or P-384: {_MAKE}"
    )


def command_signer(argv: Sequence[str], public: VerifyingKey, runner: Runner) -> CommandSigner:
    """What asks ``argv`` for each signature, and believes none that ``public`` does not verify."""
    return CommandSigner(tuple(argv), public, runner)
