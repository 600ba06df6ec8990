"""Gets things out of a registry: every byte is compared with the digest that names it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tfbuild.base.errors import NothingMatchesError, VerificationError
from tfbuild.base.values import Pin, Reporter
from tfbuild.downloads.store import disk_errors, entry_of
from tfbuild.registry.client import Repository, Stored
from tfbuild.registry.content import TITLE, Descriptor

# Of a document that is read whole: bills of materials are the largest.
MAX_DOCUMENT = 64 << 20
_REPORT_EVERY = 1 << 22


def named(repository: Repository) -> Stored:
    """The manifest that the reference names.

    :raises NothingMatchesError: there is none.
    """
    stored = repository.manifest(repository.reference.wanted)
    if stored is None:
        raise NothingMatchesError(
            f"there is no {repository.reference}", hint="another name, or docker login for a private one"
        )
    return stored


def document_of(data: bytes, name: str) -> Mapping[str, Any]:
    """A manifest or an index, out of its bytes.

    :raises VerificationError: it is none.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise VerificationError(f"{name} is no manifest: no JSON object", hint="do not use it")
    return document


def fetch_blob(blob: Descriptor, repository: Repository, cache: Path, reporter: Reporter) -> Path:
    """A file of the cache with the bytes of ``blob``; one that is there and whole is not fetched again.

    :raises VerificationError: other bytes are served.
    """
    entry = entry_of(cache, Pin(blob.short, (), blob.digest.removeprefix("sha256:"), "blob", blob.size))
    if entry.is_stamped():
        return entry.file
    part = entry.part.with_name(f"{entry.part.name}.{os.getpid()}")
    with disk_errors(entry.folder):
        entry.folder.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as out:
                told = 0
                for chunk in repository.blob(blob):
                    out.write(chunk)
                    if out.tell() - told >= _REPORT_EVERY:
                        told = out.tell()
                        reporter.transfer(blob.short, told, blob.size)
            part.replace(entry.part)
            entry.commit()
        finally:
            with suppress(FileNotFoundError):
                part.unlink()
    reporter.transfer(blob.short, blob.size, blob.size)
    return entry.file


def small_blob(blob: Descriptor, repository: Repository) -> bytes:
    """The bytes of a document.

    :raises VerificationError: it is no document of ours, or other bytes are served.
    """
    if blob.size > MAX_DOCUMENT:
        raise VerificationError(f"{blob.short} has {blob.size} bytes, more than any document of ours")
    return b"".join(repository.blob(blob))


def attached(repository: Repository, subject: str) -> dict[str, bytes]:
    """The documents that refer to the manifest ``subject``, by their names.

    :raises VerificationError: other bytes are served than their digests say.
    """
    found: dict[str, bytes] = {}
    for referrer in repository.referrers(subject):
        stored = repository.manifest(referrer.digest)
        if stored is None:
            raise VerificationError(
                f"{repository.reference.place} lists what refers to an image and does not have it",
                details=(f"listed: {referrer.digest}",),
            )
        document = document_of(stored.data, referrer.digest)
        about = document.get("subject")
        if not isinstance(about, dict) or about.get("digest") != subject:
            raise VerificationError(
                f"{repository.reference.place} lists a document beside an image that it is not about",
                details=(f"document: {referrer.digest}", f"image: {subject}"),
            )
        try:
            layers = [Descriptor.of(each) for each in document.get("layers") or ()]
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # of somebody else, in a form of theirs
        for layer in layers:
            if title := layer.annotations.get(TITLE):
                found.setdefault(title, small_blob(layer, repository))
    return found
