"""The keys of a release file: what is built, from which bytes, and what is odd about it."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from tfbuild.config_schema import FileStem, Keys, MacroName, PositiveInt, Prose, Text
from tfbuild.model import Arch, Pin, Product

_DEBIAN_PATH = re.compile(r"debian:pool/[A-Za-z0-9+._~/-]+")
_WEB_URL = re.compile(r"https://[A-Za-z0-9.-]+/[^\s]+")

_RELEASE_PATTERN = r"^[0-9]+(\.[0-9]+)+(-?rc[0-9]+)?(-[a-z][a-z0-9]*)?$"


def _url(value: object) -> object:
    """https, or a path in the Debian archive; nothing that climbs out of its folder."""
    if isinstance(value, str):
        if ".." in value.split("/"):
            raise ValueError("'..' in a URL")
        if not (_DEBIAN_PATH.fullmatch(value) or _WEB_URL.fullmatch(value)):
            raise ValueError("expected https://… or debian:pool/…")
    return value


def _path(value: object) -> object:
    """A path inside an archive."""
    if isinstance(value, str):
        parts = value.split("/")
        if not value or value.startswith("/") or {"", ".", ".."} & set(parts):
            raise ValueError("expected a path inside the archive")
    return value


# 2.20 may stand there without quotes: the text is what counts, not the number that YAML sees.
ReleaseName = Annotated[
    str,
    Field(pattern=_RELEASE_PATTERN),
    WithJsonSchema({"type": ["string", "number"], "pattern": _RELEASE_PATTERN}),
]
Url = Annotated[
    str,
    BeforeValidator(_url),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(https://[A-Za-z0-9.-]+/|debian:pool/)[^\s]+$",
            "not": {"pattern": r"(^|/)\.\.(/|$)"},
        }
    ),
]
InnerPath = Annotated[
    str,
    BeforeValidator(_path),
    WithJsonSchema({"type": "string", "pattern": r"^(?!\.{1,2}(/|$))[^/]+(/(?!\.{1,2}(/|$))[^/]+)*$"}),
]
# As Debian names files: https://www.debian.org/doc/debian-policy/ch-controlfields.html#version
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+~-]*$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Snapshot = Annotated[str, Field(pattern=r"^[0-9]{8}T[0-9]{6}Z$")]
PackageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
Thread = Annotated[
    str, Field(pattern=r"^https://github\.com/[^\s/]+/[^\s/]+/(issues|pull|commit)/[0-9a-f]+$")
]


class Download(Keys):
    """One file to fetch; the hash decides, the URLs only say where to look."""

    name: FileStem = Field(description="Short name, for progress and logs.")
    urls: tuple[Url, ...] = Field(
        min_length=1, description="Where to get it, in this order; debian:pool/… is a path in the archive."
    )
    sha256: Sha256 = Field(description="Of the bytes as published.")
    filename: FileName = Field(description="Name in the download cache.")
    size: PositiveInt | None = Field(default=None, description="Bytes, where known.")

    def pin(self) -> Pin:
        return Pin(self.name, self.urls, self.sha256, self.filename, self.size)


class Source(Download):
    """The source archive."""

    strip_prefix: FileName = Field(description="The one folder at the top of the archive.")
    subtrees: tuple[InnerPath, ...] = Field(
        default=(), description="What to extract, below the top folder; empty: everything."
    )


class DebianDownload(Download):
    """A package that the suite does not have."""

    arch: Arch = Field(description="Architecture that it is for.")


class DebianPackage(Keys):
    """A build dependency from the suite, at the version that was compiled against."""

    name: PackageName = Field(description="Binary package.")
    version: Text = Field(description="Exact version.")
    arches: tuple[Arch, ...] | None = Field(
        default=None, description="Architectures that need it; null: all of the release."
    )


class Debian(Keys):
    """Dependencies from Debian."""

    suite: FileStem = Field(description="Debian release that the builder image is made of.")
    snapshot: Snapshot = Field(description="State of snapshot.debian.org to fall back to.")
    packages: tuple[DebianPackage, ...] = Field(default=(), description="Build dependencies from the suite.")
    downloads: tuple[DebianDownload, ...] = Field(default=(), description="Packages from elsewhere.")
    runtime_packages: tuple[PackageName, ...] = Field(
        default=(), description="What an image with runtime.base=debian needs besides the artifact."
    )


class CompileDefine(Keys):
    """A macro that this release needs."""

    name: MacroName = Field(description="-DNAME")
    value: Text | None = Field(default=None, description="-DNAME=value; null: no value.")
    reason: Prose = Field(description="What goes wrong without it.")


class Quirk(Keys):
    """Something odd about this release that a build, or a reader, has to know."""

    id: FileStem = Field(description="Stable short name.")
    text: Prose = Field(description="What happens, and the way around it.")
    threads: tuple[Thread, ...] = Field(default=(), description="Where upstream discusses it.")


class Release(Keys):
    """A file in ``build_configs/releases/<product>/``."""

    product: Product = Field(description="The folder that the file is in.")
    release: ReleaseName = Field(description="The file's name, without .yaml.")
    description: Prose = Field(description="One sentence for list-releases.")
    version: ReleaseName = Field(description="What the library says of itself: TfLiteVersion().")
    status: Literal["built", "pinned"] = Field(
        description="'built': this project has compiled and verified it; 'pinned': only its bytes are known."
    )
    arches: tuple[Arch, ...] = Field(min_length=1, description="Architectures that it can be built for.")
    provider: Literal["debian", "upstream"] = Field(description="Who publishes the archive and dependencies.")
    licenses: Text = Field(description="SPDX expression of the source.")
    homepage: Url = Field(description="For the image's labels.")
    source_url: Url = Field(description="Repository, for the image's labels.")
    tag: Text = Field(description="Upstream's tag.")
    revision: Commit | None = Field(
        default=None, description="The commit of the tag; null where no trustworthy source names it."
    )
    source_date_epoch: PositiveInt = Field(description="Seconds since 1970, UTC: when upstream made it.")
    source: Source = Field(description="The source archive.")
    debian: Debian | None = Field(default=None, description="Dependencies from Debian, for that provider.")
    compile_defines: tuple[CompileDefine, ...] = Field(default=(), description="Macros that it needs.")
    quirks: tuple[Quirk, ...] = Field(default=(), description="What is odd about it.")
    evidence: tuple[Prose, ...] = Field(min_length=1, description="Where each pinned value was read.")

    def pins(self, arch: Arch) -> tuple[Pin, ...]:
        """Everything to download for ``arch``: the source first, then packages that the suite lacks."""
        extra = self.debian.downloads if self.debian else ()
        return (self.source.pin(), *(each.pin() for each in extra if each.arch is arch))

    def packages(self, arch: Arch) -> tuple[DebianPackage, ...]:
        """The Debian packages that a build for ``arch`` needs."""
        listed = self.debian.packages if self.debian else ()
        return tuple(each for each in listed if each.arches is None or arch in each.arches)
