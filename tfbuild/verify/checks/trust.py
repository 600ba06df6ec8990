"""Whether a dist folder is what a key signed, and whether its documents are about its files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfbuild.base.text import first_lines
from tfbuild.trust.bill import IMAGE_FILES
from tfbuild.trust.files import (
    CYCLONEDX_FILE,
    MINISIGN_SIGNATURE,
    PROVENANCE_FILE,
    SEALED,
    SPDX_FILE,
    SSH_SIGNATURE,
    SUMS,
    SUMS_SIGNATURE,
    VERDICT,
    Signed,
)
from tfbuild.trust.keys import VerifyingKey
from tfbuild.trust.provenance import PREDICATE_TYPE, STATEMENT_TYPE, lost_materials
from tfbuild.trust.signing import envelope_problem, sums_problem
from tfbuild.verify.findings import FINDINGS, Observation
from tfbuild.verify.policy import Requirement

_SHOWN = 8
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Demand:
    """The key that must have signed, and what must be there."""

    key: VerifyingKey | None = None
    require: frozenset[Requirement] = frozenset()

    @property
    def is_empty(self) -> bool:
        return self.key is None and not self.require


@dataclass(frozen=True, kw_only=True)
class TrustFacts:
    """What was found right. ``key`` is the id of the key that was given, ``signed`` the files that it signed;
    ``documents`` are those that are about the folder's files."""

    key: str | None
    signed: tuple[str, ...]
    documents: tuple[str, ...]


def check_trust(folder: Path, demand: Demand) -> tuple[TrustFacts, tuple[Observation, ...]]:
    """What is signed and described; an observation for each thing that is asked for and is not so.

    Files are compared with SHA256SUMS here, and SHA256SUMS with the files by :mod:`.dist`.
    """
    signed: list[str] = []
    found = list(_signatures(folder, demand, signed)) if demand.key else []
    folder_facts = _Folder(folder)
    documents: list[str] = []
    checks = (
        (Requirement.PROVENANCE, (PROVENANCE_FILE,), folder_facts.provenance),
        (Requirement.SBOM, (SPDX_FILE, CYCLONEDX_FILE), folder_facts.bills),
        (Requirement.REPRODUCIBLE, (VERDICT.document,), folder_facts.verdict),
    )
    for requirement, names, check in checks:
        if requirement in demand.require:
            wrong = list(check())
            found += wrong
            documents += () if wrong else names
    key = demand.key.id if demand.key else None
    facts = TrustFacts(key=key, signed=tuple(signed), documents=tuple(documents))
    return facts, tuple(replace(each, fix=FINDINGS[each.id].remedy) for each in found)


def _signatures(folder: Path, demand: Demand, signed: list[str]) -> Iterator[Observation]:
    key = demand.key
    if key is None:
        return
    sums, signature = _bytes(folder / SUMS), _bytes(folder / SUMS_SIGNATURE)
    if signature is None or sums is None:
        yield Observation("signature-missing", f"{folder} has no {SUMS_SIGNATURE}: nobody signed it")
    elif problem := sums_problem(signature, sums, key):
        yield Observation(problem.id, problem.text)
    else:
        signed.append(SUMS)
    for name in (SSH_SIGNATURE, MINISIGN_SIGNATURE):
        other = _bytes(folder / name)
        if other is not None and (wrong := sums_problem(other, sums or b"", key, name)):
            yield Observation(wrong.id, wrong.text)
    # A verdict may be younger than the signatures: then it counts only where somebody asks for it.
    optional = frozenset[Signed]() if Requirement.REPRODUCIBLE in demand.require else {VERDICT}
    for each in SEALED:
        document, envelope = _bytes(folder / each.document), _bytes(folder / each.envelope)
        if envelope is None and each in optional:
            continue
        if envelope is None and document is not None:
            message = f"{each.document} has no signature: there is no {each.envelope}"
            yield Observation("signature-missing", message)
        elif envelope is not None and (wrong := envelope_problem(envelope, document or b"", each, key)):
            yield Observation(wrong.id, wrong.text)
        elif envelope is not None:
            signed.append(each.document)


class _Folder:
    """What SHA256SUMS and the manifest say."""

    def __init__(self, folder: Path) -> None:
        self._path = folder
        manifest = _json(folder / _MANIFEST)
        self._manifest: Mapping[str, Any] = manifest if isinstance(manifest, dict) else {}
        text = (_bytes(folder / SUMS) or b"").decode("utf-8", "surrogateescape")
        pairs = (line.split("  ", 1) for line in text.splitlines() if "  " in line)
        self._sums = {name: digest for digest, name in pairs}

    def provenance(self) -> Iterator[Observation]:
        """What is wrong with the provenance."""
        statement = _json(self._path / PROVENANCE_FILE)
        try:
            kinds = (statement["_type"], statement["predicateType"])
            subjects = {each["name"]: each["digest"].get("sha256", "") for each in statement["subject"]}
            definition = statement["predicate"]["buildDefinition"]
            plan = definition["externalParameters"]["plan"]
            lost = lost_materials(statement, self._manifest.get("plan", {}))
        except (TypeError, KeyError, AttributeError):
            kinds = ("", "")
        if kinds != (STATEMENT_TYPE, PREDICATE_TYPE):
            message = f"{self._path} has no {PROVENANCE_FILE} in SLSA's form"
            yield Observation("provenance-missing", message)
            return
        files = {name: digest for name, digest in self._sums.items() if name != PROVENANCE_FILE}
        image = self._image
        expected = {**files, **({image[0]: image[1]} if image else {})}
        if wrong := _differences(expected, subjects):
            message = f"{PROVENANCE_FILE} is of other files than those in the folder"
            yield Observation("provenance-mismatch", message, first_lines(wrong, _SHOWN))
        if plan != self._manifest.get("plan"):
            message = f"{PROVENANCE_FILE} has another plan than {_MANIFEST}"
            yield Observation("provenance-mismatch", message)
        if lost:
            message = f"{PROVENANCE_FILE} names other materials than the plan has"
            yield Observation("provenance-mismatch", message, first_lines(lost, _SHOWN))

    def verdict(self) -> Iterator[Observation]:
        """Why it is not proven that building again gives the same bytes."""
        verdict = _json(self._path / VERDICT.document)
        if not isinstance(verdict, dict) or not isinstance(verdict.get("equal"), bool):
            message = f"{self._path} has no {VERDICT.document}: nobody built it again"
            yield Observation("reproducible-missing", message)
        elif verdict.get("sums_sha256") != hashlib.sha256(_bytes(self._path / SUMS) or b"").hexdigest():
            message = f"{VERDICT.document} is about other files than {SUMS} names"
            yield Observation("reproducible-mismatch", message)
        elif not verdict["equal"]:
            builds = verdict.get("builds")
            lines = [
                f"{each.get('path')}: {next(iter(each.get('lines', ())), '')}"
                for build in (builds if isinstance(builds, list) else ())
                if isinstance(build, dict)
                for each in build.get("differences", ())
                if isinstance(each, dict)
            ]
            message = f"building it again gave other bytes, on {verdict.get('made')}"
            yield Observation("reproducible-differs", message, first_lines(lines, _SHOWN))

    def bills(self) -> Iterator[Observation]:
        """What is wrong with the bills of materials."""
        yield from self._bill(SPDX_FILE, _spdx_files)
        yield from self._bill(CYCLONEDX_FILE, _cyclonedx_files)

    def _bill(self, name: str, read: Any) -> Iterator[Observation]:
        try:
            versions, files = read(_json(self._path / name))
        except (TypeError, KeyError, AttributeError, IndexError):
            yield Observation("sbom-missing", f"{self._path} has no {name} in its form")
            return
        expected = {each["path"]: each["sha256"] for each in self._manifest.get("files", ())}
        inside = self._manifest.get("image", {}).get("files", ())
        expected |= {f"{IMAGE_FILES}{each['path']}": each["sha256"] for each in inside}
        listed = {path: self._sums.get(path, "") for path in files}
        if wrong := _differences({**listed, **expected}, files):
            message = f"{name} is of other files than those in the folder"
            yield Observation("sbom-mismatch", message, first_lines(wrong, _SHOWN))
        image = self._manifest.get("image", {}).get("id")
        if image not in versions:
            yield Observation("sbom-mismatch", f"{name} is of another image than {image}")

    @property
    def _image(self) -> tuple[str, str] | None:
        image = self._manifest.get("image", {})
        return (image["name"], str(image["id"]).removeprefix("sha256:")) if image.get("id") else None


def _spdx_files(document: Any) -> tuple[set[str], dict[str, str]]:
    """Versions of the packages, and the sha256 of each file."""
    files = {
        each["fileName"].removeprefix("./"): checksum["checksumValue"]
        for each in document.get("files", ())
        for checksum in each["checksums"]
        if checksum["algorithm"] == "SHA256"
    }
    return {each.get("versionInfo", "") for each in document["packages"]}, files


def _cyclonedx_files(document: Any) -> tuple[set[str], dict[str, str]]:
    components = (document["metadata"]["component"], *document.get("components", ()))
    files = {
        file["name"]: digest["content"]
        for each in components
        for file in each.get("components", ())
        if file["type"] == "file"
        for digest in file["hashes"]
        if digest["alg"] == "SHA-256"
    }
    return {each.get("version", "") for each in components}, files


def _differences(expected: Mapping[str, str], told: Mapping[str, str]) -> list[str]:
    lacking = [f"{name} is not in it" for name in sorted(expected.keys() - told.keys())]
    more = [f"{name} is not in the folder" for name in sorted(told.keys() - expected.keys())]
    both = sorted(expected.keys() & told.keys())
    other = [f"{name} has another sha256" for name in both if expected[name] != told[name]]
    return [*other, *lacking, *more]


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
