"""The releases of TFLite: with dependencies from Debian, with upstream's own, and official wheels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from tfbuild.base.arch import Arch
from tfbuild.config.types import FileStem, Keys, MacroName, Prose, Text
from tfbuild.releases.keys import Debian, Repin, SourceRelease
from tfbuild.releases.load import ReleaseKind
from tfbuild.releases.types import Commit, InnerPath, Quirk, Thread, Url
from tfbuild.releases.wheels.keys import WheelKeys, WheelRelease, WheelSet, disagreements


class UpstreamCMake(Keys):
    """An entry of CMake's cache."""

    name: MacroName = Field(description="-DNAME=value")
    value: Text = Field(description="Its value.")
    reason: Prose = Field(description="What goes wrong without it.")
    threads: tuple[Thread, ...] = Field(default=(), description="Where upstream discusses it.")


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


class Upstream(Keys):
    """How upstream's own dependencies are compiled; which ones there are is in the release's lock."""

    host_tools: tuple[Literal["flatc"], ...] = Field(
        default=(),
        description="Programs that the build runs; made from the locked sources for the machine that builds.",
    )
    cmake: tuple[UpstreamCMake, ...] = Field(default=(), description="Entries of CMake's cache.")
    flags: tuple[UpstreamFlag, ...] = Field(default=(), description="Flags of the compilers.")
    repins: tuple[UpstreamRepin, ...] = Field(default=(), description="Pins to replace.")
    build_files: UpstreamBuildFiles | None = Field(
        default=None,
        description="Where the dependencies are declared too: invoke lock --without-source reads it there.",
    )


OperatorModels = Annotated[str, Field(pattern=r"^[a-z0-9_.,*-]+$")]


class TfliteQuirk(Quirk):
    """Something odd, which may also be about operators."""

    operator_models: tuple[OperatorModels, ...] = Field(
        default=(),
        description=(
            "Models of the operator suite (patterns) that this gives a wrong answer or ends; a build warns "
            "of them instead of failing."
        ),
    )


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

RELEASES = ReleaseKind(
    "tflite",
    {"debian": DebianRelease, "upstream": UpstreamRelease, "wheels": TfliteWheelRelease},
    disagreements,
)
