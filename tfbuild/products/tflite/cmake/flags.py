"""The flags and the cache entries of TFLite's CMake build; pure."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence

from tfbuild.base.arch import Arch
from tfbuild.base.values import Origin
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.flags import BUILT_IN, SOURCE_FOLDER, Flag, Target
from tfbuild.products.tflite.keys import TfliteKeys
from tfbuild.products.tflite.release import LITE, UpstreamRelease, lite_folder
from tfbuild.releases.dependency import Dependency
from tfbuild.releases.keys import Release

# Where the locked sources lie in the builder, each in a folder of its name, and what debug information says.
DEPENDENCY_FOLDER = "/tree/dependencies"
PUBLIC_DEPENDENCY_FOLDER = "/usr/src"
# Files of TensorFlow, where the source is not TensorFlow's.
TENSORFLOW = "tensorflow"
HOST_TOOLS_FOLDER = "/tree/host-tools/bin"
# Compiles on a cluster: dockerfiles/common/recc.sh.
RECC = "/common/recc.sh"


def tflite_cmake_flags(
    config: ResolvedConfig, release: Release, lines: Mapping[str, Origin]
) -> tuple[Flag, ...]:
    """CMake cache entries of TFLite, as NAME=VALUE; ``lines`` as in :func:`compile_flags`."""
    values = config.values

    def of(path: str) -> str:
        return str(config.origins.get(path, BUILT_IN))

    def switch(name: str, on: bool, path: str, reason: str = "") -> Flag:
        return Flag(Target.CMAKE, f"{name}={'ON' if on else 'OFF'}", of(path), reason)

    flags = [
        *_source_flags(release, lines),
        *_litert_flags(release, config, lines),
        Flag(Target.CMAKE, f"TFBUILD_PROVIDER={release.provider}", str(lines.get("provider", BUILT_IN))),
        Flag(
            Target.CMAKE,
            "CMAKE_BUILD_TYPE=Release",
            str(BUILT_IN),
            "upstream would set it; this project sets the level",
        ),
        switch("TFLITE_ENABLE_XNNPACK", values.of(TfliteKeys).xnnpack, "tflite.xnnpack"),
        switch("TFLITE_ENABLE_GPU", values.of(TfliteKeys).gpu_delegate, "tflite.gpu_delegate"),
        switch("TFLITE_ENABLE_RUY", values.of(TfliteKeys).ruy, "tflite.ruy"),
    ]
    if values.compile.lto:
        flags.append(switch("CMAKE_INTERPROCEDURAL_OPTIMIZATION", True, "compile.lto"))
    if launcher := _launcher(config):
        program, origin = launcher
        for language in ("C", "CXX"):
            flags.append(Flag(Target.CMAKE, f"CMAKE_{language}_COMPILER_LAUNCHER={program}", of(origin)))
    flags += _upstream_flags(release, config.arch, lines)
    for name, value in values.of(TfliteKeys).cmake_definitions.items():
        flags.append(Flag(Target.CMAKE, f"{name}={value}", of(f"tflite.cmake_definitions.{name}")))
    return tuple(flags)


def _launcher(config: ResolvedConfig) -> tuple[str, str] | None:
    """What starts the compiler, and the key that says so. ccache asks the cluster itself (CCACHE_PREFIX)."""
    values = config.values
    if values.compile.ccache:
        return "ccache", "compile.ccache"
    remote = values.remote
    asks = next((key for key in ("executor", "cache") if getattr(remote, key)), None)
    return (RECC, f"remote.{asks}") if asks else None


def _source_flags(release: Release, lines: Mapping[str, Origin]) -> Iterator[Flag]:
    """Where TensorFlow lies, and TFLite where that is not in it."""
    tensorflow = release.upstream.tensorflow if isinstance(release, UpstreamRelease) else None
    folder = f"{DEPENDENCY_FOLDER}/{TENSORFLOW}" if tensorflow else SOURCE_FOLDER
    where = str(lines.get("upstream.tensorflow", BUILT_IN)) if tensorflow else str(BUILT_IN)
    yield Flag(Target.CMAKE, f"TENSORFLOW_SOURCE_DIR={folder}", where)
    if (lite := lite_folder(release)) != LITE:
        where = str(lines.get("upstream.folder", BUILT_IN))
        yield Flag(Target.CMAKE, f"TFBUILD_LITE_SOURCE_DIR={SOURCE_FOLDER}/{lite}", where)


def litert_folder(release: Release, config: ResolvedConfig) -> str | None:
    """Where LiteRT's own C API lies, if it is built: its accelerator for the CPU is XNNPACK's delegate."""
    values = config.values
    if not isinstance(release, UpstreamRelease) or values.runtime.flavour != "native":
        return None
    return release.upstream.litert if values.of(TfliteKeys).xnnpack else None


def _litert_flags(release: Release, config: ResolvedConfig, lines: Mapping[str, Origin]) -> Iterator[Flag]:
    if folder := litert_folder(release, config):
        where = str(lines.get("upstream.litert", BUILT_IN))
        yield Flag(Target.CMAKE, f"TFBUILD_LITERT_SOURCE_DIR={SOURCE_FOLDER}/{folder}", where)


def dependency_flags(dependencies: Sequence[Dependency], lock: str) -> tuple[Flag, ...]:
    """Where CMake finds each locked source; ``lock`` is the path of the lock that names it.

    https://cmake.org/cmake/help/latest/module/FetchContent.html#variable:FETCHCONTENT_SOURCE_DIR_<uppercaseName>
    """
    return tuple(
        Flag(Target.CMAKE, f"{variable}={DEPENDENCY_FOLDER}/{each.name}", lock)
        for each in dependencies
        for variable in each.variables
    )


def _upstream_flags(release: Release, arch: Arch, lines: Mapping[str, Origin]) -> Iterator[Flag]:
    if not isinstance(release, UpstreamRelease):
        return
    disconnected = "whatever is not handed over is an error, not a download"
    yield Flag(Target.CMAKE, "FETCHCONTENT_FULLY_DISCONNECTED=ON", str(BUILT_IN), disconnected)
    for number, each in enumerate(release.upstream.cmake):
        if each.arches is not None and arch not in each.arches:
            continue
        where = str(lines.get(f"upstream.cmake.{number}", BUILT_IN))
        yield Flag(Target.CMAKE, f"{each.name}={each.value}", where, each.reason)
    where = str(lines.get("upstream.host_tools", BUILT_IN))
    if "flatc" in release.upstream.host_tools:
        yield Flag(Target.CMAKE, f"TFLITE_HOST_TOOLS_DIR={HOST_TOOLS_FOLDER}", where)


def cmake_cache(flags: Sequence[Flag]) -> dict[str, str]:
    """The CMake cache entries that ``flags`` amount to, by name."""

    def joined(*targets: Target) -> str:
        return " ".join(shlex.quote(flag.text) for flag in flags if flag.target in targets)

    cache = {
        "CMAKE_C_FLAGS": joined(Target.COMPILE, Target.C),
        "CMAKE_CXX_FLAGS": joined(Target.COMPILE, Target.CXX),
        "CMAKE_C_FLAGS_RELEASE": joined(Target.OPTIMISE),
        "CMAKE_CXX_FLAGS_RELEASE": joined(Target.OPTIMISE),
        "CMAKE_SHARED_LINKER_FLAGS": joined(Target.LINK),
        "CMAKE_EXE_LINKER_FLAGS": joined(Target.LINK),
    }
    for flag in flags:
        if flag.target is Target.CMAKE:
            name, _, value = flag.text.partition("=")
            cache[name] = value
    return cache


def cmake_presets(cache: Mapping[str, str], arch: Arch) -> dict[str, object]:
    """A CMakePresets.json that configures the superproject exactly so, with or without this program.

    Format: https://cmake.org/cmake/help/latest/manual/cmake-presets.7.html (version 6: CMake 3.25).
    """
    return {
        "version": 6,
        "configurePresets": [
            {
                "name": "tfbuild",
                "generator": "Ninja",
                "binaryDir": "/tree/build",
                "toolchainFile": f"/toolchains/{arch.platform.triplet}.cmake",
                "cacheVariables": dict(cache),
            }
        ],
    }


def source_flags(release: Release, lines: Mapping[str, Origin]) -> Iterator[Flag]:
    """Flags for the sources of upstream's own dependencies."""
    if not isinstance(release, UpstreamRelease):
        return
    yield Flag(
        Target.COMPILE,
        f"-ffile-prefix-map={DEPENDENCY_FOLDER}={PUBLIC_DEPENDENCY_FOLDER}",
        str(BUILT_IN),
        "no path of the builder in the result",
    )
    targets = {"c": Target.C, "c++": Target.CXX, "both": Target.COMPILE}
    for number, each in enumerate(release.upstream.flags):
        where = str(lines.get(f"upstream.flags.{number}", BUILT_IN))
        yield Flag(targets[each.language], each.flag, where, each.reason)
