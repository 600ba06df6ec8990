"""What the plan of a TFLite build has besides what every plan has. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tfbuild.products.tflite.profile import Profile
from tfbuild.products.tflite.release import LITE
from tfbuild.products.tflite.selection.select import Selection
from tfbuild.products.tflite.smoke.cases import SmokeCase
from tfbuild.products.tflite.smoke.operators import OperatorCase
from tfbuild.releases.dependency import Declared, Dependency, PlacedFile


@dataclass(frozen=True)
class PythonPart:
    """The Python flavour: for which Python. The plan's runtime root has its headers, its files and numpy."""

    version: str  # 3.13
    package: str  # what a program imports
    module: str  # upstream's name for its compiled part, without .so: Python looks for PyInit_NAME in it


@dataclass(frozen=True)
class TensorflowPart:
    """The files of TensorFlow that a source outside of it opens, and which of them is the licence."""

    license_file: str
    files: tuple[PlacedFile, ...]


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
    folder: str = LITE  # where TFLite lies in the source
    litert: str | None = None  # where LiteRT's own C API lies in it, where libLiteRt.so is built
    tensorflow: TensorflowPart | None = None
    build_packages: tuple[str, ...] = ()  # of the suite, whose programs the build runs
    programs: tuple[str, ...] = ()  # of elsewhere: the names of their pins
    python: PythonPart | None = None
    entries: tuple[str, ...] = ()  # names in cmake_cache that the configuration asked for itself
    # What the source has to declare, and what the release file pins to something else: of a lock that was not
    # read from the source, to be compared before the compile.
    unconfirmed: tuple[Declared, ...] = ()
    repinned: tuple[str, ...] = ()
    profile: Profile | None = None  # what clang optimises by
    selection: Selection | None = None  # the operators that are linked; None: all

    @property
    def placed(self) -> Mapping[str, str]:
        """Where each single file lies in TensorFlow, by the name of its pin."""
        return {each.pin: each.path for each in self.tensorflow.files} if self.tensorflow else {}


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
