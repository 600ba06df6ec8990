"""Puts something into a registry. Its name moves when all of it is there and was read back, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tfbuild.base.errors import VerificationError
from tfbuild.base.values import Reporter
from tfbuild.registry.client import Repository, fallback_tag
from tfbuild.registry.content import Content, Descriptor, index_of


@dataclass(frozen=True)
class Referrer:
    """A manifest about another one; ``tags`` are where programs without the API for referrers look."""

    subject: Descriptor
    manifest: Content
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Publication:
    """All of what is pushed: ``top`` gets the name, ``manifests`` are those that it names."""

    top: Content
    manifests: tuple[Content, ...]
    blobs: tuple[Content, ...]
    referrers: tuple[Referrer, ...] = ()
    signable: tuple[Content, ...] = ()
    """Those of ``manifests`` that a tool may choose instead of ``top``: the image for its platform."""


def push(publication: Publication, repository: Repository, reporter: Reporter) -> int:
    """Send ``publication`` and give it the name of ``repository.reference``; how many bytes were sent.

    :raises VerificationError: what is read back is not what was sent; the name is where it was.
    :raises TfBuildError: the registry refuses, or cannot be reached.
    """
    sent = 0
    for content in _unique(publication.blobs):
        if not repository.has_blob(content.descriptor):
            repository.put_blob(content)
            sent += content.descriptor.size
    for content in _unique((*publication.manifests, publication.top)):
        repository.put_manifest(content.descriptor.digest, content)
    _refer(publication, repository)
    reporter.note(f"{repository.reference.host}: reading it all back")
    _require_all(publication, repository)
    name = repository.reference.tag
    repository.put_manifest(name, publication.top)
    _require_named(publication.top, repository, name)
    return sent


def _unique(contents: tuple[Content, ...]) -> Iterator[Content]:
    yield from {each.descriptor.digest: each for each in contents}.values()


def _refer(publication: Publication, repository: Repository) -> None:
    """The referrers, and their list where the registry keeps none itself."""
    unlisted: dict[str, list[Referrer]] = {}
    for each in publication.referrers:
        listed = repository.put_manifest(each.manifest.descriptor.digest, each.manifest)
        for tag in each.tags:
            repository.put_manifest(tag, each.manifest)
        if not listed:
            unlisted.setdefault(each.subject.digest, []).append(each)
    for digest, referrers in unlisted.items():
        stored = repository.manifest(fallback_tag(digest))
        known = _listed(stored.data) if stored else ()
        new = [each.manifest.descriptor for each in referrers]
        merged = {each.digest: each for each in (*known, *new)}
        if len(merged) > len({each.digest for each in known}):
            listing = index_of(merged.values(), f"list of what refers to {digest[:19]}")
            repository.put_manifest(fallback_tag(digest), listing)


def _listed(data: bytes) -> tuple[Descriptor, ...]:
    """What a list has already; one that cannot be understood has nothing to keep."""
    try:
        return tuple(Descriptor.of(each) for each in json.loads(data)["manifests"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()


def _require_all(publication: Publication, repository: Repository) -> None:
    for content in _unique(publication.blobs):
        for _ in repository.blob(content.descriptor):
            pass  # what is wrong with it is told at its end
    for content in _unique((*publication.manifests, publication.top)):
        _require_named(content, repository, content.descriptor.digest)
    for each in publication.referrers:
        found = {listed.digest for listed in repository.referrers(each.subject.digest)}
        if each.manifest.descriptor.digest not in found:
            raise VerificationError(
                f"{repository.reference.host} does not list {each.manifest.name} beside what it is about",
                details=(each.subject.digest,),
                hint="another push may have replaced the list meanwhile: run the same command again",
            )
        for place in (each.manifest.descriptor.digest, *each.tags):
            _require_named(each.manifest, repository, place)


def _require_named(content: Content, repository: Repository, name: str) -> None:
    stored = repository.manifest(name)
    if stored is None or stored.digest != content.descriptor.digest:
        found = stored.digest if stored else "nothing"
        raise VerificationError(
            f"{repository.reference.host} serves another manifest under {name} than was pushed",
            details=(f"pushed: {content.descriptor.digest}", f"served: {found}", f"what: {content.name}"),
            hint="do not use it; another push to the same name, or a cache before the registry, can be why",
        )
