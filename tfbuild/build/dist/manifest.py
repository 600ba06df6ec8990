"""``manifest.json`` of a dist folder: what was built, of what, with what, and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal

from pydantic import Field

from tfbuild.artifacts.elf.facts import ElfFacts
from tfbuild.base.documents import Bytes, HexDigest, dump
from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.dist.folder import Artifact
from tfbuild.build.roots import RootFacts
from tfbuild.plan.plan import Part, Plan
from tfbuild.verify.report import VerifyReport

Seconds = Annotated[float, Field(ge=0, description="Seconds.")]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package in the builder that the result was made with."""

    package: str
    version: str
    arch: str


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """The runtime image, as the engine tells it."""

    name: str
    id: str
    size: Bytes
    labels: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Manifest(Generic[Part]):
    """The document; ``key`` is equal for builds that must have an equal result."""

    version: Literal[1] = 1
    build_id: str
    key: HexDigest
    tfbuild: str
    distributable: bool
    plan: Plan[Part]
    roots: Mapping[str, RootFacts]
    packages: tuple[Package, ...]
    tools: tuple[str, ...]
    jobs: int
    artifacts: tuple[Artifact, ...]
    elf: tuple[ElfFacts, ...]
    smoke: tuple[SmokeOutcome, ...]
    findings: tuple[Finding, ...]
    image: BuiltImage
    seconds: Mapping[str, Seconds]


@dataclass(frozen=True, kw_only=True)
class VerifyRecord:
    """``verify.json`` of a dist folder: a report about the files, one about the image, and the inferences."""

    version: Literal[1] = 1
    build_id: str
    reports: tuple[VerifyReport, ...]
    smoke: tuple[SmokeOutcome, ...]
    findings: tuple[Finding, ...]


def parse_packages(table: str) -> tuple[Package, ...]:
    """Lines of name, version and architecture with tabs between them."""
    rows = (line.split("\t") for line in table.splitlines())
    return tuple(Package(package=name, version=version, arch=arch) for name, version, arch in rows)
