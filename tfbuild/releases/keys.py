"""The keys of a release file: what is built, from which bytes, and what is odd about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr

from tfbuild.base.arch import Arch
from tfbuild.base.values import Pin, Unhashed
from tfbuild.config.types import FileStem, Keys, MacroName, PositiveInt, Prose, Text
from tfbuild.releases.types import (
    Commit,
    Download,
    FileName,
    InnerPath,
    PackageName,
    Quirk,
    ReleaseName,
    ReleasePatch,
    Sha256,
    Snapshot,
    Thread,
    Url,
)

# Of releases that do not say which Debian they are built on.
_DEFAULT_SUITE = "trixie"


class Source(Keys):
    """The source archive."""

    name: FileStem = Field(description="Short name, for progress and logs.")
    urls: tuple[Url, ...] = Field(
        min_length=1, description="Where to get it, in this order; debian:pool/… is a path in the archive."
    )
    sha256: Sha256 | None = Field(
        default=None, description="Of the bytes as published; null where nobody published one: then 'tree'."
    )
    tree: Commit | None = Field(
        default=None,
        description="Git tree id of what is in the archive; it does not depend on how that was compressed.",
    )
    filename: FileName = Field(description="Name in the download cache.")
    size: PositiveInt | None = Field(default=None, description="Bytes, where known.")
    strip_prefix: FileName = Field(description="The one folder at the top of the archive.")
    subtrees: tuple[InnerPath, ...] = Field(
        default=(), description="What to extract, below the top folder; empty: everything."
    )

    def pin(self, sha256: str) -> Pin:
        """The download, with the hash that decides: the pinned one, or the one that was seen first."""
        return Pin(self.name, self.urls, sha256, self.filename, self.size)

    def unhashed(self, lock: str, seen: str | None) -> Unhashed | None:
        """The source as a download without a hash, unless one is pinned or was ``seen`` before."""
        if self.sha256 or seen or not self.tree:
            return None
        return Unhashed(self.name, self.urls, self.filename, self.strip_prefix, self.tree, lock)


class DebianDownload(Download):
    """A package, or a program, that the suite does not have."""

    arch: Arch = Field(description="Architecture that it is for.")


class DebianPackage(Keys):
    """A build dependency from the suite, at the version that was compiled against."""

    name: PackageName = Field(description="Binary package.")
    version: Text = Field(description="Exact version.")
    arches: tuple[Arch, ...] | None = Field(
        default=None, description="Architectures that need it; null: all of the release."
    )


class DebianPython(Keys):
    """Python of the suite, for runtime.flavour=python."""

    version: Annotated[
        str, Field(pattern=r"^3\.[0-9]{1,3}$", json_schema_extra={"type": ["string", "number"]})
    ] = Field(description="Major and minor version, quoted.")
    packages: tuple[Text, ...] = Field(
        min_length=1,
        description="Python, numpy, headers of both and of pybind11; NAME=VERSION for what is compiled in.",
    )


class Debian(Keys):
    """Dependencies from Debian."""

    suite: FileStem = Field(description="Debian release that the builder image is made of.")
    snapshot: Snapshot = Field(description="State of snapshot.debian.org to fall back to.")
    base: Literal["mirror", "snapshot"] = Field(
        default="mirror",
        description="State of the suite that the builder image is made of: the mirror's own, or 'snapshot'.",
    )
    packages: tuple[DebianPackage, ...] = Field(default=(), description="Build dependencies from the suite.")
    downloads: tuple[DebianDownload, ...] = Field(default=(), description="Packages from elsewhere.")
    programs: tuple[DebianDownload, ...] = Field(
        default=(), description="Programs for the machine that builds, as wheels whose NAME/data has them."
    )
    runtime_packages: tuple[PackageName, ...] = Field(
        default=(), description="What an image with runtime.base=debian needs besides the artifact."
    )
    python: DebianPython | None = Field(
        default=None, description="What runtime.flavour=python is made with; null: it cannot be."
    )


class CompileDefine(Keys):
    """A macro that this release needs."""

    name: MacroName = Field(description="-DNAME")
    value: Text | None = Field(default=None, description="-DNAME=value; null: no value.")
    reason: Prose = Field(description="What goes wrong without it.")


class Unsupported(Keys):
    """What a configuration can ask for and this release cannot do."""

    key: Annotated[str, Field(pattern=r"^[a-z][a-z_]*(\.[A-Za-z0-9_:]+)*$")] = Field(
        description="Dotted key of a configuration, or entry of one that is a map."
    )
    value: Text | None = Field(default=None, description="The value that cannot be; null: any that is given.")
    reason: Prose = Field(description="Why it cannot.")
    instead: Prose = Field(description="What does it instead.")
    threads: tuple[Thread, ...] = Field(default=(), description="Where upstream discusses it.")


@dataclass(frozen=True)
class Repin:
    """What a dependency is taken from instead: a commit or tag, and its repository where that changes too."""

    ref: str
    repository: str | None = None


class Release(Keys):
    """A file in ``build_configs/releases/<product>/``: what the releases of every product have."""

    product: FileStem = Field(description="The folder that the file is in.")
    release: ReleaseName = Field(description="The file's name, without .yaml.")
    description: Prose = Field(description="One sentence for list-releases.")
    version: ReleaseName = Field(description="What the library says of itself.")
    status: Literal["built", "pinned"] = Field(
        description="'built': this project has compiled and verified it; 'pinned': only its bytes are known."
    )
    eligible: bool = Field(
        default=True,
        description="Whether it may be the default; a quirk says why it has to be asked for by name.",
    )
    arches: tuple[Arch, ...] = Field(min_length=1, description="Architectures that it can be built for.")
    provider: Literal["debian", "upstream", "wheels"] = Field(
        description="Who publishes the library: 'wheels' of a Python index have it compiled already."
    )
    licenses: Text = Field(description="SPDX expression of the source.")
    homepage: Url = Field(description="For the image's labels.")
    source_url: Url = Field(description="Repository, for the image's labels.")
    tag: Text = Field(description="Upstream's tag.")
    revision: Commit | None = Field(
        default=None, description="The commit of the tag; null where no trustworthy source names it."
    )
    source_date_epoch: PositiveInt = Field(description="Seconds since 1970, UTC: when upstream made it.")
    compile_defines: tuple[CompileDefine, ...] = Field(default=(), description="Macros that it needs.")
    unsupported: tuple[Unsupported, ...] = Field(
        default=(), description="What configurations can ask for and it cannot do."
    )
    patches: tuple[ReleasePatch, ...] = Field(
        default=(),
        description="Changes of its source, applied in this order, before those of a configuration.",
    )
    quirks: tuple[Quirk, ...] = Field(default=(), description="What is odd about it.")
    evidence: tuple[Prose, ...] = Field(min_length=1, description="Where each pinned value was read.")
    _path: str = PrivateAttr(default="")

    @property
    def path(self) -> str:
        """The file that it was read from, relative to the project, or as the user typed it."""
        return self._path

    def read_from(self, path: str) -> None:
        """Remember the release's file; for the loader."""
        self._path = path

    @property
    def is_compiled(self) -> bool:
        """Whether there is a source; else it is put together from what others have compiled."""
        return False

    @property
    def origin(self) -> Literal["source", "wheel"]:
        """What ``--from`` calls it: where the library that it is about comes from."""
        return "source" if self.is_compiled else "wheel"

    @property
    def needs_lock(self) -> bool:
        """Whether its build would download what the release file does not pin."""
        return False

    @property
    def repinned(self) -> Mapping[str, Repin]:
        """Dependencies, by name, that it pins to something else than its source does."""
        return {}

    @property
    def declared_elsewhere(self) -> str | None:
        """Where else its dependencies are declared, as a lock names the place."""
        return None


class SourceRelease(Release):
    """A release that is compiled."""

    source: Source = Field(description="The source archive.")
    debian: Debian | None = Field(
        default=None, description="The builder image, and the dependencies of the provider 'debian'."
    )

    @property
    def is_compiled(self) -> bool:
        return True

    def pins(self, arch: Arch, build_arch: Arch | None = None, seen: str | None = None) -> tuple[Pin, ...]:
        """Everything to download whose sha256 is known: the source first, then what the suite lacks.

        ``build_arch`` is the builder's (None: ``arch``); ``seen`` is the hash of a source whose own hash
        nobody published, where it was recorded.
        """
        known = self.source.sha256 or seen
        source = (self.source.pin(known),) if known else ()
        debs, programs = (self.debian.downloads, self.debian.programs) if self.debian else ((), ())
        return (
            *source,
            *(each.pin() for each in debs if each.arch is arch),
            *(each.pin() for each in programs if each.arch is (build_arch or arch)),
        )

    def unhashed(self, lock: str, seen: str | None) -> Unhashed | None:
        """The source, as long as nobody has its hash."""
        return self.source.unhashed(lock, seen)

    def packages(self, arch: Arch) -> tuple[DebianPackage, ...]:
        """The Debian packages that a build for ``arch`` needs."""
        listed = self.debian.packages if self.debian else ()
        return tuple(each for each in listed if each.arches is None or arch in each.arches)


def source_of(release: Release) -> Source | None:
    """The source archive; None where nothing is compiled."""
    return release.source if isinstance(release, SourceRelease) else None


def debian_of(release: Release) -> Debian | None:
    """What the release file says of the builder image."""
    return release.debian if isinstance(release, SourceRelease) else None


def suite_of(release: Release) -> str:
    """The Debian suite that the builder image is made of."""
    debian = debian_of(release)
    return debian.suite if debian else _DEFAULT_SUITE
