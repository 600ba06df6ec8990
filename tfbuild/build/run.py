"""What carries out one kind of plan, what it asks of the world, and what it gives back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Generic

from tfbuild.base.arch import Arch
from tfbuild.base.documents import Replaced, dump
from tfbuild.base.text import ArtifactRow
from tfbuild.base.values import Finding, Pin, Reporter, SmokeOutcome, Unhashed
from tfbuild.build.buildkit.bake import BUILDER, BakeFile, BakeOptions
from tfbuild.build.dist.contents import ImageCode, Materials
from tfbuild.build.dist.folder import Artifact, BuildDocument
from tfbuild.build.hints import Cause
from tfbuild.build.layout import Layout
from tfbuild.build.roots import Archive, RootFacts
from tfbuild.build.shared.store import LayerStore
from tfbuild.engine.docker_cli import DockerCli
from tfbuild.engine.facts import Engine, EngineFacts
from tfbuild.machine.programs import Runner
from tfbuild.plan.needs import Estimates
from tfbuild.plan.plan import Part, Plan
from tfbuild.plan.roots import Root


def _none(plan: Plan[Any]) -> Mapping[str, str]:
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
    secrets: Callable[[Plan[Any]], Mapping[str, str]] = _none
    layers: LayerStore | None = None  # a registry that root filesystems and builders are shared in
    apart: str = ""  # names caches of its own in the engine; empty: those that all builds share


def _nothing(_: Any) -> tuple[()]:
    return ()


def _no_exports(_: Any) -> Mapping[str, tuple[str, ...]]:
    return {}


def _no_estimate(_: Any) -> None:
    return None


def _no_demand(plan: Plan[Any], engine: EngineFacts, host: Arch) -> None:
    del plan, engine, host


def _no_materials(_: Any) -> Materials:
    return Materials()


def _config(plan: Plan[Any]) -> str:
    return plan.asked.config


Smoke = tuple[list[SmokeOutcome], list[Finding]]


@dataclass(frozen=True, kw_only=True)
class Recipe(Generic[Part]):
    """What carries out one kind of plan; all but ``steps``, ``smoke``, ``secrets``, ``ingredients`` is pure.

    ``steps`` are those that differ from the common ones, by their id, and return a line for the reporter;
    ``tests`` is what the smoke test is made of, ``artifacts`` what a build is for. ``builders`` are the
    stages of the recipe that need a network, ``ingredients`` the files that a bundle carries besides.
    ``demand`` refuses an engine that cannot carry the plan out, seen from a host's architecture.
    ``describe`` gives lines of ``--dry-run``, ``config_words`` what a command line says of the config,
    ``materials`` what the bill of materials says besides what any plan tells.
    """

    definition: Callable[[Plan[Part], Layout, BakeOptions], BakeFile]
    smoke: Callable[[Run[Part]], Smoke]
    tests: str
    artifacts: tuple[str, ...]
    steps: Mapping[str, Callable[[Run[Part]], str]] = field(default_factory=dict)
    builders: tuple[str, ...] = (BUILDER,)
    binaries: bool = True  # whether lib/ and bin/ of the dist folder have something to verify
    causes: tuple[Cause, ...] = ()  # of failures, besides those that any build has
    demand: Callable[[Plan[Part], EngineFacts, Arch], None] = _no_demand
    describe: Callable[[Part], Iterable[str]] = _nothing
    exports: Callable[[Part], Mapping[str, tuple[str, ...]]] = _no_exports
    needs: Callable[[Part], Estimates | None] = _no_estimate
    config_words: Callable[[Plan[Part]], str] = _config
    materials: Callable[[Part], Materials] = _no_materials
    secrets: Callable[[Run[Part]], tuple[str, ...]] = _nothing
    ingredients: Callable[[Run[Part]], Iterable[tuple[str, Path]]] = _nothing


@dataclass
class Run(Generic[Part]):
    """The state of one execution."""

    plan: Plan[Part]
    recipe: Recipe[Part]
    layout: Layout
    effects: Effects
    output: Path
    timings: dict[str, float] = field(default_factory=dict)
    roots: dict[str, RootFacts] = field(default_factory=dict)
    downloads: Mapping[str, Path] = field(default_factory=dict)
    replaced: list[Replaced] = field(default_factory=list)
    number: int = 0
    began: float = field(default_factory=time.time)  # seconds since 1970
    image_code: tuple[ImageCode, ...] = ()  # once the image is verified
    findings: list[Finding] = field(default_factory=list)  # what a step before the verification has to tell
    # A new one for each run: a step that has it as an argument is never taken from BuildKit's cache.
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
