"""What can be found wrong with a TensorFlow image: each finding, its cause and its fix. No decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tfbuild.base.text import TextEnum


class Weight(TextEnum):
    """``error``: will fail, or will not do what the image is for; ``warning``: works, with a risk."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """One finding; ``threads`` are public discussions of the same fault."""

    id: str
    severity: Weight
    title: str
    evidence: tuple[str, ...]
    cause: str
    fix: str
    threads: tuple[str, ...] = ()

    def with_evidence(self, *lines: str) -> Diagnosis:
        """The same finding with further evidence."""
        new = tuple(line for line in dict.fromkeys(lines) if line not in self.evidence)
        return replace(self, evidence=(*self.evidence, *new))


@dataclass(frozen=True)
class Explanation:
    """What is always the same about a finding."""

    title: str
    cause: str
    fix: str
    when: str  # it is reported, and when it is an error


CATALOG: Mapping[str, Explanation] = {
    "image-without-tensorflow": Explanation(
        "no TensorFlow, TFLite or model server found in this image",
        "none of its Python packages, libraries and programs is TensorFlow, TFLite or a model server: "
        "nothing of what is diagnosed here is in it",
        "check the image's name and tag; in a build with several stages, check what the last one copies",
        "no package, library or program of TensorFlow or TFLite and no model server is in the image",
    ),
    "gpu-missing": Explanation(
        "a CUDA build on a machine without a GPU",
        "the TensorFlow in this image is built for CUDA, and the machine has no NVIDIA GPU",
        "run it on a machine with a GPU, or use a CPU build (tensorflow-cpu; the image without -gpu)",
        "the image has a CUDA build, and the machine no NVIDIA GPU; an error where it needs libcuda.so.1 "
        "to start or asks for CUDA (`NVIDIA_REQUIRE_CUDA`), else it runs on the CPU",
    ),
    "gpu-driver-missing": Explanation(
        "there is a GPU but no NVIDIA driver",
        "libcuda.so.1 belongs to the driver and comes from the host, never from the image",
        "install the NVIDIA driver and the NVIDIA container toolkit on the host, start with --gpus all",
        "the machine has a GPU and no driver",
    ),
    "gpu-driver-old": Explanation(
        "the NVIDIA driver is too old for the image's CUDA",
        "a CUDA major release runs only on drivers from a given one on",
        "update the host's driver, or use an image whose CUDA the driver knows",
        "the driver does not run the image's CUDA release (13: 580, 12: 525, 11: 450)",
    ),
    "gpu-cudnn-missing": Explanation(
        "cuDNN is missing",
        "TensorFlow loads cuDNN when it first uses the GPU; without it no GPU is used, or the first "
        "convolution fails",
        "install the cuDNN that TensorFlow was built with: pip install 'tensorflow[and-cuda]'",
        "TensorFlow's build information names a cuDNN that is not in the image",
    ),
    "gpu-cudnn-major": Explanation(
        "cuDNN of another major version than TensorFlow was built with",
        "cuDNN's major versions have different library names and interfaces",
        "install the major version that TensorFlow was built with, and remove the other",
        "TensorFlow's build information names a cuDNN of another major version than the image has",
    ),
    "gpu-runtime-variables": Explanation(
        "the image does not ask the NVIDIA runtime for the GPU",
        "the NVIDIA runtime reads NVIDIA_VISIBLE_DEVICES and NVIDIA_DRIVER_CAPABILITIES to decide which "
        "devices and which driver libraries it puts into the container",
        "ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility",
        "`NVIDIA_VISIBLE_DEVICES` or `NVIDIA_DRIVER_CAPABILITIES` is not set; an error where they turn "
        "the GPU off",
    ),
    "library-missing": Explanation(
        "a needed library is missing",
        "the dynamic loader finds the library in none of the directories that it searches in this image",
        "install the package that has the library, or copy it in together with its own needs",
        "the loader does not find a library that is needed",
    ),
    "library-optional": Explanation(
        "an optional library cannot be loaded",
        "only a plug-in that is loaded on demand needs it, or what was run works without it",
        "nothing, unless you use what the plug-in is for; then install the library that it names",
        "a plug-in that is loaded on demand lacks a library, or what was run works without it; a warning",
    ),
    "library-foreign": Explanation(
        "a needed library comes from another distribution",
        "the file lies in a system directory, but no installed package of this distribution brought it: it "
        "was copied in, and its other half (glibc, its configuration) was not",
        "remove the copy and install the distribution's own package",
        "no package of the image's distribution (dpkg) owns a needed library in a system folder",
    ),
    "library-shadowed": Explanation(
        "an older copy of a library is found before the system's",
        "the loader takes the first copy in its search order, and this one is older than the one behind it",
        "remove the older copy, or the directory of it from LD_LIBRARY_PATH",
        "an older copy is found before the system's, for instance through `LD_LIBRARY_PATH`",
    ),
    "library-openmp-twice": Explanation(
        "two OpenMP runtimes in one process",
        "each runtime keeps its own threads; together they take more CPUs than there are, and Intel's and "
        "LLVM's runtime abort when they meet",
        "keep one of them: install packages that use the same runtime",
        "the image has more than one of libgomp, libiomp5 and libomp; an error for the last two together",
    ),
    "library-symbol-version": Explanation(
        "a library in the image is too old for a binary",
        "the binary was linked against a newer version of the library than the image has",
        "use a newer base image, or a build for an older distribution",
        "a library is there but too old: `GLIBC_2.33 not found`",
    ),
    "library-musl": Explanation(
        "a glibc binary in a musl image",
        "the image's C library is musl (Alpine); TensorFlow's binaries are linked against glibc, and musl "
        "lacks functions that they call",
        "use an image with glibc (Debian, Ubuntu, UBI); compatibility packages do not suffice",
        "the image has glibc binaries, and its C library is musl",
    ),
    "cpu-instructions": Explanation(
        "instructions that this CPU does not have",
        "the code was compiled for a newer CPU; the first such instruction ends the process (SIGILL)",
        "use a build for an older CPU, or run it on a CPU that has these instructions (in a virtual machine: "
        "pass the host's CPU through)",
        "the code needs instructions that the CPU lacks; measured from the common code of TensorFlow's "
        "libraries (as `verify` does), recorded by the linker, known of the official wheels, or seen as a "
        "SIGILL",
    ),
    "cpu-architecture": Explanation(
        "an image for another architecture",
        "the machine cannot execute the image's programs itself",
        "use an image for this machine's architecture: docker pull --platform",
        "the image is for another architecture; a warning where binfmt_misc emulates it",
    ),
    "python-requirements": Explanation(
        "Python packages that do not go together",
        "an installed package demands a version of another one that is not the installed one",
        "install what the packages ask for, in one pip call so that pip sees all demands",
        "a package demands a version of another one (its METADATA) that is not the installed one; an "
        "error for TensorFlow, Keras, numpy, protobuf, h5py, grpcio, ml-dtypes",
    ),
    "python-module-missing": Explanation(
        "a Python module is missing",
        "the module is in none of the folders that this Python searches",
        "install the package that has the module when the image is built; often it has the same name",
        "TensorFlow or the image's command imports a module that is not there: file, line, and the "
        "package that brings it",
    ),
    "python-tensorflow-twice": Explanation(
        "two TensorFlows are installed",
        "the packages write the same files; what is imported is a mixture, or the one that comes first",
        "uninstall all of them, then install one",
        "two distributions bring the package tensorflow",
    ),
    "python-keras2": Explanation(
        "standalone Keras 2 under TensorFlow 2.16 or newer",
        "from 2.16 on tf.keras is Keras 3; the package keras 2 takes its place and fails",
        "pip install 'keras>=3'; for code that needs Keras 2: pip install tf-keras and TF_USE_LEGACY_KERAS=1",
        "keras 2 is installed beside TensorFlow 2.16 or newer",
    ),
    "python-model-newer": Explanation(
        "a model made by a newer version than the one installed",
        "TensorFlow and Keras load models of older versions, not of newer ones",
        "install the version that made the model, or save the model again with the installed one",
        "a SavedModel, .h5 or .keras in the image was made by a newer version than the one installed; an "
        "error across major versions",
    ),
    "operation-install-at-start": Explanation(
        "packages are installed when the container starts",
        "the result depends on the day and on the network; without network the container does not start",
        "install them when the image is built, with pinned versions",
        "the command, or a script that it starts, runs pip, conda or apt",
    ),
    "operation-floating-tag": Explanation(
        "a name that means another image tomorrow",
        "a tag such as latest can be moved to another image at any time, and no tag means latest",
        "name the version and the digest: image:2.20.0@sha256:...",
        "the image, or the base that its labels name, is called latest (or nothing)",
    ),
    "operation-root": Explanation(
        "the container runs as root",
        "no USER is set; whoever takes over the process is root in the container",
        "USER with a number in the Dockerfile, or docker run --user",
        "the image has no USER",
    ),
    "operation-user-missing": Explanation(
        "the user of the image does not exist in it",
        "an engine looks the name in USER up in the image's own /etc/passwd and /etc/group, and starts "
        "nothing when it is not there",
        "add the user in the stage that is shipped (RUN useradd), or name it by number: USER 65532",
        "USER names a user or a group that /etc/passwd or /etc/group of the image lacks: nothing starts",
    ),
    "operation-shm": Explanation(
        "the shared memory (/dev/shm) is too small",
        "NCCL and data loaders exchange data between processes through /dev/shm; the engine's default of "
        "64 MiB is too small for that",
        "docker run --shm-size=1g (Kubernetes: an emptyDir with medium: Memory at /dev/shm)",
        "the image has NCCL, horovod, mpi4py or torch, and a container less than 1 GiB of /dev/shm",
    ),
    "operation-peers-differ": Explanation(
        "nodes on the host network run different images",
        "the workers of one cluster talk TensorFlow's own protocol, which has no promise across versions",
        "deploy the same digest to all nodes",
        "nodes on the host network run other images",
    ),
    "operation-kernel": Explanation(
        "the kernel is older than the image's glibc needs",
        "glibc refuses to start on kernels older than the one that it was configured for",
        "update the host's kernel, or use an image with an older distribution",
        "the kernel is older than glibc's ABI note demands",
    ),
    "operation-seccomp": Explanation(
        "the engine forbids a system call that glibc needs",
        "engines before Docker 20.10.10 answer clone3 (glibc 2.34 and newer) with EPERM instead of ENOSYS: "
        "no thread can be started",
        "update the engine; until then: docker run --security-opt seccomp=unconfined",
        "no thread can be started: an engine before 20.10.10 forbids clone3 (seen when run)",
    ),
    "operation-clock": Explanation(
        "the clock is wrong",
        "the machine's clock is behind the time at which the image was made; certificates are not valid yet, "
        "and archives such as .keras refuse dates before 1980",
        "set the clock (NTP) before the container starts",
        "the clock is behind the image's creation; an error before 1980",
    ),
    "operation-locale": Explanation(
        "the locale that is set does not exist in the image",
        "LANG or LC_ALL names a locale that the image lacks: locale.setlocale fails, and text may be read as "
        "ASCII",
        "ENV LANG=C.UTF-8 (in Debian's libc-bin), or install the locale: apt-get install locales-all",
        "LC_ALL, LC_CTYPE or LANG names a locale that the image lacks",
    ),
    "run-timeout": Explanation(
        "the run did not end in time",
        "the program was still busy when its time was over",
        "give it more time or CPUs; on an emulated architecture this is expected",
        "a run ended so, and nothing else explains it",
    ),
    "run-out-of-memory": Explanation(
        "the run was killed because memory ran out",
        "the kernel ended the process: the machine's memory or the container's limit is too small",
        "raise the limit (docker run --memory), or run fewer workers",
        "a run ended so, and nothing else explains it",
    ),
    "run-crash": Explanation(
        "the program crashed",
        "the process was ended by a signal before it could say anything",
        "look at the quoted lines; run it with PYTHONFAULTHANDLER=1 or under gdb",
        "a run ended so, and nothing else explains it",
    ),
    "run-not-started": Explanation(
        "the program could not be started",
        "the engine could not execute the file: it, its interpreter or its loader is not in the image, or "
        "not executable",
        "look at the quoted line; the first word of ENTRYPOINT must exist in the image",
        "a run ended so, and nothing else explains it",
    ),
    "run-restricted": Explanation(
        "the program needs something that this run does not provide",
        "the run has no network, no capabilities and a root that cannot be written",
        "run it where it has what it needs, and look at what it prints there",
        "the command needs the network or a writable root, which the run does not give it; a warning",
    ),
    "run-unknown-error": Explanation(
        "an error that is not in the table of known ones",
        "see the quoted lines",
        "the last quoted line is the one to search for",
        "a run failed and printed nothing known; its lines are quoted",
    ),
}


def diagnosis(
    id: str,
    severity: Weight,
    *evidence: str,
    title: str | None = None,
    fix: str | None = None,
    cause: str | None = None,
    threads: tuple[str, ...] = (),
) -> Diagnosis:
    """The finding ``id`` with what is special about this case; everything else is from the catalog."""
    usual = CATALOG[id]
    return Diagnosis(
        id=id,
        severity=severity,
        title=title or usual.title,
        evidence=evidence,
        cause=cause or usual.cause,
        fix=fix or usual.fix,
        threads=threads,
    )
