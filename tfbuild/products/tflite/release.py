"""What a TFLite release with upstream's own dependencies needs, besides what its source says itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tfbuild.config.types import FileStem, Keys, MacroName, Prose, Text
from tfbuild.releases.types import Commit, InnerPath, Thread, Url


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
    """A dependency that upstream's source pins to something that does not exist, or does not work."""

    name: FileStem = Field(description="The dependency, as the lock calls it.")
    ref: Text = Field(description="Commit or tag to take instead of the one in the source.")
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
