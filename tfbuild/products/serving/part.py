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
    way: WayTaken
    needs: Estimates
    version_pattern: str
    smoke_models: tuple[str, ...]
    smoke_services: tuple[str, ...]
    server_args: tuple[str, ...]
    server_files: tuple[TextFile, ...]
    model: ModelFolder | None


@dataclass(frozen=True)
class LinkedWheel:
    """The wheel whose libraries are linked with; ``libraries`` are what they need of it besides."""

    filename: str
    git_version: str
    compiler: str
    libraries: tuple[str, ...]


@dataclass(frozen=True)
class ServerSources:
    """What is compiled: paths in Serving's source, and in TensorFlow's where the name says so."""

    target: str
    sources: tuple[str, ...]
    protos: tuple[str, ...]
    services: tuple[str, ...]
    tensorflow_sources: tuple[str, ...]
    tensorflow_protos: tuple[str, ...]
    tensorflow_services: tuple[str, ...]
    archives: tuple[str, ...]  # static libraries of the builder, as patterns
    whole_archives: tuple[str, ...]  # likewise; each of their objects is linked
    isolated: tuple[str, ...]  # a namespace, and the archives in which it gets another name
    listed_in: str  # the release's list, and what else it has to be compared with in the source
    external: tuple[str, ...]


@dataclass(frozen=True)
class TensorFlowTree:
    """What is extracted of TensorFlow's archive, the pin ``pin``."""

    pin: str
    sha256: str
    strip_prefix: str
    subtrees: tuple[str, ...]


@dataclass(frozen=True)
class FurtherTree:
    """What is extracted of another project's archive, the pin ``pin``, and what of it is compiled."""

    pin: str
    sha256: str
    strip_prefix: str
    subtrees: tuple[str, ...]
    include: str  # the folder that headers are named from; empty: the top
    sources: tuple[str, ...]
    services: tuple[str, ...]
    license_file: str


@dataclass(frozen=True)
class ProtocTool:
    """The protoc out of a wheel, the pin ``pin``."""

    pin: str
    sha256: str
    member: str


@dataclass(frozen=True)
class LeftOut:
    """A part of the server that was asked to be left out, and what it then cannot do."""

    name: str
    text: str
    sources: tuple[str, ...]


@dataclass(frozen=True)
class OperatorLibraries:
    """A file with libraries of operators: itself one, or a wheel with ``members``."""

    path: str
    sha256: str
    members: tuple[str, ...]
    origin: str

    @property
    def file_name(self) -> str:
        """The name of the file itself."""
        return self.path.rpartition("/")[2]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the libraries' files."""
        return tuple(each.rpartition("/")[2] for each in self.members or (self.path,))


@dataclass(frozen=True)
class WheelServerPart:
    """TensorFlow Serving's source, linked with the libraries of a wheel."""

    product: Literal["serving"]
    tensorflow: TensorFlow
    tree: TensorFlowTree
    wheel: LinkedWheel
    compiler: CompilerTool
    packages: tuple[str, ...]  # for the target, besides the pinned ones
    protobuf: str
    protoc: ProtocTool | None
    further: tuple[FurtherTree, ...]
    sources: ServerSources
    without: tuple[LeftOut, ...]
    operators: tuple[OperatorLibraries, ...]
    cmake_cache: tuple[tuple[str, str], ...]
    needs: Estimates
    version_pattern: str
    smoke_models: tuple[str, ...]
    smoke_services: tuple[str, ...]
    server_args: tuple[str, ...]
    server_files: tuple[TextFile, ...]
    model: ModelFolder | None

    @property
    def left_out_sources(self) -> frozenset[str]:
        """Sources of Serving's that are in its list, and not compiled."""
        return frozenset(path for each in self.without for path in each.sources)


# What both have: how the server starts and what it says of itself.
ServerPart = ServingPart | WheelServerPart
