"""From configuration and release to the flags of compiler, linker and CMake; pure.

Every flag says which line caused it and why, so that the plan can show it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from tfbuild.config import ResolvedConfig
from tfbuild.dependency import Dependency
from tfbuild.model import Arch, Origin
from tfbuild.release_schema import Release

# Where the source lies in the builder, and what debug information and assertions say instead.
SOURCE_FOLDER = "/tree/source"
PUBLIC_SOURCE_FOLDER = "/usr/src/tensorflow"
# The same for the locked sources, each in a folder of its name; and programs that the build makes of them.
DEPENDENCY_FOLDER = "/tree/dependencies"
PUBLIC_DEPENDENCY_FOLDER = "/usr/src"
HOST_TOOLS_FOLDER = "/tree/host-tools/bin"

BUILT_IN = Origin("built-in")


class Target(str, Enum):
    """Which tool a flag is for."""

    COMPILE = "compile"  # C and C++
    C = "c"
    CXX = "c++"
    OPTIMISE = "optimise"  # CMAKE_<LANG>_FLAGS_RELEASE: comes last on the command line
    LINK = "link"
    CMAKE = "cmake"
    BAZEL = "bazel"  # a whole option of its command line


@dataclass(frozen=True)
class Flag:
    """One flag, the line that caused it, and the reason where the line itself does not tell."""

    target: Target
    text: str
    origin: str
    reason: str = ""


def compile_flags(config: ResolvedConfig, release: Release, lines: Mapping[str, Origin]) -> tuple[Flag, ...]:
    """Flags that mean the same to any build tool. ``lines`` says where the release's file has each key."""
    keys = config.values.compile

    def of(path: str) -> str:
        return str(config.origins.get(path, BUILT_IN))

    flags: list[Flag] = []
    if keys.march:
        flags.append(Flag(Target.COMPILE, f"-march={keys.march}", of("compile.march")))
    if keys.mtune:
        flags.append(Flag(Target.COMPILE, f"-mtune={keys.mtune}", of("compile.mtune")))
    if keys.debug_info == "separate":
        flags.append(Flag(Target.COMPILE, "-g", of("compile.debug_info")))
    flags.append(
        Flag(
            Target.COMPILE,
            f"-ffile-prefix-map={SOURCE_FOLDER}={PUBLIC_SOURCE_FOLDER}",
            str(BUILT_IN),
            "no path of the builder in the result",
        )
    )
    if release.upstream:
        flags.append(
            Flag(
                Target.COMPILE,
                f"-ffile-prefix-map={DEPENDENCY_FOLDER}={PUBLIC_DEPENDENCY_FOLDER}",
                str(BUILT_IN),
                "no path of the builder in the result",
            )
        )
        targets = {"c": Target.C, "c++": Target.CXX, "both": Target.COMPILE}
        for number, each in enumerate(release.upstream.flags):
            where = str(lines.get(f"upstream.flags.{number}", BUILT_IN))
            flags.append(Flag(targets[each.language], each.flag, where, each.reason))
    for macro in release.compile_defines:
        text = f"-D{macro.name}" if macro.value is None else f"-D{macro.name}={macro.value}"
        flags.append(
            Flag(
                Target.COMPILE, text, str(lines.get(f"compile_defines.{macro.name}", BUILT_IN)), macro.reason
            )
        )
    for name, value in keys.defines.items():
        text = f"-D{name}" if value is None else f"-D{name}={value}"
        flags.append(Flag(Target.COMPILE, text, of(f"compile.defines.{name}")))
    for target, path, values in (
        (Target.C, "compile.cflags", keys.cflags),
        (Target.CXX, "compile.cxxflags", keys.cxxflags),
        (Target.LINK, "compile.ldflags", keys.ldflags),
    ):
        flags += [Flag(target, text, of(f"{path}.{i}")) for i, text in enumerate(values)]
    flags.append(Flag(Target.OPTIMISE, f"-O{keys.optimisation}", of("compile.optimisation")))
    if keys.optimisation not in {"0", "g"}:
        flags.append(
            Flag(
                Target.OPTIMISE, "-DNDEBUG", of("compile.optimisation"), "an optimised build asserts nothing"
            )
        )
    return tuple(flags)


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
        Flag(Target.CMAKE, f"TENSORFLOW_SOURCE_DIR={SOURCE_FOLDER}", str(BUILT_IN)),
        Flag(Target.CMAKE, f"TFBUILD_PROVIDER={release.provider}", str(lines.get("provider", BUILT_IN))),
        Flag(
            Target.CMAKE,
            "CMAKE_BUILD_TYPE=Release",
            str(BUILT_IN),
            "upstream would set it; the level is ours",
        ),
        switch("TFLITE_ENABLE_XNNPACK", values.tflite.xnnpack, "tflite.xnnpack"),
        switch("TFLITE_ENABLE_GPU", values.tflite.gpu_delegate, "tflite.gpu_delegate"),
        switch("TFLITE_ENABLE_RUY", values.tflite.ruy, "tflite.ruy"),
    ]
    if values.compile.lto:
        flags.append(switch("CMAKE_INTERPROCEDURAL_OPTIMIZATION", True, "compile.lto"))
    if values.compile.ccache:
        for language in ("C", "CXX"):
            flags.append(
                Flag(Target.CMAKE, f"CMAKE_{language}_COMPILER_LAUNCHER=ccache", of("compile.ccache"))
            )
    flags += _upstream_flags(release, lines)
    for name, value in values.tflite.cmake_definitions.items():
        flags.append(Flag(Target.CMAKE, f"{name}={value}", of(f"tflite.cmake_definitions.{name}")))
    return tuple(flags)


def dependency_flags(dependencies: Sequence[Dependency], lock: str) -> tuple[Flag, ...]:
    """Where CMake finds each locked source; ``lock`` is the path of the lock that names it.

    https://cmake.org/cmake/help/latest/module/FetchContent.html#variable:FETCHCONTENT_SOURCE_DIR_<uppercaseName>
    """
    return tuple(
        Flag(Target.CMAKE, f"{variable}={DEPENDENCY_FOLDER}/{each.name}", lock)
        for each in dependencies
        for variable in each.variables
    )


def _upstream_flags(release: Release, lines: Mapping[str, Origin]) -> Iterator[Flag]:
    if release.provider != "upstream":
        return
    disconnected = "whatever is not handed over is an error, not a download"
    yield Flag(Target.CMAKE, "FETCHCONTENT_FULLY_DISCONNECTED=ON", str(BUILT_IN), disconnected)
    if release.upstream is None:
        return
    for number, each in enumerate(release.upstream.cmake):
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
