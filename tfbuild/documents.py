"""What ``--json`` prints, as types; :mod:`tfbuild.schemas` makes the published schemas from them. Pure.

Further documents have their types where their values come from: :mod:`tfbuild.bake`, :mod:`tfbuild.manifest`,
:mod:`tfbuild.verify`, :mod:`tfbuild.doctor`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from tfbuild.model import Arch, Finding, Product

Bytes = Annotated[int, Field(ge=0, description="Bytes.")]
HexDigest = Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="SHA-256, in hex.")]

GitId = Annotated[str, Field(pattern="^[0-9a-f]{40}$", description="Git object id, in hex.")]


def dump(document: Any) -> dict[str, Any]:
    """JSON values of a frozen dataclass, as its schema describes them."""
    # mypy takes no class for hashable: https://github.com/python/mypy/issues/11470
    adapter = _adapter(type(document))  # type: ignore[arg-type]
    values: dict[str, Any] = adapter.dump_python(document, mode="json")
    return values


@cache
def _adapter(document: type) -> TypeAdapter[Any]:
    return TypeAdapter(document)


@dataclass(frozen=True, kw_only=True)
class ConfigEntry:
    """A build configuration; ``arches`` is empty where every architecture will do."""

    name: str
    description: str
    path: str
    arches: tuple[Arch, ...]
    default: bool


@dataclass(frozen=True, kw_only=True)
class ConfigList:
    """``invoke list-configs --json``"""

    version: Literal[1] = 1
    configs: tuple[ConfigEntry, ...]


@dataclass(frozen=True, kw_only=True)
class SourceEntry:
    """Where the source of a release may be had; ``debian:pool/...`` is a path in the Debian archive."""

    urls: tuple[str, ...]
    sha256: HexDigest | None  # null: nobody published one, and the tree decides
    tree: GitId | None


@dataclass(frozen=True, kw_only=True)
class ReleaseEntry:
    """A release; ``built``: this project has compiled and verified it; ``pinned``: its bytes are known."""

    product: Product
    release: str
    status: Literal["built", "pinned"]
    arches: tuple[Arch, ...]
    description: str
    library_version: str
    provider: Literal["debian", "upstream", "wheels"]
    tag: str
    revision: str | None
    source: SourceEntry | None  # null: it is made of wheels
    # Of what a build downloads besides: 'not-needed' where the release file has it all; only 'not-needed' and
    # 'complete' can always be built, 'incomplete' where nothing is missing for what is asked.
    lock: Literal["not-needed", "none", "stale", "incomplete", "complete"]


@dataclass(frozen=True, kw_only=True)
class ReleaseList:
    """``invoke list-releases --json``"""

    version: Literal[1] = 1
    releases: tuple[ReleaseEntry, ...]


@dataclass(frozen=True, kw_only=True)
class FetchedFile:
    """A pinned file and where it lies in the cache."""

    name: str
    sha256: HexDigest
    path: str


@dataclass(frozen=True, kw_only=True)
class FetchResult:
    """``invoke fetch --json``"""

    version: Literal[1] = 1
    files: tuple[FetchedFile, ...]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A main result."""

    path: str
    size: Bytes
    sha256: HexDigest


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """What a build takes the place of: a dist folder's build, or the image that had the name.

    ``build_id`` and ``key`` (label ``tfbuild.key``) are null where it does not tell them.
    """

    what: Literal["folder", "image"]
    name: str
    build_id: str | None
    key: str | None
    date: str | None


@dataclass(frozen=True, kw_only=True)
class BuildDocument:
    """``invoke build-tflite --json``; ``up-to-date``: nothing had to be done."""

    version: Literal[1] = 1
    status: Literal["built", "up-to-date"]
    output: str
    image: str
    image_id: str
    seconds: Annotated[float, Field(ge=0)]
    artifacts: tuple[Artifact, ...]
    findings: tuple[Finding, ...]
    replaced: tuple[Replaced, ...]
