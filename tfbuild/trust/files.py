"""Names of the files that say what a result is and who answers for it; imports nothing of weight."""

from __future__ import annotations

from dataclasses import dataclass

SUMS = "SHA256SUMS"
SPDX_FILE, CYCLONEDX_FILE = "sbom.spdx.json", "sbom.cdx.json"
PROVENANCE_FILE = "provenance.json"
SUMS_SIGNATURE, SSH_SIGNATURE = "SHA256SUMS.sig", "SHA256SUMS.sshsig"


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
# All that signing writes; nothing else in a dist folder is missing in its SHA256SUMS.
SIGNATURE_FILES = frozenset({SUMS_SIGNATURE, SSH_SIGNATURE, *(each.envelope for each in DOCUMENTS)})
