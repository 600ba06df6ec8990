"""Data about the Linux distributions and about platform tags of wheels, as typed values.

The file is ``build_configs/platforms/linux.yaml``; its comments name the sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tfbuild.artifacts.elf.facts import version_key
from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError
from tfbuild.base.text import did_you_mean
from tfbuild.config.binding import bound
from tfbuild.config.yaml_source import read_yaml

PLATFORMS = Path("build_configs", "platforms", "linux.yaml")
# The families of symbol versions that a distribution fixes.
FAMILIES = ("GLIBC", "GLIBCXX", "CXXABI", "GCC")

Version = Annotated[str, Field(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})*$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Distribution(_Model):
    """One release of a distribution, with the highest symbol version of each family."""

    name: str = Field(description="Number and code name.")
    arches: tuple[Arch, ...]
    GLIBC: Version
    GLIBCXX: Version
    CXXABI: Version
    GCC: Version
    suite: str | None = Field(default=None, description="What apt calls it, where builds are made of it.")
    emulator: str | None = Field(
        default=None, description="Its package with emulators that run inside a build for another machine."
    )
    qemu: Version | None = Field(default=None, description="The version of these emulators.")
    cmake: Version | None = Field(default=None, description="The version of its CMake.")
    flatc: Version | None = Field(default=None, description="The version of FlatBuffers' compiler.")
    clang: Annotated[str, Field(pattern=r"^[0-9]+$")] | None = Field(
        default=None, description="The version of its clang, where that has compiled XNNPACK."
    )
    header: str | None = Field(
        default=None,
        description="What is included before all else, of toolchains/cmake: it binds to an older glibc.",
    )

    def has(self, family: str, version: str) -> bool:
        """Whether symbols of ``family`` up to ``version`` are there; unknown families are not asked."""
        mine: str | None = getattr(self, family) if family in FAMILIES else None
        return mine is None or version_key(version) <= version_key(mine)


class DistributionFamily(_Model):
    """A distribution, with its releases from old to new."""

    family: str
    releases: tuple[Distribution, ...] = Field(min_length=1)


class SystemLibrary(_Model):
    """Libraries that come with the system, and the package that has them."""

    files: tuple[str, ...]
    deb: str
    rpm: str


class WheelTag(_Model):
    """A platform tag without the machine, with the highest symbol versions that it stands for."""

    tag: str = Field(pattern=r"^manylinux_2_[0-9]+$")
    aliases: tuple[str, ...] = ()
    arches: tuple[Arch, ...]
    versions: dict[str, Version]
    exceptions: dict[Arch, dict[str, Version]] = Field(default_factory=dict)

    def limit(self, family: str, arch: Arch) -> str | None:
        """The highest version of ``family`` under this tag; None where the tag says nothing."""
        return self.exceptions.get(arch, {}).get(family) or self.versions.get(family)


class Platforms(_Model):
    """The whole file."""

    distributions: tuple[DistributionFamily, ...]
    system_libraries: tuple[SystemLibrary, ...]
    wheel_libraries: tuple[str, ...] = Field(description="Libraries that a manylinux wheel may need.")
    wheel_tags: tuple[WheelTag, ...] = Field(description="From the most compatible to the newest.")

    @property
    def suites(self) -> Mapping[str, Distribution]:
        """The Debian releases that builds are made of, from old to new."""
        releases = (each for family in self.distributions for each in family.releases)
        return {each.suite: each for each in releases if each.suite}

    def require_suite(self, name: str) -> Distribution:
        """The Debian release that apt calls ``name``; NothingMatchesError where there is no row for it."""
        found = self.suites.get(name)
        if found is None:
            raise NothingMatchesError(
                f"the Debian suite '{name}' is not known here{did_you_mean(name, self.suites)}",
                details=(f"there are: {', '.join(self.suites)}",),
                hint=f"correct the release's file, or add the suite to {PLATFORMS}",
            )
        return found


@cache
def load_platforms(root: Path) -> Platforms:
    """The data of the project in ``root``. Raises ConfigError for a file that does not fit."""
    return bound(read_yaml(root / PLATFORMS, str(PLATFORMS)), Platforms)
