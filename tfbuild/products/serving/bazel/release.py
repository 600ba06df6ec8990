"""The keys of a release file that only TensorFlow Serving has: Bazel, the compiler, upstream's own names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from tfbuild.base.arch import Arch
from tfbuild.base.values import Pin
from tfbuild.config.types import Flag, Keys, MacroName, PositiveInt, Prose, Text
from tfbuild.releases.keys import Debian, Release, SourceRelease
from tfbuild.releases.types import Commit, Download, FileName, InnerPath, PackageName, Sha256


def _compiles(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from None
    return value


# https://bazel.build/concepts/labels: only absolute ones of the main repository are of use here.
Label = Annotated[str, Field(pattern=r"^//[A-Za-z0-9_./+-]*:[A-Za-z0-9_./+-]+$")]
# https://bazel.build/run/bazelrc#config
RcConfig = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
RepositoryName = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$")]
DottedVersion = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$")]
Pattern = Annotated[Text, AfterValidator(_compiles)]
AbsolutePath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9_./+-]+$")]
# A folder in dockerfiles/serving/smoke/models.
SmokeModel = Literal["compiled", "convolution", "text", "tflite", "versions"]
SMOKE_MODELS: tuple[SmokeModel, ...] = ("compiled", "convolution", "text", "tflite", "versions")
# What a server offers besides: grpc.health.v1, gRPC's reflection, --ssl_config_file.
SmokeService = Literal["health", "reflection", "tls"]
SMOKE_SERVICES: tuple[SmokeService, ...] = ("health", "reflection", "tls")
PackageAndVersion = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+=[A-Za-z0-9.+~:-]+$")]


class TensorFlowPin(Keys):
    """The TensorFlow that upstream's WORKSPACE pins; Bazel fetches and checks it."""

    version: DottedVersion = Field(description="What that commit is a release of.")
    commit: Commit = Field(description="git_commit in WORKSPACE.")
    sha256: Sha256 = Field(description="sha256 in WORKSPACE, of the archive of that commit.")
    patch: InnerPath | None = Field(default=None, description="Patch that WORKSPACE applies to it.")


class Bazel(Keys):
    """The Bazel that builds: upstream's binary, or a package of the builder's suite."""

    version: DottedVersion = Field(description="Exact version.")
    binaries: Mapping[Arch, Download] = Field(
        default_factory=dict, description="Upstream's single executable, for each architecture that builds."
    )
    package: PackageAndVersion | None = Field(
        default=None, description="NAME=VERSION in the suite, for places without GitHub; instead of binaries."
    )


class Compiler(Keys):
    """What compiles for the target."""

    kind: Literal["gcc", "clang"] = Field(description="Family.")
    version: DottedVersion = Field(description="Version, as far as it matters for flags.")
    origin: Literal["suite", "hermetic"] = Field(
        description="'suite': packages of the builder image; 'hermetic': Bazel downloads it."
    )
    packages: tuple[PackageName, ...] = Field(default=(), description="Packages of the suite that hold it.")
    cc: AbsolutePath | None = Field(default=None, description="The C compiler in the builder; null: Bazel's.")


class Python(Keys):
    """The Python that rules of the build run on."""

    version: DottedVersion = Field(description="Major and minor version.")
    origin: Literal["suite", "hermetic"] = Field(description="As with the compiler.")


class BazelDefine(Keys):
    """A --define that this release needs with this compiler."""

    name: MacroName = Field(description="--define=NAME=VALUE")
    value: Text = Field(description="--define=NAME=VALUE")
    arches: tuple[Arch, ...] | None = Field(default=None, description="Targets that need it; null: all.")
    reason: Prose = Field(description="What goes wrong without it.")


class Override(Keys):
    """An external repository that Bazel cannot fetch by hash, from an archive that can."""

    repository: RepositoryName = Field(description="Its name in upstream's WORKSPACE.")
    download: Download = Field(description="The archive that takes its place.")
    strip_prefix: FileName = Field(description="The one folder at the top of the archive.")
    subtree: InnerPath | None = Field(default=None, description="What of it is needed; null: everything.")
    build_file: FileName = Field(description="File in toolchains/bazel/overrides/ that becomes BUILD.bazel.")
    reason: Prose = Field(description="Why upstream's own rule cannot be used.")


class Way(Keys):
    """How this release is compiled for one architecture on one architecture."""

    arch: Arch = Field(description="Target.")
    build_arch: Arch = Field(description="The builder's.")
    state: Literal["run", "never-run"] = Field(description="Whether this project has ever done it.")
    options: tuple[Flag, ...] = Field(default=(), description="Bazel options that it takes.")
    packages: tuple[PackageName, ...] = Field(default=(), description="Packages for the builder besides.")
    cc: AbsolutePath | None = Field(default=None, description="Another C compiler than the release's.")
    text: Prose = Field(description="What is known about it.")


class Needs(Keys):
    """What a build from nothing takes; estimates."""

    download_gib: PositiveInt = Field(description="What Bazel fetches, GiB.")
    disk_gib: PositiveInt = Field(description="Free disk for the engine, GiB.")
    memory_gib: PositiveInt = Field(
        description="Memory of the engine, GiB; below it the compile may be killed."
    )
    cpu_hours: PositiveInt = Field(description="Hours, times the number of CPUs at work.")


class ServerBuild(Keys):
    """TensorFlow Serving."""

    tensorflow: TensorFlowPin = Field(description="The TensorFlow inside.")
    bazel: Bazel = Field(description="Bazel.")
    compiler: Compiler = Field(description="Compiler for the target.")
    python: Python = Field(description="Python of the build.")
    upstream_builder: Text = Field(description="Base image of upstream's own Dockerfile.devel.")
    targets: tuple[Label, ...] = Field(min_length=1, description="What is built.")
    binary: InnerPath = Field(description="The server, below bazel-bin.")
    files: tuple[InnerPath, ...] = Field(description="Files of the source that the build relies on.")
    bazelrc_configs: tuple[RcConfig, ...] = Field(
        description="The --config names that upstream's .bazelrc has."
    )
    version_pattern: Pattern = Field(description="Regular expression of the first line of --version.")
    smoke_models: tuple[SmokeModel, ...] = Field(
        default=SMOKE_MODELS, description="Models that it has to answer; a stand-in names those that it can."
    )
    smoke_services: tuple[SmokeService, ...] = Field(
        default=SMOKE_SERVICES, description="What it offers besides; older releases have less."
    )
    version_suffix: Text = Field(
        default="", description="TF_MODELSERVER_VERSION_SUFFIX in version.h; upstream forgets to clear it."
    )
    repository_environment: Mapping[MacroName, Text] = Field(
        default_factory=dict, description="--repo_env=NAME=VALUE"
    )
    defines: tuple[BazelDefine, ...] = Field(default=(), description="--define options that it needs.")
    overrides: tuple[Override, ...] = Field(default=(), description="Repositories taken from elsewhere.")
    archives: tuple[Download, ...] = Field(
        default=(),
        description="What upstream's rules download, fetched by us; 'filename' is the URL's last part.",
    )
    ways: tuple[Way, ...] = Field(min_length=1, description="Which architecture is built where, and how.")
    needs: Needs = Field(description="Estimates for the preflight.")

    def downloads(self, build_arch: Arch) -> tuple[Download, ...]:
        """Bazel for ``build_arch``, archives of overridden repositories, and those that Bazel will find."""
        binary = self.bazel.binaries.get(build_arch)
        overrides = (each.download for each in self.overrides)
        return (*([binary] if binary else ()), *overrides, *self.archives)

    def way(self, arch: Arch, build_arch: Arch) -> Way | None:
        return next((each for each in self.ways if (each.arch, each.build_arch) == (arch, build_arch)), None)


class ServingRelease(SourceRelease):
    """A release of TensorFlow Serving."""

    provider: Literal["upstream"] = Field(
        description="Upstream publishes the archive; Bazel fetches the rest."
    )
    debian: Debian = Field(description="The builder image is made of a Debian suite.")
    serving: ServerBuild = Field(description="What a release of the model server has besides.")

    def pins(self, arch: Arch, build_arch: Arch | None = None, seen: str | None = None) -> tuple[Pin, ...]:
        tools = self.serving.downloads(build_arch or arch)
        return (*super().pins(arch, build_arch, seen), *(each.pin() for each in tools))


def disagreements(release: Release) -> Iterator[tuple[str, str]]:
    """What the types cannot say: key and text."""
    if not isinstance(release, ServingRelease):
        return
    serving = release.serving
    if bool(serving.bazel.binaries) == bool(serving.bazel.package):
        yield "serving", "bazel comes from 'binaries' or from 'package', and from one of them"
    builders = {way.build_arch for way in serving.ways}
    if serving.bazel.binaries and (lacking := sorted(map(str, builders - set(serving.bazel.binaries)))):
        yield "serving", f"'ways' builds on {', '.join(lacking)}, and 'bazel.binaries' has none for it"
    if {way.arch for way in serving.ways} != set(release.arches):
        yield "serving", "'ways' and 'arches' name different architectures"
    if serving.compiler.origin == "suite" and not serving.compiler.packages:
        yield "serving", "a compiler of the suite comes from packages: 'compiler.packages' names none"
