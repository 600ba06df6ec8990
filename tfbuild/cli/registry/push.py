"""``invoke push``, and what ``--push`` of a build does."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from tfbuild.base.documents import Bytes
from tfbuild.base.errors import ExitCode, UsageError
from tfbuild.machine.path_words import input_folder, input_path, output_folder
from tfbuild.machine.terminal import write_json, write_lines

if TYPE_CHECKING:
    from tfbuild.base.values import Reporter
    from tfbuild.build.publish.sources import Result
    from tfbuild.registry.push import Publication
    from tfbuild.registry.reference import Reference
    from tfbuild.trust.keys import Signer

RegistryDigest = Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


@dataclass(frozen=True, kw_only=True)
class PushDocument:
    """The document of ``push --json``.

    ``sent`` counts what the registry did not have; ``signed_by`` is the id of the key, null without one;
    ``documents`` are those that refer to what was pushed.
    """

    version: Literal[1] = 1
    reference: str
    digest: RegistryDigest
    sent: Bytes
    signed_by: str | None
    documents: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PushRequest:
    """What ``invoke push`` was asked for."""

    target: str
    reference: str
    sign: str = ""
    config: str = ""
    output: str = ""


def push(request: PushRequest, *, as_json: bool) -> int:
    """``invoke push``"""
    from tfbuild.base.documents import dump
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.cli.line.signing import configured_signer

    if not request.target or not request.reference:
        raise UsageError(
            "what is pushed, and where to?", hint="invoke push DIST-OR-IMAGE registry.example/team/image:1.0"
        )
    reference = push_reference(request.reference)
    signer = configured_signer(request.sign, request.config)
    with ConsoleReporter() as reporter:
        document = _push(request, reference, signer, reporter)
    if as_json:
        write_json(dump(document))
    else:
        write_lines([f"{reference.place}@{document.digest}"])
    return ExitCode.OK


def push_reference(word: str) -> Reference:
    """Raises :class:`UsageError` for what cannot be the name of something pushed."""
    from tfbuild.registry.reference import parse_reference

    return parse_reference(word, digest=False)


def require_reachable(reference: Reference, reporter: Reporter) -> None:
    """Ask the registry a question before a long build; what it answers does not matter.

    :raises PackagingError: it cannot be reached, or wants another password.
    """
    from tfbuild.base.errors import PackagingError
    from tfbuild.cli.registry.access import registry_access
    from tfbuild.registry.connect import PUSH

    registry_access(reporter).open(reference, PUSH, PackagingError).manifest(reference.tag)


def _push(
    request: PushRequest, reference: Reference, signer: Signer | None, reporter: Reporter
) -> PushDocument:
    from tfbuild.build.publish.folder import publication_of_folder
    from tfbuild.build.publish.sources import result_of_image

    path = input_path(request.target, "TARGET")
    if path.exists():
        publication = publication_of_folder(input_folder(request.target, "TARGET"))
        return _send(publication, reference, signer, reporter)
    root = output_folder(request.output or "dist", "--output").absolute()
    result = result_of_image(request.target, root)
    return push_image(result, root, reference, signer, reporter)


def push_built(output: Path, reference: Reference, signer: Signer | None, reporter: Reporter) -> PushDocument:
    """Push the image of the build whose results are in ``output``."""
    from tfbuild.build.dist.ownership import read_manifest
    from tfbuild.build.publish.sources import Result, root_of

    result = Result(output, read_manifest(output) or {})
    return push_image(result, root_of(output), reference, signer, reporter)


def push_image(
    result: Result, root: Path, reference: Reference, signer: Signer | None, reporter: Reporter
) -> PushDocument:
    """Push the image of ``result`` with its documents; see :func:`image_publication`."""
    from tfbuild.build.publish.sources import image_publication
    from tfbuild.cli.wiring import save_image
    from tfbuild.machine.cache import cache_root, prepare_cache

    # Where there is room for it: /tmp may be memory.
    state = prepare_cache(cache_root(os.environ)) / "state" / "registry"
    state.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state) as scratch:
        publication = image_publication(result, root, save_image, Path(scratch))
        return _send(publication, reference, signer, reporter)


def _send(
    publication: Publication, reference: Reference, signer: Signer | None, reporter: Reporter
) -> PushDocument:
    from tfbuild.base.errors import PackagingError
    from tfbuild.cli.registry.access import registry_access
    from tfbuild.registry.connect import PUSH
    from tfbuild.registry.push import push
    from tfbuild.registry.sign import signed

    repository = registry_access(reporter).open(reference, PUSH, PackagingError)
    names = tuple(dict.fromkeys(each.manifest.name for each in publication.referrers))
    if signer:
        # What a tool picks for its platform has to be signed too, not the index alone.
        subjects = (publication.top, *publication.signable)
        signatures = [signed(repository, each.descriptor, str(reference), signer) for each in subjects]
        publication = replace(
            publication,
            blobs=(*publication.blobs, *(blob for _, blobs in signatures for blob in blobs)),
            referrers=(*publication.referrers, *(referrer for referrer, _ in signatures)),
        )
    sent = push(publication, repository, reporter)
    if not signer:
        reporter.note(f"{reference} is not signed: --sign KEY")
    return PushDocument(
        reference=str(reference),
        digest=publication.top.descriptor.digest,
        sent=sent,
        signed_by=signer.key.id if signer else None,
        documents=names,
    )
