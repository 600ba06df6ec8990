"""Small images with exactly one fault each, and machines to judge them for."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.support.images import Image, Member, program, symlink
from tfbuild.base.arch import Arch
from tfbuild.base.project import PROJECT
from tfbuild.config.cpus import load_cpus
from tfbuild.diagnose.host import Gpu, Peer, TargetHost

LIBRARIES = Path(__file__).resolve().parents[1] / "data" / "diagnose" / "lib"
ELF = Path(__file__).resolve().parents[1] / "data" / "elf"
SITE = "usr/local/lib/python3.11/site-packages"
SYSTEM = "usr/lib/x86_64-linux-gnu"
REPOSITORY = "tfbuild-diagnose-test/image"

AMD64 = TargetHost(
    name="node-1",
    kernel="6.12.0-1-amd64",
    arch=Arch.AMD64,
    cpu_flags=("avx", "avx2", "fma", "sse4_2"),
    cpu_level=3,
    cpus=8,
    memory=32 << 30,
    cgroup_memory_limit=None,
    gpus=(),
    nvidia_driver=None,
    glibc="2.41",
    emulated=(),
    shm_size=64 << 20,
    clock=datetime(2026, 11, 1, tzinfo=timezone.utc),
)
GPU = replace(AMD64, gpus=(Gpu(address="0000:65:00.0", name="NVIDIA L4"),), nvidia_driver="570.86.15")


def library(name: str) -> bytes:
    return (LIBRARIES / name).read_bytes()


def distribution(name: str, version: str, *requires: str, site: str = SITE) -> Member:
    """The METADATA of an installed package."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {each}" for each in requires]
    folder = f"{name.replace('-', '_')}-{version}.dist-info"
    return Member(f"{site}/{folder}/METADATA", ("\n".join(lines) + "\n\n").encode())


def build_info(**values: Any) -> Member:
    """The module that a TensorFlow build writes about itself."""
    pairs = list(values.items())
    text = f"import collections\n\nbuild_info = collections.OrderedDict({pairs!r})\n"
    return Member(f"{SITE}/tensorflow/python/platform/build_info.py", text.encode())


def saved_model(version: str) -> bytes:
    """A SavedModel with nothing but the version that made it."""
    info = bytes([0x2A, len(version)]) + version.encode()
    graph = bytes([0x0A, len(info)]) + info
    return bytes([0x08, 0x01, 0x12, len(graph)]) + graph


def keras_file(version: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
    return buffer.getvalue()


def owned(package: str, *paths: str) -> Member:
    """dpkg's list of a package's files."""
    return Member(f"var/lib/dpkg/info/{package}.list", "".join(f"/{p}\n" for p in paths).encode())


TENSORFLOW = ("keras>=3.5.0", "numpy<2.2.0,>=1.26.0", "protobuf<6,>=3.20.3")
CLEAN: Mapping[str, Member] = {
    member.name: member
    for member in (
        program(f"{SITE}/tensorflow/python/_pywrap_tensorflow_internal.so", library("tensorflow.so")),
        Member(f"{SITE}/tensorflow/__init__.py", b"__version__ = '2.18.0'\n"),
        build_info(is_cuda_build=False, is_rocm_build=False),
        distribution("tensorflow", "2.18.0", *TENSORFLOW, "windows-only; sys_platform == 'win32'"),
        distribution("keras", "3.8.0", "numpy"),
        distribution("numpy", "2.0.2"),
        distribution("protobuf", "5.29.3"),
        program(f"{SYSTEM}/libc.so.6", (ELF / "x86_64" / "libc.so.6").read_bytes()),
        program(f"{SYSTEM}/libstdc++.so.6", library("libstdc++-new.so")),
        owned("libc6:amd64", f"{SYSTEM}/libc.so.6"),
        owned("libstdc++6:amd64", f"{SYSTEM}/libstdc++.so.6"),
        Member("usr/lib/locale/C.utf8/LC_CTYPE", b"locale"),
    )
}
SETTINGS: Mapping[str, Any] = {
    "User": "65532",
    "Cmd": ["/usr/local/bin/serve"],
    "Env": ["PATH=/usr/local/bin:/usr/bin", "LANG=C.UTF-8"],
}


@dataclass(frozen=True)
class Case:
    """The clean image with a change, on a machine. ``finding`` is the one id that must come of it."""

    finding: str | None
    add: tuple[Member, ...] = ()
    drop: Callable[[str], bool] = lambda name: False
    settings: Mapping[str, Any] = field(default_factory=dict)
    env: tuple[str, ...] = ()
    host: TargetHost = AMD64
    severity: str = "error"
    says: str = ""  # a part of the evidence, title or fix
    tag: str = "1.0"
    architecture: str = "amd64"
    created: str = "2026-01-15T00:00:00Z"

    def image(self) -> Image:
        members = {name: m for name, m in CLEAN.items() if not self.drop(name)}
        members |= {m.name: m for m in self.add}
        settings = {**SETTINGS, **self.settings}
        settings["Env"] = [*SETTINGS["Env"], *self.env]
        return Image([list(members.values())], settings, architecture=self.architecture, created=self.created)


def without(*parts: str) -> Callable[[str], bool]:
    return lambda name: any(part in name for part in parts)


CUDA = build_info(is_cuda_build=True, cuda_version="12.5.1", cudnn_version="9", cpu_compiler="clang")
CUDNN = program(f"{SITE}/nvidia/cudnn/lib/libcudnn.so.9", library("libcudnn.so.9"))
RUNTIME = ("NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility")
SERVER = program("usr/bin/tensorflow_model_server", library("tensorflow-cuda.so"))
CUDART = program(f"{SYSTEM}/libcudart.so.12", library("libcudart.so.12"))
SYSTEM_CUDNN = program(f"{SYSTEM}/libcudnn.so.9", library("libcudnn.so.9"))
OWNED_CUDA = owned("cuda", f"{SYSTEM}/libcudart.so.12", f"{SYSTEM}/libcudnn.so.9")
MUSL = program("lib/ld-musl-x86_64.so.1", (ELF / "x86_64" / "static").read_bytes())
ENTRY = ["/usr/local/bin/entry.sh"]


def script(text: str) -> Member:
    return program("usr/local/bin/entry.sh", f"#!/bin/sh\n{text}\n".encode())


CASES: Mapping[str, Case] = {
    "clean": Case(None),
    "clean on a GPU": Case(None, add=(CUDA, CUDNN), env=RUNTIME, host=GPU),
    "no TensorFlow at all": Case(
        "image-without-tensorflow",
        add=(Member("usr/share/nginx/html/index.html", b"<p>hello"),),
        drop=without("-packages/"),
        settings={"Cmd": ["/usr/sbin/nginx"]},
        says="the image starts: /usr/sbin/nginx",
    ),
    "TensorFlow inside a program": Case(
        None,
        add=(program("usr/local/bin/serve", b"\x7fELF tensorflow/lite/kernels/add.cc"),),
        drop=without("-packages/"),
    ),
    # GPU
    "CUDA wheel, no GPU": Case("gpu-missing", add=(CUDA,), severity="warning", says="runs on the CPU only"),
    "CUDA server, no GPU": Case(
        "gpu-missing", add=(SERVER, CUDART, SYSTEM_CUDNN, OWNED_CUDA), says="needs libcuda.so.1 to start"
    ),
    "no driver": Case(
        "gpu-driver-missing", add=(CUDA, CUDNN), env=RUNTIME, host=replace(GPU, nvidia_driver=None)
    ),
    "old driver": Case(
        "gpu-driver-old",
        add=(CUDA, CUDNN),
        env=RUNTIME,
        host=replace(GPU, nvidia_driver="470.256.02"),
        says="CUDA 12.5.1 needs 525 or newer",
    ),
    "no cuDNN": Case("gpu-cudnn-missing", add=(CUDA,), env=RUNTIME, host=GPU, says="no libcudnn.so.9"),
    "cuDNN 8": Case(
        "gpu-cudnn-major",
        add=(CUDA, program(f"{SITE}/nvidia/cudnn/lib/libcudnn.so.8", library("libcudnn.so.9"))),
        env=RUNTIME,
        host=GPU,
        says="libcudnn.so.8",
    ),
    "no runtime variables": Case(
        "gpu-runtime-variables", add=(CUDA, CUDNN), host=GPU, severity="warning", says="is not set"
    ),
    "GPU turned off": Case(
        "gpu-runtime-variables",
        add=(CUDA, CUDNN),
        env=(RUNTIME[0], "NVIDIA_DRIVER_CAPABILITIES=video"),
        host=GPU,
        says="turns the GPU off",
    ),
    # Libraries
    "missing library": Case("library-missing", drop=without("libstdc++"), says="needs libstdc++.so.6"),
    "a plug-in's missing library": Case(
        "library-optional",
        add=(
            program(f"{SITE}/tensorflow_io/python/ops/libtensorflow_io_ffmpeg_2.8.so", library("plug-in.so")),
        ),
        severity="warning",
        says="libtensorflow_io_ffmpeg_2.8.so needs libavcodec-ffmpeg.so.56",
    ),
    "a missing library of a plug-in that TensorFlow loads itself": Case(
        "library-missing",
        add=(program(f"{SITE}/tensorflow-plugins/libpluggable.so", library("plug-in.so")),),
        says="libpluggable.so needs libavcodec-ffmpeg.so.56",
    ),
    "foreign library": Case(
        "library-foreign", drop=without("info/libstdc++6"), severity="warning", says="libstdc++.so.6 belongs"
    ),
    "shadowed libstdc++": Case(
        "library-shadowed",
        add=(program("opt/conda/lib/libstdc++.so.6", library("libstdc++-old.so")),),
        env=("LD_LIBRARY_PATH=/opt/conda/lib",),
        says="taken: /opt/conda/lib/libstdc++.so.6 (3.4.29)",
    ),
    "OpenMP of GCC and of Intel": Case(
        "library-openmp-twice",
        add=(
            program(f"{SITE}/scikit_learn.libs/libgomp-a34b3233.so.1.0.0", library("libcudart.so.12")),
            program("usr/local/lib/libiomp5.so", library("libcudart.so.12")),
        ),
        severity="warning",
        says="libiomp5",
    ),
    "OpenMP of LLVM and of Intel": Case(
        "library-openmp-twice",
        add=(
            program("usr/local/lib/libomp.so.5", library("libcudart.so.12")),
            program("usr/local/lib/libiomp5.so", library("libcudart.so.12")),
        ),
    ),
    "old libstdc++": Case(
        "library-symbol-version",
        add=(program(f"{SYSTEM}/libstdc++.so.6", library("libstdc++-old.so")),),
        says="needs GLIBCXX_3.4.33",
    ),
    "musl": Case(
        "library-musl",
        add=(MUSL,),
        drop=without("libc.so.6", "dpkg"),
        says="needs libc.so.6",
    ),
    # CPU
    "no AVX": Case(
        "cpu-instructions",
        host=replace(AMD64, cpu_flags=("sse4_2",), cpu_level=2),
        says="this CPU lacks avx",
    ),
    "x86-64-v4 on v3": Case(
        "cpu-instructions",
        add=(
            program(f"{SITE}/tensorflow/python/_pywrap_tensorflow_internal.so", library("tensorflow-v4.so")),
        ),
        host=replace(
            AMD64,
            cpu_flags=tuple(load_cpus(PROJECT).x86_64_features(3)),
        ),
        says="AVX512F",
    ),
    "code for x86-64-v3 on v2": Case(
        "cpu-instructions",
        add=(program("usr/lib/libtensorflowlite.so", (ELF / "x86_64" / "isa-new.so").read_bytes()),),
        drop=without("-packages/"),
        host=replace(AMD64, cpu_flags=("sse4_2", "avx"), cpu_level=2),
        says="AVX (2), AVX2 (1), FMA (56); this CPU lacks avx2, fma",
    ),
    "code for x86-64-v2 with kernels that are chosen": Case(
        None,
        add=(program("usr/lib/libtensorflowlite.so", (ELF / "x86_64" / "isa-dispatch.so").read_bytes()),),
        drop=without("-packages/"),
        host=replace(AMD64, cpu_flags=("sse4_2",), cpu_level=2),
    ),
    "another architecture": Case(
        "cpu-architecture", host=replace(AMD64, arch=Arch.ARM64), says="no emulation is set up"
    ),
    "emulated architecture": Case(
        "cpu-architecture",
        host=replace(AMD64, arch=Arch.ARM64, emulated=(Arch.AMD64,)),
        severity="warning",
        says="qemu-x86_64",
    ),
    # Python
    "NumPy too new": Case(
        "python-requirements",
        add=(distribution("numpy", "2.3.0"),),
        drop=without("numpy-2.0.2"),
        says="tensorflow 2.18.0 needs numpy<2.2.0,>=1.26.0; installed: 2.3.0",
    ),
    "protobuf too new": Case(
        "python-requirements",
        add=(distribution("protobuf", "6.30.0"),),
        drop=without("protobuf-5"),
        says="protobuf<6,>=3.20.3",
    ),
    "no Keras": Case("python-requirements", drop=without("keras-3"), says="installed: none"),
    "two TensorFlows": Case(
        "python-tensorflow-twice",
        add=(distribution("tensorflow-cpu", "2.17.1", *TENSORFLOW),),
        says="pip uninstall -y tensorflow tensorflow-cpu",
    ),
    "Keras 2": Case(
        "python-keras2",
        add=(distribution("keras", "2.15.0"),),
        drop=without("keras-3"),
        says="keras 2.15.0",
    ),
    "SavedModel of a newer TensorFlow": Case(
        "python-model-newer",
        add=(Member("models/m/1/saved_model.pb", saved_model("2.20.0")),),
        severity="warning",
        says="made with tensorflow 2.20.0; installed: 2.18.0",
    ),
    "Keras 3 file under Keras 2": Case(
        "python-model-newer",
        add=(
            distribution("tensorflow", "2.15.1", "keras<2.16,>=2.15.0", "numpy<3"),
            distribution("keras", "2.15.0"),
            Member("models/m.keras", keras_file("3.8.0")),
        ),
        drop=without("keras-3", "tensorflow-2.18"),
        says="made with keras 3.8.0",
    ),
    "SavedModel of the same TensorFlow": Case(
        None, add=(Member("models/m/1/saved_model.pb", saved_model("2.18.1")),)
    ),
    # Operation
    "pip in CMD": Case(
        "operation-install-at-start",
        settings={"Cmd": ["/bin/sh", "-c", "pip install -r requirements.txt && python serve.py"]},
        severity="warning",
        says="CMD: /bin/sh -c pip install",
    ),
    "pip in the entrypoint's script": Case(
        "operation-install-at-start",
        add=(script("set -e\n# pip install nothing\npython3 -m pip install --quiet numpy\nexec serve"),),
        settings={"Entrypoint": ENTRY},
        severity="warning",
        says="/usr/local/bin/entry.sh:4",
    ),
    "an entrypoint's script without pip": Case(
        None,
        add=(script("echo to install packages: pip freeze\nexec serve"),),
        settings={"Entrypoint": ENTRY},
    ),
    "latest": Case("operation-floating-tag", tag="latest", severity="warning", says=":latest"),
    "floating base": Case(
        "operation-floating-tag",
        settings={"Labels": {"org.opencontainers.image.base.name": "example/tensorflow:latest-gpu"}},
        severity="warning",
        says="made from example/tensorflow:latest-gpu",
    ),
    "root": Case("operation-root", settings={"User": ""}, severity="warning", says="not set"),
    "no such user": Case(
        "operation-user-missing", settings={"User": "app"}, says="USER is app: not in /etc/passwd"
    ),
    "no such group": Case(
        "operation-user-missing",
        settings={"User": "65532:app"},
        add=(Member("etc/group", b"root:x:0:\nnoapp:x:5:\n"),),
        says="the group app is not in /etc/group",
    ),
    "a user and a group by name": Case(
        None,
        settings={"User": "app:app"},
        add=(Member("etc/passwd", b"app:x:7:7::/:\n"), Member("etc/group", b"app:x:7:\n")),
    ),
    "small shm": Case(
        "operation-shm",
        add=(program(f"{SITE}/nvidia/nccl/lib/libnccl.so.2", library("libcudart.so.12")),),
        severity="warning",
        says="64 MiB",
    ),
    "peers with another image": Case(
        "operation-peers-differ",
        host=replace(AMD64, peers=(Peer(name="node-2", image="example/other:2.17"),)),
        says="node-2 runs example/other:2.17",
    ),
    "old kernel": Case(
        "operation-kernel",
        add=(program(f"{SYSTEM}/libc.so.6", library("libc-linux-9.so")),),
        says="needs Linux 9.0.0",
    ),
    "clock": Case(
        "operation-clock",
        host=replace(AMD64, clock=datetime(1970, 1, 1, 0, 1, tzinfo=timezone.utc)),
        says="1970-01-01",
    ),
    "locale": Case(
        "operation-locale", env=("LC_ALL=de_DE.UTF-8",), severity="warning", says="LC_ALL=de_DE.UTF-8"
    ),
    "a locale that is there": Case(
        None, add=(Member("usr/lib/locale/de_DE.utf8/LC_CTYPE", b"x"),), env=("LC_ALL=de_DE.UTF-8",)
    ),
}


def speaking(
    said: str, act: str, *, server: bool = False, command: Sequence[str] = (), add: Sequence[Member] = ()
) -> Image:
    """An image whose Python (or model server) prints ``said`` and then does what ``act`` tells.

    It starts that program, or ``command``.
    """
    name = "usr/bin/tensorflow_model_server" if server else "usr/local/bin/python3.11"
    members = [program(name, library("speaker")), Member("said", said.encode()), Member("act", act.encode())]
    if not server:
        members += [
            Member(f"{SITE}/tensorflow/__init__.py", b""),
            distribution("tensorflow", "2.18.0"),
            symlink("usr/local/bin/python3", "python3.11"),
        ]
    settings = {
        "User": "65532",
        "Cmd": list(command) or [f"/{name}"],
        "Env": ["PATH=/usr/local/bin:/usr/bin"],
        "WorkingDir": "/app" if add else "",
    }
    return Image([[*members, *add]], settings, created="2026-01-15T00:00:00Z")
