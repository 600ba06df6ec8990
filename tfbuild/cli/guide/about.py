"""``invoke version``: what is running here."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from tfbuild import __version__
from tfbuild.base.documents import dump
from tfbuild.base.errors import ExitCode
from tfbuild.base.project import PROJECT
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.plan.asked import git_revision


@dataclass(frozen=True, kw_only=True)
class VersionDocument:
    """``invoke version --json``; ``revision`` is null outside a git clone."""

    version: Literal[1] = 1
    tfbuild: str
    revision: str | None
    python: str
    system: str
    folder: str


def version(*, as_json: bool) -> int:
    """``invoke version``"""
    found = this_version()
    if as_json:
        write_json(dump(found))
    else:
        write_lines(version_lines(found))
    return ExitCode.OK


def this_version() -> VersionDocument:
    """Of this program on this machine; nothing is asked of an engine."""
    return VersionDocument(
        tfbuild=__version__,
        revision=git_revision(PROJECT) or None,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        folder=str(PROJECT),
    )


def version_lines(found: VersionDocument) -> Iterator[str]:
    """A line for each fact."""
    at = f" (revision {found.revision[:12]})" if found.revision else ""
    yield f"tfbuild {found.tfbuild}{at}"
    yield f"python  {found.python} on {found.system}"
    yield f"folder  {found.folder}"
