"""What a build asks of the world, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.docker_cli import DockerCli
from tfbuild.documents import Artifact, BuildDocument, Replaced, dump
from tfbuild.engine_facts import Engine
from tfbuild.model import Arch, Finding, Pin, Reporter, Unhashed
from tfbuild.plan import Plan
from tfbuild.plan_roots import Root
from tfbuild.programs import Runner
from tfbuild.report_text import ArtifactRow
from tfbuild.rootfs import Archive

# Ids of build secrets, as the recipes name them below /run/secrets.
APT_AUTH, APT_SOURCES, NETRC, PROXIES = "apt-auth", "apt-sources", "netrc", "proxies"


def _none(plan: Plan) -> Mapping[str, str]:
    del plan
    return {}


@dataclass(frozen=True)
class Effects:
    """Everything that touches the world; a test passes others."""

    runner: Runner
    engine: Engine
    reporter: Reporter
    find_cli: Callable[[], DockerCli]
    fetch_all: Callable[[tuple[Pin, ...], Unhashed | None], Mapping[str, Path]]
    archives_of: Callable[[Root], tuple[Archive, ...]]
    preflight: Callable[[], None]
    host_arch: Arch
    is_root: bool
    proxies: Mapping[str, str]
    offline: bool
    ca_bundle: Path | None
    lock_wait_s: float
    secrets: Callable[[Plan], Mapping[str, str]] = _none


@dataclass(frozen=True)
class BuildResult:
    """What a build left; ``fresh`` is False when everything was there already."""

    fresh: bool
    output: Path
    image: str
    image_id: str
    rows: tuple[ArtifactRow, ...]
    findings: tuple[Finding, ...]
    seconds: float
    replaced: tuple[Replaced, ...] = ()

    def document(self) -> BuildDocument:
        """The document of ``build-tflite --json``."""
        return BuildDocument(
            status="built" if self.fresh else "up-to-date",
            output=str(self.output),
            image=self.image,
            image_id=self.image_id,
            seconds=round(self.seconds, 1),
            artifacts=tuple(
                Artifact(path=str(row.path), size=row.size, sha256=row.sha256) for row in self.rows
            ),
            findings=self.findings,
            replaced=self.replaced,
        )

    def to_json(self) -> dict[str, Any]:
        return dump(self.document())
