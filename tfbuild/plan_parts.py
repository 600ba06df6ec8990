"""What the plan of one product has besides what every plan has. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tfbuild.dependency import Declared, Dependency
from tfbuild.saved_model import ModelFolder
from tfbuild.server_files import TextFile
from tfbuild.smoke import SmokeCase
from tfbuild.smoke_operators import OperatorCase


@dataclass(frozen=True)
class PythonPart:
    """The Python flavour: for which Python. The plan's runtime root has its headers, its files and numpy."""

    version: str  # 3.13
    package: str  # what a program imports


@dataclass(frozen=True)
class TflitePart:
    """TFLite, through CMake."""

    product: Literal["tflite"]
    cmake_cache: tuple[tuple[str, str], ...]
    xnnpack: bool
    smoke: tuple[SmokeCase, ...]
    operators: tuple[OperatorCase, ...]
    dependencies: tuple[Dependency, ...]
    host_tools: tuple[str, ...]  # flatc: compiled from the dependencies for the machine that builds
    python: PythonPart | None = None
    entries: tuple[str, ...] = ()  # names in cmake_cache that the configuration asked for itself
    # What the source has to declare, and what the release file pins to something else: of a lock that was not
    # read from the source, to be compared before the compile.
    unconfirmed: tuple[Declared, ...] = ()
    repinned: tuple[str, ...] = ()


@dataclass(frozen=True)
class WheelPart:
    """TFLite from an official wheel (a file) for the Python of ``suite``; programs import ``package``."""

    product: Literal["tflite"]
    python: str
    suite: str
    package: str
    wheel: str
    xnnpack: tuple[str, ...]  # models that it must take over: float32, int8
    smoke: tuple[SmokeCase, ...]
    operators: tuple[OperatorCase, ...]


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


# A build that takes longer than this should not come as a surprise.
_LONG_H = 1.0


@dataclass(frozen=True)
class Estimates:
    """What a build from nothing takes: GiB, and hours of one CPU."""

    download_gib: int
    disk_gib: int
    memory_gib: int
    cpu_hours: int

    @property
    def disk(self) -> int:
        """Bytes."""
        return self.disk_gib << 30

    def doubts(self, memory: int, cpus: int) -> tuple[str, ...]:
        """What is to be told of an engine with ``memory`` bytes and ``cpus`` before hours go into it.

        Not errors: with few jobs at a time a build goes on where the estimate, made from reports, says no.
        """
        found = []
        if memory < self.memory_gib << 30:
            found.append(
                f"the engine has {memory / (1 << 30):.1f} GiB of memory, {self.memory_gib} are reckoned: "
                "if the compiler is killed, --jobs 1"
            )
        hours = self.cpu_hours / max(1, cpus)
        if hours > _LONG_H:
            found.append(f"about {hours:.0f} hours on the {cpus} CPUs of the engine")
        return tuple(found)


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


@dataclass(frozen=True)
class AppFolder:
    """A user's program; ``tree`` is the git tree id of its files, so of every byte."""

    path: str
    name: str
    tree: str
    requirements: tuple[str, ...]


@dataclass(frozen=True)
class KerasModel:
    """A model to put into the image as ``/models/NAME``; ``id`` is the git id of the file or folder."""

    path: str
    name: str
    kind: Literal["keras", "h5", "saved_model"]
    id: str


@dataclass(frozen=True)
class KerasPart:
    """TensorFlow and Keras, from wheels."""

    product: Literal["keras"]
    variant: str
    python: str
    versions: tuple[tuple[str, str], ...]  # of what the smoke test asks for: distribution, version
    wheels: tuple[str, ...]  # names of pins, in the order of installing
    app_wheels: tuple[str, ...]  # the same, of what only the application needs
    requirements: tuple[str, ...]  # lines of requirements.txt, with hashes
    left_out: tuple[str, ...]  # groups of dockerfiles/keras/leave-out
    app: AppFolder | None
    model: KerasModel | None
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]
    healthcheck: tuple[str, ...]


Part: TypeAlias = TflitePart | WheelPart | ServingPart | KerasPart
