"""What is read from a TensorFlow image for a diagnosis, as values; the rules see nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tfbuild.artifacts.image.closure import Link, UnmetVersion
from tfbuild.artifacts.image.facts import ImageConfig

# Distributions that bring the package "tensorflow".
TENSORFLOWS = frozenset(
    {
        "intel-tensorflow",
        "intel-tensorflow-avx512",
        "tensorflow",
        "tensorflow-aarch64",
        "tensorflow-cpu",
        "tensorflow-cpu-aws",
        "tensorflow-gpu",
        "tensorflow-intel",
        "tensorflow-rocm",
        "tf-nightly",
        "tf-nightly-cpu",
        "tf-nightly-gpu",
    }
)
TFLITES = frozenset({"ai-edge-litert", "ai-edge-litert-nightly", "tflite-runtime", "tflite-runtime-nightly"})


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """An installed Python distribution, from its METADATA; ``name`` is in its normal form (PEP 503)."""

    name: str
    version: str
    folder: str  # the site-packages folder that it lies in
    requires: tuple[str, ...] = ()
    has_files: bool = True  # False for a package whose METADATA is all that the image has of it


@dataclass(frozen=True, kw_only=True)
class PythonEnvironment:
    """One Python and what it can import; ``folders`` in the order of sys.path."""

    version: str  # "3.11"
    interpreter: str | None
    folders: tuple[str, ...]
    distributions: tuple[Distribution, ...]

    def find(self, name: str) -> Distribution | None:
        """The distribution that an import takes: the one in the first folder."""
        mine = [d for d in self.distributions if d.name == name]
        return min(mine, key=lambda d: self.folders.index(d.folder)) if mine else None

    @property
    def tensorflow(self) -> Distribution | None:
        """The TensorFlow with files of its own; distributions that only name another one come last."""
        found = [d for d in self.distributions if d.name in TENSORFLOWS]
        return min(found, key=lambda d: (not d.has_files, self.folders.index(d.folder)), default=None)


@dataclass(frozen=True, kw_only=True)
class CudaBuild:
    """Something that is built for CUDA; versions as far as they can be read ("12.5.1", "9")."""

    path: str
    cuda: str | None
    cudnn: str | None
    linked: bool  # needs libcuda.so.1 to start at all


# What is run of an image, and what loads a library; the first three are names of runs, too.
TENSORFLOW_RUN = "TensorFlow"
SERVER_RUN = "model server"
COMMAND_RUN = "command"
IMPORTS_RUN = "command's imports"
PLUG_IN = "plug-in"  # only dlopen loads it, when something asks for it
LIBRARY = "library"  # a C library that lies in the image for programs


@dataclass(frozen=True, kw_only=True)
class Load:
    """All files that ``kind`` loads by DT_NEEDED, directly or not."""

    kind: str
    paths: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What the runs of the image showed: names of runs that worked, and files that were loaded in them."""

    worked: frozenset[str] = frozenset()
    absent: frozenset[str] = frozenset()  # modules that Python does not find
    loaded: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class LibraryCopies:
    """All files that answer to one library name; ``taken`` is the one that the loader takes."""

    name: str
    taken: str
    taken_version: str  # the highest GLIBCXX, GLIBC, ... version that it defines, or ""
    others: tuple[tuple[str, str], ...]  # path and version


@dataclass(frozen=True, kw_only=True)
class LibC:
    """The image's C library; ``minimum_kernel`` is from glibc's ABI note ("3.2.0")."""

    kind: Literal["glibc", "musl"]
    path: str
    version: str | None
    minimum_kernel: str | None


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A saved model and what made it."""

    path: str
    kind: Literal["saved_model", "h5", "keras"]
    maker: Literal["tensorflow", "keras"]
    version: str


@dataclass(frozen=True, kw_only=True)
class IsaNeed:
    """``path`` executes instructions of ``features`` (flag names of /proc/cpuinfo); ``reason`` says how
    that is known."""

    path: str
    features: tuple[str, ...]
    reason: str


@dataclass(frozen=True, kw_only=True)
class StartLine:
    """A line that runs when the container starts; ``place``: CMD, ENTRYPOINT, or a script and its line."""

    place: str
    text: str


@dataclass(frozen=True, kw_only=True)
class AppImport:
    """``place`` is the file and line of the import; ``late``: in a function or under a condition."""

    module: str
    place: str
    late: bool


@dataclass(frozen=True, kw_only=True)
class App:
    """The Python program that an image starts. ``imports`` are of modules outside its own ``folders``."""

    interpreter: str
    folders: tuple[str, ...]
    files: tuple[str, ...]
    imports: tuple[AppImport, ...]


@dataclass(frozen=True, kw_only=True)
class DiagnoseFacts:
    """Everything that was read from one image."""

    subject: str
    tags: tuple[str, ...]
    config: ImageConfig
    uid: int | None
    unknown_users: tuple[str, ...]  # what of USER the image does not know, a line each
    has_tensorflow: bool  # any sign of TensorFlow, TFLite or a model server
    environments: tuple[PythonEnvironment, ...]
    model_servers: tuple[str, ...]
    loads: tuple[Load, ...]
    machines: tuple[str, ...]  # ELF machines of TensorFlow's own files
    cuda: tuple[CudaBuild, ...]
    cuda_libraries: tuple[str, ...]  # paths of libcudart, libcudnn, libnccl
    missing: tuple[Link, ...]
    unmet: tuple[UnmetVersion, ...]
    copies: tuple[LibraryCopies, ...]
    unowned: tuple[str, ...]  # needed libraries in system folders that no package brought
    openmp: tuple[str, ...]  # paths of OpenMP runtimes
    libc: tuple[LibC, ...]
    isa: tuple[IsaNeed, ...]
    models: tuple[ModelFile, ...]
    start_lines: tuple[StartLine, ...]
    app: App | None
    locales: tuple[str, ...]
    unread: tuple[str, ...]  # what could not be read, with the reason

    @property
    def tensorflow_environments(self) -> tuple[PythonEnvironment, ...]:
        return tuple(e for e in self.environments if e.tensorflow is not None)

    def is_required(self, path: str, proof: Proof) -> bool:
        """Whether something fails when the file at ``path`` cannot be loaded, as far as that is known.

        A plug-in is tried, and passed over. What a run that worked has not loaded, or has loaded in spite of
        all, is not required; what belongs to a run that was not made, or failed, is.
        """
        kinds = {load.kind for load in self.loads if path in load.paths} - {PLUG_IN}
        if path in proof.loaded or kinds & proof.worked:
            return False
        return bool(kinds - {LIBRARY} if proof.worked else kinds)
