"""Findings about GPUs, from facts of an image and of a machine. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tfbuild.artifacts.elf.facts import version_key
from tfbuild.diagnose.catalog import Diagnosis, Weight, diagnosis
from tfbuild.diagnose.facts import CudaBuild, DiagnoseFacts, Proof
from tfbuild.diagnose.host import TargetHost

# Oldest driver that runs anything of a CUDA major release, on Linux:
# https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html
# and, for CUDA 10, table 2 there.
_MINIMUM_DRIVER: tuple[tuple[str, str], ...] = (
    ("13", "580"),
    ("12", "525"),
    ("11", "450"),
    ("10.2", "440.33"),
    ("10.1", "418.39"),
    ("10.0", "410.48"),
)
_CUDNN_FILE = re.compile(r"/libcudnn\.so\.([0-9]+)(?:\.[0-9]+)*$")
_VISIBLE, _CAPABILITIES = "NVIDIA_VISIBLE_DEVICES", "NVIDIA_DRIVER_CAPABILITIES"


def gpu_findings(facts: DiagnoseFacts, host: TargetHost, proof: Proof) -> Iterator[Diagnosis]:
    """Only for images with a CUDA build in them."""
    if not facts.cuda:
        return
    yield from _host_has_gpu(facts, host, proof)
    if host.gpus or _needs_gpu(facts, proof):
        yield from _cudnn(facts)
    if host.gpus:
        yield from _runtime_variables(facts)


def _host_has_gpu(facts: DiagnoseFacts, host: TargetHost, proof: Proof) -> Iterator[Diagnosis]:
    builds = tuple(_shown(build) for build in facts.cuda)
    weight = Weight.ERROR if _needs_gpu(facts, proof) else Weight.WARNING
    if not host.gpus:
        title = None if weight is Weight.ERROR else "a CUDA build without a GPU: it runs on the CPU only"
        yield diagnosis("gpu-missing", weight, *builds, f"{host.name} has no NVIDIA GPU", title=title)
        return
    gpus = ", ".join(f"{gpu.name or 'NVIDIA GPU'} at {gpu.address}" for gpu in host.gpus)
    if host.nvidia_driver is None:
        yield diagnosis("gpu-driver-missing", Weight.ERROR, *builds, f"{host.name} has {gpus}, and no driver")
        return
    cuda = _newest((*(build.cuda for build in facts.cuda), facts.config.variable("CUDA_VERSION")))
    needed = minimum_driver(cuda) if cuda else None
    if cuda and needed and version_key(host.nvidia_driver) < version_key(needed):
        evidence = f"{host.name} has driver {host.nvidia_driver}; CUDA {cuda} needs {needed} or newer"
        yield diagnosis("gpu-driver-old", Weight.ERROR, *builds, evidence)


def minimum_driver(cuda: str) -> str | None:
    """The oldest driver for the CUDA release ``cuda`` ("12.5.1"), None for one that is not known."""
    return next((driver for release, driver in _MINIMUM_DRIVER if f"{cuda}.".startswith(f"{release}.")), None)


def _needs_gpu(facts: DiagnoseFacts, proof: Proof) -> bool:
    """Whether the image is of no use without a GPU: it needs the driver's library to start, or says so."""
    linked = any(build.linked and facts.is_required(build.path, proof) for build in facts.cuda)
    return linked or bool(facts.config.variable("NVIDIA_REQUIRE_CUDA"))


def _cudnn(facts: DiagnoseFacts) -> Iterator[Diagnosis]:
    files = {path: m[1] for path in facts.cuda_libraries if (m := _CUDNN_FILE.search(path))}
    for build in facts.cuda:
        if build.cudnn is None:
            continue
        major = build.cudnn.partition(".")[0]
        wanted = f"built with cuDNN {build.cudnn}: {build.path}"
        if not files:
            evidence = f"no libcudnn.so.{major} anywhere in the image"
            yield diagnosis("gpu-cudnn-missing", Weight.ERROR, wanted, evidence)
            return
        if major not in files.values():
            there = ", ".join(sorted(files))
            yield diagnosis("gpu-cudnn-major", Weight.ERROR, wanted, f"the image has {there}")
            return


def _runtime_variables(facts: DiagnoseFacts) -> Iterator[Diagnosis]:
    devices, wanted = facts.config.variable(_VISIBLE), facts.config.variable(_CAPABILITIES)
    off = [f"{_VISIBLE}={devices}"] if devices in {"none", "void", ""} else []
    if wanted and not {"compute", "all"} & set(wanted.split(",")):
        off.append(f"{_CAPABILITIES}={wanted}: libcuda.so.1 belongs to 'compute'")
    if off:
        yield diagnosis("gpu-runtime-variables", Weight.ERROR, *off, title="the image turns the GPU off")
        return
    unset = [
        f"{name} is not set" for name, value in ((_VISIBLE, devices), (_CAPABILITIES, wanted)) if not value
    ]
    if unset:
        yield diagnosis(
            "gpu-runtime-variables", Weight.WARNING, *unset, "docker run --gpus all does not need them"
        )


def _newest(versions: tuple[str | None, ...]) -> str | None:
    known = [v for v in versions if v and re.fullmatch(r"[0-9]+(\.[0-9]+)*", v)]
    return max(known, key=version_key, default=None)


def _shown(build: CudaBuild) -> str:
    parts = [f"CUDA {build.cuda}" if build.cuda else "", f"cuDNN {build.cudnn}" if build.cudnn else ""]
    needs = ["needs libcuda.so.1 to start"] if build.linked else []
    return f"{build.path}: {', '.join([p for p in parts if p] + needs) or 'built for CUDA'}"
