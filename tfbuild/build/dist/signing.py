"""Signs a finished dist folder: writes what proves who answers for it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tfbuild.base.errors import PackagingError, UsageError, VerificationError
from tfbuild.build.dist.folder import is_intact
from tfbuild.build.dist.ownership import CHECKSUMS
from tfbuild.machine.programs import Runner
from tfbuild.machine.user_files import replace_bytes
from tfbuild.trust.files import (
    MINISIGN_SIGNATURE,
    SEALED,
    SIGNATURE_FILES,
    SIGSTORE_BUNDLE,
    SSH_SIGNATURE,
    SUMS,
    SUMS_SIGNATURE,
    VERDICT,
)
from tfbuild.trust.keyless import SIGN, require_identity
from tfbuild.trust.keys import Signer
from tfbuild.trust.minisign import is_minisign_key
from tfbuild.trust.signing import envelope_problem, signatures_of, sums_problem
from tfbuild.verify.dist_folders import which_dist_folder

_COSIGN_S = 300  # seconds


def sign_folder(folder: Path, signer: Signer) -> tuple[str, ...]:
    """Write the signatures of ``folder``; returns their names, none where all were there already.

    :raises UsageError: it is no dist folder.
    :raises VerificationError: its files are not those of its SHA256SUMS: that is never signed.
    :raises PackagingError: the signer gives no signature, or a file cannot be written.
    """
    _require_signable(folder)
    documents = {name: (folder / name).read_bytes() for name in _signed_names(folder)}
    if _is_signed(folder, documents, signer):
        return ()
    files = signatures_of(documents, signer)
    try:
        # Those of another key, or another build.
        for name in sorted({*SIGNATURE_FILES, VERDICT.envelope} - files.keys()):
            (folder / name).unlink(missing_ok=True)
        for name, data in files.items():
            replace_bytes(folder / name, data)
    except OSError as error:
        raise PackagingError(
            f"couldn't write the signatures in {folder}", details=(str(error),), hint="df -h"
        ) from error
    return tuple(files)


def sign_keyless(folder: Path, env: Mapping[str, str], runner: Runner) -> tuple[str, ...]:
    """Let cosign sign SHA256SUMS for the identity that the environment has; returns the name of its bundle.

    :raises UsageError: there is no identity, or it is no dist folder.
    :raises VerificationError: its files are not those of its SHA256SUMS.
    :raises PackagingError: cosign did not sign.
    """
    require_identity(env)
    _require_signable(folder)
    done = runner.capture(SIGN, cwd=folder, timeout_s=_COSIGN_S)
    if not done.ok or not (folder / SIGSTORE_BUNDLE).is_file():
        raise PackagingError(
            f"cosign did not sign: exit code {done.returncode}",
            details=tuple(done.stderr.splitlines()[-5:]),
            hint="it asks Sigstore's servers fulcio and rekor, which this machine has to reach",
        )
    return (SIGSTORE_BUNDLE,)


def _require_signable(folder: Path) -> None:
    if not (folder / CHECKSUMS).is_file():
        raise UsageError(
            f"{folder} is not a dist folder: it has no {CHECKSUMS}", hint=which_dist_folder(folder)
        )
    if not is_intact(folder):
        raise VerificationError(
            f"{folder} is not signed: its files are not those of its {CHECKSUMS}",
            hint=f"invoke verify {folder} says which; build it again",
        )


def _signed_names(folder: Path) -> tuple[str, ...]:
    return (SUMS, *(each.document for each in SEALED if (folder / each.document).is_file()))


def _is_signed(folder: Path, documents: dict[str, bytes], signer: Signer) -> bool:
    """Whether this key signed it before: another signature of the same would only be other bytes."""
    try:
        if sums_problem((folder / SUMS_SIGNATURE).read_bytes(), documents[SUMS], signer.key):
            return False
        wanted = (
            (SSH_SIGNATURE, signer.is_ssh),
            (MINISIGN_SIGNATURE, is_minisign_key(signer.key.public)),
        )
        for name, is_wanted in wanted:
            if is_wanted and sums_problem((folder / name).read_bytes(), documents[SUMS], signer.key, name):
                return False
        return not any(
            envelope_problem(
                (folder / each.envelope).read_bytes(), documents[each.document], each, signer.key
            )
            for each in SEALED
            if each.document in documents
        )
    except OSError:
        return False
