"""Names of the files that say what a result is and who answers for it; imports nothing of weight."""

from __future__ import annotations

from dataclasses import dataclass

SUMS = "SHA256SUMS"
SPDX_FILE, CYCLONEDX_FILE = "sbom.spdx.json", "sbom.cdx.json"
PROVENANCE_FILE = "provenance.json"
SUMS_SIGNATURE, SSH_SIGNATURE = "SHA256SUMS.sig", "SHA256SUMS.sshsig"
MINISIGN_SIGNATURE = "SHA256SUMS.minisig"
SIGSTORE_BUNDLE = "SHA256SUMS.sigstore.json"  # of an identity, whoever else signed with a key


@dataclass(frozen=True)
class Signed:
    """A document, its envelope and the media type of what is in that."""

    document: str
    envelope: str
    media_type: str


DOCUMENTS = (
    Signed(PROVENANCE_FILE, "provenance.dsse.json", "application/vnd.in-toto+json"),
    Signed(SPDX_FILE, "sbom.spdx.dsse.json", "application/spdx+json"),
    Signed(CYCLONEDX_FILE, "sbom.cdx.dsse.json", "application/vnd.cyclonedx+json"),
)
# What building again showed (invoke reproduce): later than SHA256SUMS, and so not in it.
VERDICT = Signed("reproducible.json", "reproducible.dsse.json", "application/vnd.tfbuild.reproducible+json")
SEALED = (*DOCUMENTS, VERDICT)
# All that signing a build writes, and not that of what was found out later.
SIGNATURE_FILES = frozenset(
    {SUMS_SIGNATURE, SSH_SIGNATURE, MINISIGN_SIGNATURE, *(each.envelope for each in DOCUMENTS)}
)
# What is written when a dist folder is finished; nothing else in it is missing in its SHA256SUMS.
LATER_FILES = SIGNATURE_FILES | {VERDICT.document, VERDICT.envelope, SIGSTORE_BUNDLE}
