"""The keys of a release file: what is built, from which bytes, and what is odd about it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tfbuild.base.arch import Arch
from tfbuild.base.text import did_you_mean
from tfbuild.base.values import Pin, Product, Unhashed
from tfbuild.config.layers import Kind, known_keys
from tfbuild.config.types import FileStem, Keys, MacroName, PositiveInt, Prose, Text
from tfbuild.products.serving.release import ServingKeys
from tfbuild.products.tflite.release import Upstream
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
from tfbuild.releases.wheels.keys import WheelKeys

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
    """A package that the suite does not have."""

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


def _settable(value: str) -> str:
    if _setting(value) is None:
        raise ValueError(f"unknown key '{value}'{did_you_mean(value, known_keys())}")
    return value


def _setting(value: str) -> tuple[str, str | None] | None:
    """The key of a configuration, and the entry where it is a map's."""
    if value in known_keys():
        return value, None
    path, _, entry = value.rpartition(".")
    key = known_keys().get(path)
    return (path, entry) if key and key.kind is Kind.MAP and entry else None


class Unsupported(Keys):
    """What a configuration can ask for and this release cannot do."""

    key: Annotated[str, AfterValidator(_settable)] = Field(
        description="Dotted key of a configuration, or entry of one that is a map."
    )
    value: Text | None = Field(default=None, description="The value that cannot be; null: any that is given.")
    reason: Prose = Field(description="Why it cannot.")
    instead: Prose = Field(description="What does it instead.")
    threads: tuple[Thread, ...] = Field(default=(), description="Where upstream discusses it.")

    @property
    def setting(self) -> tuple[str, str | None]:
        """The key of a configuration, and the entry where it is a map's."""
        found = _setting(self.key)
        if found is None:
            raise TypeError(f"'{self.key}' is no key; the type of it says so")
        return found


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
    provider: Literal["debian", "upstream", "wheels"] = Field(
        description="Who publishes the archive and dependencies; 'wheels': no source, a lock has all."
    )
    licenses: Text = Field(description="SPDX expression of the source.")
    homepage: Url = Field(description="For the image's labels.")
    source_url: Url = Field(description="Repository, for the image's labels.")
    tag: Text = Field(description="Upstream's tag.")
    revision: Commit | None = Field(
        default=None, description="The commit of the tag; null where no trustworthy source names it."
    )
    source_date_epoch: PositiveInt = Field(description="Seconds since 1970, UTC: when upstream made it.")
    source: Source | None = Field(
        default=None, description="The source archive; null for the provider 'wheels', and only there."
    )
    debian: Debian | None = Field(
        default=None, description="The builder image, and the dependencies of the provider 'debian'."
    )
    serving: ServingKeys | None = Field(
        default=None, description="What a release of the model server has besides; not for other products."
    )
    wheels: WheelKeys | None = Field(
        default=None, description="Official wheels, and the Pythons that they are locked for."
    )
    upstream: Upstream | None = Field(
        default=None, description="How upstream's own dependencies are compiled; only with that provider."
    )
    compile_defines: tuple[CompileDefine, ...] = Field(default=(), description="Macros that it needs.")
    unsupported: tuple[Unsupported, ...] = Field(
        default=(), description="What configurations can ask for and it cannot do."
    )
    patches: tuple[ReleasePatch, ...] = Field(
        default=(),
        description="Changes of its source, applied in this order, before those of a configuration.",
    )
    dynamic_graphs: Literal["delegated", "told", "untold"] | None = Field(
        default=None,
        description="Of TFLite: what becomes of graphs with dynamic tensors. XNNPACK takes them; it does "
        "not, and the library says so (told) or is silent (untold); null: nobody has looked.",
    )
    quirks: tuple[Quirk, ...] = Field(default=(), description="What is odd about it.")
    evidence: tuple[Prose, ...] = Field(min_length=1, description="Where each pinned value was read.")

    def pins(self, arch: Arch, build_arch: Arch | None = None, seen: str | None = None) -> tuple[Pin, ...]:
        """Everything to download whose sha256 is known: the source first, then what the suite lacks.

        ``build_arch`` is the builder's, which Bazel runs on (None: ``arch``); ``seen`` is the hash of a
        source whose own hash nobody published, where it was recorded. Wheels are not among them: their
        lock has them.
        """
        known = (self.source.sha256 or seen) if self.source else None
        source = (self.source.pin(known),) if self.source and known else ()
        debs = self.debian.downloads if self.debian else ()
        tools = self.serving.downloads(build_arch or arch) if self.serving else ()
        return (*source, *(each.pin() for each in debs if each.arch is arch), *(each.pin() for each in tools))

    @property
    def suite(self) -> str:
        """The Debian suite that the builder image is made of."""
        return self.debian.suite if self.debian else _DEFAULT_SUITE

    @property
    def archive(self) -> Source:
        """The source; asking a release that is made of wheels for it is a bug."""
        if self.source is None:
            raise TypeError(f"{self.product} {self.release} is not made of a source")
        return self.source

    def unhashed(self, lock: str, seen: str | None) -> Unhashed | None:
        """The source, as long as nobody has its hash."""
        return self.source.unhashed(lock, seen) if self.source else None

    def packages(self, arch: Arch) -> tuple[DebianPackage, ...]:
        """The Debian packages that a build for ``arch`` needs."""
        listed = self.debian.packages if self.debian else ()
        return tuple(each for each in listed if each.arches is None or arch in each.arches)
