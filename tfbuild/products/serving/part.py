"""What the plan of a model server has besides what every plan has. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tfbuild.plan.needs import Estimates
from tfbuild.products.saved_model import ModelFolder


@dataclass(frozen=True)
class TextFile:
    """A small file of the image."""

    name: str
    text: str


@dataclass(frozen=True)
class BazelTool:
    """The Bazel that builds: ``pin`` is the name of a pin in the plan, or ``package`` one of the suite."""

    version: str
    pin: str | None
    package: str | None


@dataclass(frozen=True)
class CompilerTool:
    """What compiles for the target; ``cc`` is None where Bazel brings it."""

    kind: str
    version: str
    packages: tuple[str, ...]
    cc: str | None


@dataclass(frozen=True)
class OverriddenRepository:
    """An external repository made of a pinned archive: the pin's name, and what becomes of its content."""

    repository: str
    pin: str
    strip_prefix: str
    subtree: str
    build_file: str
    build_file_sha256: str


@dataclass(frozen=True)
class WayTaken:
    """From which architecture to which, and whether this project has ever done it."""

    kind: Literal["native", "cross"]
    state: str  # run, never-run
    text: str


@dataclass(frozen=True)
class TensorFlow:
    """The TensorFlow that upstream's WORKSPACE fetches and checks."""

    version: str
    commit: str
    sha256: str


@dataclass(frozen=True)
class ServingPart:
    """TensorFlow Serving, through Bazel."""

    product: Literal["serving"]
    tensorflow: TensorFlow
    bazel: BazelTool
    compiler: CompilerTool
    python: str
    startup: tuple[str, ...]
    arguments: tuple[str, ...]
    targets: tuple[str, ...]
    binary: str  # below bazel-bin
    overrides: tuple[OverriddenRepository, ...]
    archives: tuple[str, ...]  # pins that Bazel finds by their hash, instead of downloading them
    environment: tuple[tuple[str, str], ...]
    network: bool  # whether the compile needs it: a remote cache or executor
    way: WayTaken
    needs: Estimates
    version_pattern: str
    server_args: tuple[str, ...]
    server_files: tuple[TextFile, ...]
    model: ModelFolder | None
