"""The releases of TFLite: with dependencies from Debian, with upstream's own, and official wheels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from tfbuild.base.arch import Arch
from tfbuild.base.values import Pin
from tfbuild.config.types import FileStem, Keys, MacroName, PositiveInt, Prose, Text
from tfbuild.releases.keys import Debian, Release, Repin, SourceRelease
from tfbuild.releases.load import ReleaseKind
from tfbuild.releases.types import Commit, FileName, InnerPath, PackageName, Quirk, Sha256, Thread, Url
from tfbuild.releases.wheels.keys import WheelKeys, WheelRelease, WheelSet, disagreements

# TensorFlow's own folder of TFLite.
LITE = "tensorflow/lite"


class UpstreamCMake(Keys):
    """An entry of CMake's cache."""

    name: MacroName = Field(description="-DNAME=value")
    value: Text = Field(description="Its value.")
    reason: Prose = Field(description="What goes wrong without it.")
    threads: tuple[Thread, ...] = Field(default=(), description="Where upstream discusses it.")
    arches: tuple[Arch, ...] | None = Field(
        default=None, description="Architectures that need it; null: all of the release."
    )


class UpstreamFlag(Keys):
    """A flag of a compiler."""

    language: Literal["c", "c++", "both"] = Field(description="Which compiler gets it.")
    flag: Text = Field(description="The flag.")
    reason: Prose = Field(description="What goes wrong without it.")
    threads: tuple[Thread, ...] = Field(default=(), description="Where upstream discusses it.")


class UpstreamRepin(Keys):
    """A dependency that upstream's source pins to something that does not exist, or does not work well."""

    name: FileStem = Field(description="The dependency, as the lock calls it.")
    ref: Text = Field(description="Commit or tag to take instead of the one in the source.")
    repository: Url | None = Field(default=None, description="Where it is, if not where the source says.")
    reason: Prose = Field(description="What is wrong with the pin in the source.")
    threads: tuple[Thread, ...] = Field(min_length=1, description="Where upstream discusses it.")


class UpstreamBuildFiles(Keys):
    """Another repository that has the release's CMake files, for those who cannot get the whole source."""

    repository: Url = Field(description="The repository.")
    commit: Commit = Field(description="At which its files are those of the release, byte for byte.")
    folder: InnerPath = Field(description="What it has in the place of tensorflow/lite.")
    evidence: tuple[Prose, ...] = Field(min_length=1, description="Why these are the files of the release.")

    @property
    def place(self) -> str:
        """As a lock names it."""
        return f"{self.repository}/tree/{self.commit}/{self.folder}"


class UpstreamFile(Keys):
    """A file of another project that the build opens, with a hash of its own."""

    path: InnerPath = Field(description="Where that project has it, and the build finds it.")
    sha256: Sha256 = Field(description="Of its bytes.")
    size: PositiveInt | None = Field(default=None, description="Bytes, where known.")


class UpstreamFiles(Keys):
    """The few files of TensorFlow that a source outside of TensorFlow opens."""

    url: Url = Field(description="Where they lie: this, a slash and the path is the address of a file.")
    license_file: InnerPath = Field(description="Which of them is the licence of all.")
    files: tuple[UpstreamFile, ...] = Field(min_length=1, description="The files.")
    evidence: tuple[Prose, ...] = Field(min_length=1, description="How it is known that these are the files.")

    def pin(self, file: UpstreamFile) -> Pin:
        """Of one of the files. Its name in the cache has the hash: other releases may have another state."""
        flat = file.path.replace("/", "-")
        filename = f"tensorflow-{file.sha256[:12]}-{flat}"
        return Pin(f"tensorflow-{flat}", (f"{self.url}/{file.path}",), file.sha256, filename, file.size)


class UpstreamProfile(Keys):
    """What a run of the release's own code has counted, for a compiler to optimise by."""

    file: FileName = Field(description="Its name in the folder RELEASE.profiles beside the release's file.")
    origin: Prose = Field(description="What was compiled, what it ran, and the command.")


class Upstream(Keys):
    """How upstream's own dependencies are compiled; which ones there are is in the release's lock."""

    folder: InnerPath = Field(
        default=LITE, description="Where TFLite lies in the source; LiteRT has it in tflite."
    )
    litert: InnerPath | None = Field(
        default=None,
        description="Where LiteRT's own C API lies in the source, for libLiteRt.so; null: there is none.",
    )
    published_as: Literal["ai_edge_litert"] | None = Field(
        default=None,
        description="The Python package that upstream makes of this source, where it is not TensorFlow's: "
        "XNNPACK must run in a build what it runs there.",
    )
    tensorflow: UpstreamFiles | None = Field(
        default=None, description="What the build opens of TensorFlow; null: the source has TensorFlow whole."
    )
    build_packages: tuple[PackageName, ...] = Field(
        default=(), description="Further packages of the suite whose programs the build runs."
    )
    host_tools: tuple[Literal["flatc"], ...] = Field(
        default=(),
        description="Programs that the build runs; made from the locked sources for the machine that builds.",
    )
    xnnpack_compiler: Mapping[Arch, Literal["gcc", "clang"]] = Field(
        default_factory=dict,
        description="What compiles XNNPACK's C files, where the suite has a clang that does: the faster one, "
        "by architecture; gcc where nobody has measured.",
    )
    profiles: Mapping[Arch, UpstreamProfile] = Field(
        default_factory=dict,
        description="What clang optimises by where it compiles all, by architecture (tflite.profile).",
    )
    cmake: tuple[UpstreamCMake, ...] = Field(default=(), description="Entries of CMake's cache.")
    flags: tuple[UpstreamFlag, ...] = Field(default=(), description="Flags of the compilers.")
    repins: tuple[UpstreamRepin, ...] = Field(default=(), description="Pins to replace.")
    build_files: UpstreamBuildFiles | None = Field(
        default=None,
        description="Where the dependencies are declared too: invoke lock --without-source reads it there.",
    )


OperatorModels = Annotated[str, Field(pattern=r"^[a-z0-9_.,*-]+$")]


UnknownOperator = Annotated[str, Field(pattern=r"^[A-Z0-9_]+ [0-9]+$")]


class TfliteQuirk(Quirk):
    """Something odd, which may also be about operators."""

    operator_models: tuple[OperatorModels, ...] = Field(
        default=(),
        description=(
            "Models of the operator suite (patterns) that this gives a wrong answer or ends; a build warns "
            "of them instead of failing."
        ),
    )
    api: Literal["litert"] | None = Field(
        default=None, description="The API through which alone it is so (LiteRT's own); null: through each."
    )
    arches: tuple[Arch, ...] = Field(
        default=(), description="The architectures on which alone it is so; none: on each."
    )
    unknown_operators: tuple[UnknownOperator, ...] = Field(
        default=(),
        description=(
            "Operators that newer converters write and this release is too old for, as NAME VERSION; a build "
            "warns of the models that have them."
        ),
    )
    needs_cpus: bool = Field(
        default=False,
        description=(
            "That XNNPACK is not in use where /sys/devices/system/cpu is hidden, as sandboxes do it; the "
            "smoke test asks for right answers alone there."
        ),
    )


def needs_cpus(release: Release, arch: Arch) -> bool:
    """Whether XNNPACK is out of use on ``arch`` where the kernel's list of CPUs is hidden."""
    quirks = (each for each in release.quirks if isinstance(each, TfliteQuirk))
    return any(each.needs_cpus and arch in (each.arches or (arch,)) for each in quirks)


class TfliteWheelSet(WheelSet):
    """What is asked of the index, and what of it is said to be fast."""

    xnnpack: tuple[Literal["float32", "int8"], ...] = Field(
        default=("float32", "int8"), description="Models that the wheel's XNNPACK takes over."
    )


class TfliteWheelKeys(WheelKeys):
    """Wheels of TFLite."""

    sets: tuple[TfliteWheelSet, ...] = Field(min_length=1, description="Variants and architectures.")

    def find(self, variant: str, arch: Arch) -> TfliteWheelSet | None:
        return next((each for each in self.sets if (each.variant, each.arch) == (variant, arch)), None)


DynamicGraphs = Literal["delegated", "told", "untold"]
_DYNAMIC = (
    "What becomes of graphs with dynamic tensors. XNNPACK takes them (delegated); it does not, and the "
    "library says so (told) or is silent (untold); null: nobody has looked."
)


class DebianRelease(SourceRelease):
    """TFLite with dependencies from Debian."""

    provider: Literal["debian"] = Field(description="Debian publishes the archive and the dependencies.")
    debian: Debian = Field(description="The builder image, and the dependencies.")
    quirks: tuple[TfliteQuirk, ...] = Field(default=(), description="What is odd about it.")
    dynamic_graphs: DynamicGraphs | None = Field(default=None, description=_DYNAMIC)


class UpstreamRelease(SourceRelease):
    """TFLite with upstream's own dependencies, from the release's lock."""

    provider: Literal["upstream"] = Field(description="Upstream publishes the archive; a lock has the rest.")
    upstream: Upstream = Field(default=Upstream(), description="How upstream's dependencies are compiled.")
    quirks: tuple[TfliteQuirk, ...] = Field(default=(), description="What is odd about it.")
    dynamic_graphs: DynamicGraphs | None = Field(default=None, description=_DYNAMIC)

    @property
    def needs_lock(self) -> bool:
        return True

    def pins(self, arch: Arch, build_arch: Arch | None = None, seen: str | None = None) -> tuple[Pin, ...]:
        """See :meth:`SourceRelease.pins`; the files of TensorFlow come last."""
        return (*super().pins(arch, build_arch, seen), *self.single_files)

    @property
    def single_files(self) -> tuple[Pin, ...]:
        """The files of TensorFlow that a source outside of it opens."""
        tensorflow = self.upstream.tensorflow
        return tuple(map(tensorflow.pin, tensorflow.files)) if tensorflow else ()

    @property
    def repinned(self) -> Mapping[str, Repin]:
        return {each.name: Repin(each.ref, each.repository) for each in self.upstream.repins}

    @property
    def declared_elsewhere(self) -> str | None:
        return self.upstream.build_files.place if self.upstream.build_files else None


class TfliteWheelRelease(WheelRelease):
    """TFLite as an official wheel."""

    wheels: TfliteWheelKeys = Field(description="Official wheels, and the Pythons that they are locked for.")
    quirks: tuple[TfliteQuirk, ...] = Field(default=(), description="What is odd about it.")
    dynamic_graphs: DynamicGraphs | None = Field(default=None, description=_DYNAMIC)


TfliteSource = DebianRelease | UpstreamRelease


def lite_folder(release: Release) -> str:
    """Where TFLite lies in the source of ``release``."""
    return release.upstream.folder if isinstance(release, UpstreamRelease) else LITE


RELEASES = ReleaseKind(
    "tflite",
    {"debian": DebianRelease, "upstream": UpstreamRelease, "wheels": TfliteWheelRelease},
    disagreements,
)
