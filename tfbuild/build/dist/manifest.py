"""``manifest.json`` of a dist folder: what was built, of what, with what, and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Generic, Literal

from pydantic import Field

from tfbuild.artifacts.elf.facts import ElfFacts
from tfbuild.artifacts.image.facts import ImageFacts
from tfbuild.artifacts.image.facts import Package as InImage
from tfbuild.base.documents import Bytes, HexDigest
from tfbuild.base.values import Finding, SmokeOutcome
from tfbuild.build.dist.contents import CodeFile, Content, ImageCode, WheelSays
from tfbuild.build.dist.folder import Artifact
from tfbuild.build.roots import RootFacts
from tfbuild.plan.plan import Part, Plan
from tfbuild.verify.report import VerifyReport

Seconds = Annotated[float, Field(ge=0, description="Seconds.")]


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package of Debian, and the source package that it was made of.

    ``sha256`` is that of its .deb by the archive's index; None where nobody told it.
    """

    package: str
    version: str
    arch: str
    source: str
    source_version: str
    sha256: HexDigest | None = None


@dataclass(frozen=True, kw_only=True)
class BuiltImage:
    """The runtime image, as the engine tells it."""

    name: str
    id: str
    size: Bytes
    labels: Mapping[str, str]
    packages: tuple[Package, ...]  # by dpkg's records in it
    files: tuple[ImageCode, ...]  # ELF files


@dataclass(frozen=True, kw_only=True)
class Manifest(Generic[Part]):
    """The document; ``key`` is equal for builds that must have an equal result.

    ``packages`` are those of the builder, ``files`` what has code in it, ``contents`` what of it others made,
    ``licenses`` the texts that lie in the folder.
    """

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
    files: tuple[CodeFile, ...]
    contents: tuple[Content, ...]
    wheels: tuple[WheelSays, ...]
    licenses: tuple[str, ...]
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
    """Lines of name, version, architecture, name and version of the source, and sha256 or nothing, with tabs
    between them."""
    rows = (line.split("\t") for line in table.splitlines())
    return tuple(
        Package(
            package=name,
            version=version,
            arch=arch,
            source=source,
            source_version=source_version,
            sha256=sha256 or None,
        )
        for name, version, arch, source, source_version, sha256 in rows
    )


def image_packages(facts: ImageFacts | None) -> tuple[Package, ...]:
    """What the image's own records say is in it."""
    return tuple(map(package_of, facts.packages if facts else ()))


def package_of(recorded: InImage) -> Package:
    """A package as dpkg's record in an image tells of it."""
    return Package(
        package=recorded.name,
        version=recorded.version,
        arch=recorded.arch,
        source=recorded.source,
        source_version=recorded.source_version,
    )
