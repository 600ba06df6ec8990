"""What a release that is made of wheels has in its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from pydantic import Field

from tfbuild.base.arch import Arch
from tfbuild.config.types import FileStem, Keys, PythonVersion, RequirementText, Text
from tfbuild.releases.keys import Release
from tfbuild.releases.types import PackageName, Snapshot

# Taken where nobody asks for one.
DEFAULT_VARIANT = "cpu"


class WheelPython(Keys):
    """A Python that the wheels are locked for: that of a Debian suite."""

    version: PythonVersion = Field(description="As in '3.11': the suite's own.")
    suite: FileStem = Field(description="Debian release that the images are made of.")
    snapshot: Snapshot = Field(description="State of snapshot.debian.org to fall back to.")
    packages: tuple[PackageName, ...] = Field(
        min_length=1, description="Debian packages of the runtime image: Python, and what the wheels link to."
    )
    provided: Mapping[PackageName, Text] = Field(
        default_factory=dict,
        description="Python distributions that these packages have, with their versions: no wheel is taken.",
    )


class WheelSet(Keys):
    """What is asked of the index for one variant and architecture."""

    variant: FileStem = Field(description="cpu or gpu.")
    arch: Arch = Field(description="Architecture.")
    requirements: tuple[RequirementText, ...] = Field(
        min_length=1, description="What has to be installed; everything else follows from the wheels."
    )


class WheelKeys(Keys):
    """Wheels; which ones, the lock beside the release says (RELEASE.wheels.json)."""

    pythons: tuple[WheelPython, ...] = Field(
        min_length=1, description="Pythons that there is a lock for; the first is the default."
    )
    sets: tuple[WheelSet, ...] = Field(min_length=1, description="Variants and architectures.")

    def python(self, version: str | None) -> WheelPython | None:
        """The Python called ``version``; the default one for None."""
        return next((each for each in self.pythons if version in {None, each.version}), None)

    def find(self, variant: str, arch: Arch) -> WheelSet | None:
        """The set for ``variant`` and ``arch``."""
        return next((each for each in self.sets if (each.variant, each.arch) == (variant, arch)), None)


class WheelRelease(Release):
    """A release that is made of official wheels."""

    provider: Literal["wheels"] = Field(description="No source: the lock beside the release has all.")
    wheels: WheelKeys = Field(description="Official wheels, and the Pythons that they are locked for.")

    @property
    def lock_path(self) -> str:
        """The path of the lock of its wheels, as :attr:`path` is."""
        return f"{self.path.removesuffix('.yaml')}.wheels.json"


def disagreements(release: Release) -> Iterator[tuple[str, str]]:
    """What the types cannot say: key and text."""
    if not isinstance(release, WheelRelease):
        return
    sets = release.wheels.sets
    if strange := sorted({str(each.arch) for each in sets} - set(map(str, release.arches))):
        yield "wheels", f"names {', '.join(strange)}, which the release's arches do not have"
    if len({(each.variant, each.arch) for each in sets}) != len(sets):
        yield "wheels", "two sets are for the same variant and arch"
