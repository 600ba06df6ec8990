"""Whether the documents beside an image in a registry are about it, and about nothing else. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tfbuild.base.text import first_lines
from tfbuild.build.publish.image import ATTACHED, SPDX_PREDICATE
from tfbuild.trust.files import CYCLONEDX_FILE, PROVENANCE_FILE, SEALED, SPDX_FILE, SUMS, VERDICT
from tfbuild.trust.provenance import PREDICATE_TYPE, lost_materials
from tfbuild.trust.signing import envelope_problem
from tfbuild.verify.checks.trust import Demand
from tfbuild.verify.policy import Requirement

_SHOWN = 5


@dataclass(frozen=True)
class Evidence:
    """What a registry has about one image.

    ``ids`` are the digests of its manifest and configuration, ``attested`` the statements in its index by
    their predicate's type, ``documents`` what refers to it by its name.
    """

    platform: str
    ids: frozenset[str]
    attested: Mapping[str, bytes]
    documents: Mapping[str, bytes]


def problems(evidence: Evidence, demand: Demand) -> Iterator[str]:
    """What is wrong, a sentence each."""
    provenance = evidence.attested.get(PREDICATE_TYPE)
    if provenance is None:
        if Requirement.PROVENANCE in demand.require or evidence.documents.keys() & ATTACHED.keys():
            yield "its index has no provenance of it"
        if Requirement.SBOM in demand.require:
            yield "its index has no bill of materials of it"
        if Requirement.REPRODUCIBLE in demand.require:
            yield "so it is unknown whether building it again gives the same bytes"
        return
    statement = _json(provenance)
    yield from _about(statement, evidence.ids)
    yield from _bills(evidence, demand)
    yield from _beside(statement, provenance, evidence)
    if Requirement.REPRODUCIBLE in demand.require:
        yield from _again(provenance, evidence, demand)
    if demand.key:
        for each in SEALED:
            envelope, document = (evidence.documents.get(name) for name in (each.envelope, each.document))
            if envelope and (wrong := envelope_problem(envelope, document or b"", each, demand.key)):
                yield wrong.text


def _about(statement: Any, ids: frozenset[str]) -> Iterator[str]:
    try:
        digests = {f"sha256:{each['digest'].get('sha256')}" for each in statement["subject"]}
        lost = lost_materials(statement)
    except (TypeError, KeyError, AttributeError):
        yield "its provenance is none in SLSA's form"
        return
    if not digests & ids:
        yield "its provenance is of another image"
    if lost:
        names = ", ".join(first_lines(lost, _SHOWN))
        yield f"its provenance names other materials than the plan has: {names}"


def _bills(evidence: Evidence, demand: Demand) -> Iterator[str]:
    attested = evidence.attested.get(SPDX_PREDICATE)
    if attested is None:
        if Requirement.SBOM in demand.require:
            yield "its index has no bill of materials of it"
        return
    try:
        statement = _json(attested)
        digests = {f"sha256:{each['digest'].get('sha256')}" for each in statement["subject"]}
        versions = {each.get("versionInfo") for each in statement["predicate"]["packages"]}
    except (TypeError, KeyError, AttributeError):
        yield "its bill of materials is none in SPDX's form"
        return
    if not digests & evidence.ids or not versions & evidence.ids:
        yield "its bill of materials is of another image"
    beside = evidence.documents.get(SPDX_FILE)
    if beside is not None and _json(beside) != statement["predicate"]:
        yield f"{SPDX_FILE} beside it is another bill of materials than that in its index"


def _beside(statement: Any, provenance: bytes, evidence: Evidence) -> Iterator[str]:
    """The provenance names each file of the dist folder by its hash, so the bills too."""
    found = evidence.documents.get(PROVENANCE_FILE)
    if found is not None and found != provenance:
        yield f"{PROVENANCE_FILE} beside it is another one than that in its index"
    subjects = statement.get("subject") if isinstance(statement, dict) else None
    named = {
        each.get("name"): (each.get("digest") or {}).get("sha256")
        for each in (subjects if isinstance(subjects, list) else ())
        if isinstance(each, dict)
    }
    for name in (SPDX_FILE, CYCLONEDX_FILE):
        data = evidence.documents.get(name)
        if data is not None and named.get(name) != hashlib.sha256(data).hexdigest():
            yield f"{name} beside it is not the one that its provenance names"


def _again(provenance: bytes, evidence: Evidence, demand: Demand) -> Iterator[str]:
    """The verdict names SHA256SUMS, which names the provenance, which names the image."""
    verdict = _json(evidence.documents.get(VERDICT.document, b""))
    if not isinstance(verdict, dict) or not isinstance(verdict.get("equal"), bool):
        yield f"nobody built it again: there is no {VERDICT.document} beside it"
        return
    sums = evidence.documents.get(SUMS, b"")
    line = f"{hashlib.sha256(provenance).hexdigest()}  {PROVENANCE_FILE}".encode()
    if verdict.get("sums_sha256") != hashlib.sha256(sums).hexdigest() or line not in sums.splitlines():
        yield f"{VERDICT.document} beside it is about other files"
    elif not verdict["equal"]:
        yield "building it again gave other bytes"
    elif demand.key and VERDICT.envelope not in evidence.documents:
        yield f"nobody signed {VERDICT.document}: there is no {VERDICT.envelope} beside it"


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
