"""Sigstore's signatures without a key: whether there is an identity, and what cosign is asked. Pure.

https://docs.sigstore.dev/cosign/signing/signing_with_blobs/
"""

from __future__ import annotations

from collections.abc import Mapping

from tfbuild.base.errors import UsageError
from tfbuild.trust.files import SIGSTORE_BUNDLE, SUMS

# Where cosign finds a token by itself: one that was put there, and GitHub's with "id-token: write".
_TOKEN, _GITHUB = "SIGSTORE_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"

# Run in the dist folder.
SIGN = ("cosign", "sign-blob", "--yes", "--bundle", SIGSTORE_BUNDLE, SUMS)


def require_identity(env: Mapping[str, str]) -> None:
    """:raises UsageError: the environment has no token that says who signs; cosign would open a browser."""
    if not (env.get(_TOKEN) or env.get(_GITHUB)):
        raise UsageError(
            "--keyless: nobody says who signs, there is no OpenID Connect token",
            details=(
                f"{_TOKEN} is not set: GitLab sets it with 'id_tokens: {{{_TOKEN}: {{aud: sigstore}}}}'",
                f"{_GITHUB} is not set: GitHub sets it with 'permissions: {{id-token: write}}'",
            ),
            hint="run it in such a job, or sign with a key: --key KEYFILE",
        )
