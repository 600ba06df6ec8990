"""The keys of a release that links TensorFlow Serving's source with the libraries of TensorFlow's wheel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from tfbuild.base.arch import Arch
from tfbuild.base.values import Pin
from tfbuild.config.types import Flag, Keys, MacroName, Prose, Text
from tfbuild.products.serving.bazel.release import (
    SMOKE_MODELS,
    SMOKE_SERVICES,
    AbsolutePath,
    DottedVersion,
    Label,
    Needs,
    Pattern,
    SmokeModel,
    SmokeService,
    TensorFlowPin,
)
from tfbuild.releases.keys import Debian, Release, SourceRelease
from tfbuild.releases.types import Commit, Download, FileName, InnerPath, PackageName

# As TensorFlow writes it from "git describe": tf.version.GIT_VERSION.
GitVersion = Annotated[str, Field(pattern=r"^v[0-9][A-Za-z0-9.-]*-[0-9]+-g[0-9a-f]{7,40}$")]
PartName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
ArchivePattern = Annotated[str, Field(pattern=r"^lib[A-Za-z0-9+_*-]+\.a$")]


class TensorFlowFiles(TensorFlowPin):
    """TensorFlow's source at the commit that Serving pins, for the files that the wheel lacks."""

    archive: Download = Field(description="The archive of that commit.")
    strip_prefix: FileName = Field(description="The one folder at the top of the archive.")
    subtrees: tuple[InnerPath, ...] = Field(min_length=1, description="What of it is extracted.")
    sources: tuple[InnerPath, ...] = Field(
        default=(), description="Files to compile: what the wheel's libraries do not export."
    )
    protos: tuple[InnerPath, ...] = Field(default=(), description="Messages that the wheel has no header of.")
    services: tuple[InnerPath, ...] = Field(
        default=(), description="Services whose stubs are made for the gRPC that is linked in."
    )


class Protoc(Keys):
    """A protoc that the suite does not have, out of a wheel for the machine that builds."""

    binaries: Mapping[Arch, Download] = Field(description="The wheel, for each architecture that builds.")
    member: InnerPath = Field(description="The program in it.")


class FurtherSource(Keys):
    """Another project's source: headers that the suite has in another version, or files to compile."""

    archive: Download = Field(description="Its archive.")
    strip_prefix: FileName = Field(description="The one folder at the top of the archive.")
    subtrees: tuple[InnerPath, ...] = Field(min_length=1, description="What of it is extracted.")
    include: InnerPath | None = Field(
        default=None, description="Folder that headers are named from; null: the top."
    )
    sources: tuple[InnerPath, ...] = Field(default=(), description="Files to compile.")
    services: tuple[InnerPath, ...] = Field(default=(), description="Protos to compile, with their stubs.")
    license_file: InnerPath = Field(description="Its licence.")
    reason: Prose = Field(description="Why the suite's own cannot be used.")


class WheelCompiler(Keys):
    """What compiles Serving's source: the family and major version that the wheel was compiled with."""

    kind: Literal["gcc", "clang"] = Field(description="Family.")
    version: DottedVersion = Field(description="Version in the builder's suite.")
    packages: tuple[PackageName, ...] = Field(min_length=1, description="Packages of the suite that hold it.")
    cxx: AbsolutePath = Field(description="The C++ compiler in the builder.")


class ServerWheel(Keys):
    """The wheel of one architecture, and what it says of itself."""

    arch: Arch = Field(description="Architecture.")
    download: Download = Field(description="The file, as a Python index has it.")
    git_version: GitVersion = Field(description="tf.version.GIT_VERSION.")
    compiler: Text = Field(description="tf.version.COMPILER_VERSION.")
    protobuf: DottedVersion = Field(description="Version of protobuf whose headers it has.")
    libraries: tuple[InnerPath, ...] = Field(
        default=(), description="Libraries in it that TensorFlow's own need, such as OpenMP's."
    )
    compile_with: WheelCompiler | None = Field(
        default=None, description="Compiler for the target, where this wheel's is of another family."
    )


class WheelDefine(Keys):
    """A macro that what is compiled here has to share with what is in the wheel."""

    name: MacroName = Field(description="-DNAME")
    value: Text | None = Field(default=None, description="-DNAME=value; null: no value.")
    reason: Prose = Field(description="What goes wrong without it.")


class Isolated(Keys):
    """A namespace that Serving takes from the wheel, and of which archives bring another version."""

    namespace: MacroName = Field(description="Of C++.")
    archives: tuple[ArchivePattern, ...] = Field(
        min_length=1, description="The archives that define or use it: there it gets another name."
    )
    reason: Prose = Field(description="What goes wrong without it.")


class ServerPartKeys(Keys):
    """A part of the server that a build can leave out: serving.without."""

    name: PartName = Field(description="Its name there.")
    text: Prose = Field(description="What a server without it cannot do.")
    sources: tuple[InnerPath, ...] = Field(default=(), description="Serving's sources that are left out.")
    tensorflow_sources: tuple[InnerPath, ...] = Field(default=(), description="And TensorFlow's.")
    subtrees: tuple[InnerPath, ...] = Field(default=(), description="What of TensorFlow is not extracted.")
    further: tuple[FileName, ...] = Field(default=(), description="Names of sources in 'further'.")
    whole_archives: tuple[ArchivePattern, ...] = Field(
        default=(), description="Archives that are not linked."
    )
    smoke_models: tuple[SmokeModel, ...] = Field(default=(), description="Models that it cannot answer.")
    smoke_services: tuple[SmokeService, ...] = Field(default=(), description="Services that it lacks.")


class WheelBuild(Keys):
    """TensorFlow Serving, linked with a wheel's libraries."""

    tensorflow: TensorFlowFiles = Field(description="The TensorFlow that Serving's WORKSPACE pins.")
    wheels: tuple[ServerWheel, ...] = Field(min_length=1, description="The official wheels.")
    compiler: WheelCompiler = Field(description="Compiler for the target.")
    protobuf: DottedVersion = Field(description="Version of protobuf that protoc writes code for.")
    protoc: Protoc | None = Field(default=None, description="Where protoc is from; null: the suite.")
    further: tuple[FurtherSource, ...] = Field(default=(), description="Sources of other projects.")
    target: Label = Field(description="The target of upstream's BUILD files that is the server.")
    defines: tuple[WheelDefine, ...] = Field(default=(), description="Macros of every file.")
    packages: tuple[PackageName, ...] = Field(
        default=(), description="Further packages for the target, in the version that the suite has."
    )
    whole_archives: tuple[ArchivePattern, ...] = Field(
        default=(), description="Static libraries of which each object is linked: they register themselves."
    )
    parts: tuple[ServerPartKeys, ...] = Field(default=(), description="What serving.without can name.")
    archives: tuple[ArchivePattern, ...] = Field(
        min_length=1, description="Static libraries of the suite that are linked in, as file name patterns."
    )
    isolated: tuple[Isolated, ...] = Field(default=(), description="Namespaces that are there twice.")
    options: tuple[Flag, ...] = Field(default=(), description="Further options of the compiler.")
    version_pattern: Pattern = Field(description="Regular expression of the first line of --version.")
    smoke_models: tuple[SmokeModel, ...] = Field(
        default=SMOKE_MODELS, description="Models that it has to answer; a stand-in names those that it can."
    )
    smoke_services: tuple[SmokeService, ...] = Field(
        default=SMOKE_SERVICES, description="What it offers besides; older releases have less."
    )
    needs: Needs = Field(description="What a build from nothing takes.")

    def find(self, arch: Arch) -> ServerWheel | None:
        """The wheel for ``arch``."""
        return next((each for each in self.wheels if each.arch is arch), None)

    def compiler_for(self, arch: Arch) -> WheelCompiler:
        """What compiles for ``arch``."""
        wheel = self.find(arch)
        return (wheel.compile_with if wheel else None) or self.compiler


class ServingWheelRelease(SourceRelease):
    """A release of TensorFlow Serving that takes TensorFlow from its wheel."""

    provider: Literal["wheels"] = Field(description="TensorFlow's libraries come out of its official wheel.")
    debian: Debian = Field(description="The builder image, and the packages that are linked in.")
    revision: Commit = Field(description="Serving's commit.")
    wheel: WheelBuild = Field(description="How Serving's source and the wheel go together.")

    @property
    def origin(self) -> Literal["source", "wheel"]:
        return "wheel"

    @property
    def sources_path(self) -> str:
        """The path of the list of what is compiled, as :attr:`path` is."""
        return f"{self.path.removesuffix('.yaml')}.sources.json"

    def pins(self, arch: Arch, build_arch: Arch | None = None, seen: str | None = None) -> tuple[Pin, ...]:
        wheel = self.wheel.find(arch)
        protoc = self.wheel.protoc.binaries.get(build_arch or arch) if self.wheel.protoc else None
        downloads = (
            self.wheel.tensorflow.archive,
            *([wheel.download] if wheel else ()),
            *([protoc] if protoc else ()),
            *(each.archive for each in self.wheel.further),
        )
        return (*super().pins(arch, build_arch, seen), *(each.pin() for each in downloads))


def commit_in(git_version: str) -> str:
    """The commit, or its beginning, that a wheel was made of."""
    return git_version.rpartition("-g")[2]


def disagreements(release: Release) -> Iterator[tuple[str, str]]:
    """What the types cannot say: key and text."""
    if not isinstance(release, ServingWheelRelease):
        return
    arches = [each.arch for each in release.wheel.wheels]
    if len(set(arches)) != len(arches):
        yield "wheel", "two wheels are for the same arch"
    if set(arches) != set(release.arches):
        yield "wheel", "'wheels' and 'arches' name different architectures"
    yield from (("wheel", text) for text in _unknown_in_parts(release.wheel))


def _unknown_in_parts(build: WheelBuild) -> Iterator[str]:
    """What a part leaves out and the release does not have: a typing error, and nothing would be left out."""
    names = [each.name for each in build.parts]
    if len(set(names)) != len(names):
        yield "two parts have the same name"
    has = {
        "tensorflow_sources": build.tensorflow.sources,
        "subtrees": build.tensorflow.subtrees,
        "further": tuple(each.archive.name for each in build.further),
        "whole_archives": build.whole_archives,
        "smoke_models": build.smoke_models,
        "smoke_services": build.smoke_services,
    }
    for part in build.parts:
        for key, known in has.items():
            for each in getattr(part, key):
                if each not in known:
                    yield f"the part '{part.name}' leaves out {each} ({key}), which the release does not have"
