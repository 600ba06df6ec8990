"""``invoke pull``"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tfbuild.base.errors import DownloadError, ExitCode, UsageError
from tfbuild.cli.registry.push import RegistryDigest
from tfbuild.machine.path_words import output_folder
from tfbuild.machine.terminal import write_json, write_lines

if TYPE_CHECKING:
    from tfbuild.base.values import Reporter
    from tfbuild.build.publish.folder import Artifact
    from tfbuild.registry.client import Repository, Stored
    from tfbuild.registry.reference import Reference
    from tfbuild.verify.checks.trust import Demand


@dataclass(frozen=True, kw_only=True)
class PullDocument:
    """The document of ``pull --json``.

    ``output`` is the folder that was written, ``image`` the name in the engine; null where it is the other
    kind, or with ``--check``. ``signed_by`` is the id of the key that was given; ``documents`` are those that
    were found to be about the image.
    """

    version: Literal[1] = 1
    reference: str
    digest: RegistryDigest
    kind: Literal["folder", "image"]
    output: str | None
    image: str | None
    signed_by: str | None
    documents: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PullRequest:
    """What ``invoke pull`` was asked for; ``check``: change nothing here."""

    reference: str
    key: str = ""
    require: str = ""
    output: str = ""
    check: bool = False


def pull(request: PullRequest, *, as_json: bool) -> int:
    """``invoke pull``"""
    from tfbuild.base.documents import dump
    from tfbuild.cli.console import ConsoleReporter
    from tfbuild.cli.line.signing import demand_of
    from tfbuild.cli.registry.access import registry_access
    from tfbuild.registry.connect import PULL
    from tfbuild.registry.reference import parse_reference

    if not request.reference:
        raise UsageError("what is pulled?", hint="invoke pull registry.example/team/image:1.0 --key KEY.pub")
    reference = parse_reference(request.reference)
    demand = demand_of(request.key, request.require)
    root = output_folder(request.output or "dist", "--output").absolute()
    with ConsoleReporter() as reporter:
        access = registry_access(reporter)
        repository = access.open(reference, PULL, DownloadError)
        document = _pull(repository, demand, root, reporter, check=request.check)
    if as_json:
        write_json(dump(document))
    else:
        write_lines([document.output or document.image or f"{reference.place}@{document.digest}"])
    return ExitCode.OK


def _pull(
    repository: Repository, demand: Demand, root: Path, reporter: Reporter, *, check: bool
) -> PullDocument:
    from tfbuild.build.publish.folder import parse_artifact
    from tfbuild.registry.pull import document_of, named
    from tfbuild.registry.sign import require_signed

    reference = repository.reference
    top = named(repository)
    if demand.key:
        require_signed(repository, top.digest, demand.key)
    artifact = parse_artifact(document_of(top.data, str(reference)), str(reference))
    if artifact:
        output, image = _folder(artifact, repository, demand, root, reporter, check=check), None
        names: tuple[str, ...] = ()
    else:
        output = None
        image, names = _image(top, repository, demand, reporter, check=check)
    return PullDocument(
        reference=str(reference),
        digest=top.digest,
        kind="folder" if artifact else "image",
        output=output,
        image=image,
        signed_by=demand.key.id if demand.key else None,
        documents=names,
    )


def _folder(
    artifact: Artifact,
    repository: Repository,
    demand: Demand,
    root: Path,
    reporter: Reporter,
    *,
    check: bool,
) -> str | None:
    from tfbuild.build.publish.folder import receive
    from tfbuild.cli.line.signing import require_trusted
    from tfbuild.machine.cache import cache_root, prepare_cache
    from tfbuild.registry.pull import fetch_blob

    cache = prepare_cache(cache_root(os.environ))
    get = partial(fetch_blob, repository=repository, cache=cache, reporter=reporter)
    judge = partial(require_trusted, demand=demand, name=str(repository.reference))
    if not check:
        folder, _ = receive(artifact, root, get, judge)
        return str(folder)
    state = cache / "state" / "registry"
    state.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state) as scratch:
        receive(artifact, Path(scratch), get, judge)
    return None


def _image(
    top: Stored, repository: Repository, demand: Demand, reporter: Reporter, *, check: bool
) -> tuple[str | None, tuple[str, ...]]:
    from tfbuild.build.publish.received import look_up, require_proven, write_received
    from tfbuild.cli.wiring import load_image
    from tfbuild.machine.cache import cache_root, prepare_cache
    from tfbuild.registry.pull import fetch_blob

    received = look_up(top, repository)
    names = require_proven(received, repository, demand)
    cache = prepare_cache(cache_root(os.environ))
    get = partial(fetch_blob, repository=repository, cache=cache, reporter=reporter)
    name = _engine_name(repository.reference)
    state = cache / "state" / "registry"
    state.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=state) as scratch:
        archive = Path(scratch) / "image.tar"
        write_received(received, name, archive, get)
        if check:
            return None, names
        load_image(archive, name)
    return name, names


def _engine_name(reference: Reference) -> str:
    """What was asked for by its digest has no name; it gets one that says so."""
    tag = reference.tag or reference.digest.replace(":", "-")[:19]
    return f"{reference.place}:{tag}"
