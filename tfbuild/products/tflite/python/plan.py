"""What a plan has besides when TFLite is built for Python: a root with headers and files, and flags. Pure."""

from __future__ import annotations

from tfbuild.base.arch import Arch
from tfbuild.base.errors import NothingMatchesError
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.assemble import roots_of
from tfbuild.plan.flags import BUILT_IN, Flag, Target
from tfbuild.plan.plan import Resolved
from tfbuild.plan.roots import Root, unpacked
from tfbuild.products.tflite.part import PythonPart
from tfbuild.products.tflite.release import UpstreamRelease
from tfbuild.releases.keys import Release, debian_of

FLAVOUR = "runtime.flavour"
# Upstream's packages, and the module of each: PYBIND11_MODULE in python/interpreter_wrapper.
TFLITE_PACKAGE = "tflite_runtime"
_MODULES = {
    TFLITE_PACKAGE: "_pywrap_tensorflow_interpreter_wrapper",
    "ai_edge_litert": "_pywrap_litert_interpreter_wrapper",
}
STEPS = ("fetch", "root", "builder", "compile", "wheel", "image", "verify", "dist")
# Upstream's setup.py wants the first: tensorflow/lite/tools/pip_package/setup_with_binary.py
TOOLS = ("python3-setuptools", "patchelf")


def python_part(config: ResolvedConfig, release: Release) -> PythonPart | None:
    """None for another flavour. Raises :class:`NothingMatchesError` where the release has none for Python."""
    if config.values.runtime.flavour != "python":
        return None
    python = debian.python if (debian := debian_of(release)) else None
    if python is None:
        raise NothingMatchesError(
            f"{release.product} {release.release} cannot be built for Python",
            details=(f"{FLAVOUR} is python at {config.origins.get(FLAVOUR, BUILT_IN)}",),
            hint="its release file has no debian.python; --release 2.14.1-debian has one",
        )
    package = (isinstance(release, UpstreamRelease) and release.upstream.published_as) or TFLITE_PACKAGE
    return PythonPart(python.version, package, _MODULES[package])


def python_roots(found: Resolved[Release]) -> tuple[Root, Root]:
    """The builder's root, and the one of the target with Python, numpy and their headers, only unpacked."""
    builder, _ = roots_of(found)
    debian = debian_of(found.release)
    packages = debian.python.packages if debian and debian.python else ()
    return builder, unpacked(builder, found.request.arch, packages, found.circumstances.recorder)


def python_flags(python: PythonPart, arch: Arch, config: ResolvedConfig) -> tuple[Flag, ...]:
    """CMake entries of ``superproject/CMakeLists.txt``; the root lies at /python in the builder."""
    origin = str(config.origins.get(FLAVOUR, BUILT_IN))
    folders = (
        "/python/usr/include",
        f"/python/usr/include/python{python.version}",
        f"/python/usr/lib/{arch.platform.multiarch}/python3-numpy/numpy/_core/include",
    )
    return (
        Flag(Target.CMAKE, f"TFBUILD_PYTHON={python.version}", origin, "upstream's module, for this Python"),
        Flag(Target.CMAKE, f"TFBUILD_PYTHON_INCLUDES={';'.join(folders)}", origin),
        Flag(Target.CMAKE, f"TFBUILD_PYTHON_MODULE={python.module}", origin),
    )
