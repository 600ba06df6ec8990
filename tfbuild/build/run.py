"""What a build asks of the world, the state of one execution, and what it gives back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tfbuild.base.arch import Arch
from tfbuild.base.documents import Replaced, dump
from tfbuild.base.text import ArtifactRow
from tfbuild.base.values import Finding, Pin, Reporter, Unhashed
from tfbuild.build.dist import Artifact, BuildDocument
from tfbuild.build.layout import Layout
from tfbuild.build.roots import Archive, RootFacts
from tfbuild.engine.docker_cli import DockerCli
from tfbuild.engine.facts import Engine
from tfbuild.machine.programs import Runner
from tfbuild.plan.plan import Plan
from tfbuild.plan.roots import Root


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


@dataclass
class Run:
    """The state of one execution."""

    plan: Plan
    layout: Layout
    effects: Effects
    output: Path
    timings: dict[str, float] = field(default_factory=dict)
    roots: dict[str, RootFacts] = field(default_factory=dict)
    downloads: Mapping[str, Path] = field(default_factory=dict)
    replaced: list[Replaced] = field(default_factory=list)
    number: int = 0
    findings: list[Finding] = field(default_factory=list)  # what a step before the verification has to tell
    # One for each run: what BuildKit may not take from its cache, it takes from nowhere else.
    nonce: str = field(default_factory=lambda: str(time.time_ns()))

    @cached_property
    def secrets(self) -> Mapping[str, str]:
        """What only the builders' network steps may see, by its id."""
        proxies = "".join(f"{name}={value}\n" for name, value in self.effects.proxies.items())
        return {**self.effects.secrets(self.plan), **({PROXIES: proxies} if proxies else {})}

    @property
    def logs(self) -> Path:
        return self.layout.work / "logs"

    def log(self, name: str) -> Path:
        return self.logs / f"{self.number:02}-{name}.log"


# Ids of build secrets, as the recipes name them below /run/secrets.
APT_AUTH, APT_SOURCES, NETRC, PROXIES = "apt-auth", "apt-sources", "netrc", "proxies"


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
