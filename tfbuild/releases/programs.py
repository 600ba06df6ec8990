"""Programs that an old Debian has too old for a build: ``build_configs/platforms/programs.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pydantic import Field

from tfbuild.config.binding import bound
from tfbuild.config.types import Keys
from tfbuild.config.yaml_source import read_yaml
from tfbuild.releases.keys import DebianDownload

PROGRAMS = Path("build_configs", "platforms", "programs.yaml")


class Programs(Keys):
    """The whole file: wheels of each, by the architecture of the machine that builds."""

    cmake: tuple[DebianDownload, ...] = Field(
        min_length=1, description="For suites whose own is too old, as its makers publish it."
    )


@cache
def load_programs(root: Path) -> Programs:
    """The data of the project in ``root``. Raises ConfigError for a file that does not fit."""
    return bound(read_yaml(root / PROGRAMS, str(PROGRAMS)), Programs)
