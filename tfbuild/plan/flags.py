"""From configuration and release to the flags of compiler, linker and CMake; pure.

Every flag says which line caused it and why, so that the plan can show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from tfbuild.base.values import Origin
from tfbuild.config.load import ResolvedConfig
from tfbuild.releases.keys import Release

# Where the source lies in the builder, and what debug information and assertions say instead.
SOURCE_FOLDER = "/tree/source"
PUBLIC_SOURCE_FOLDER = "/usr/src/tensorflow"

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


def compile_flags(
    config: ResolvedConfig,
    release: Release,
    lines: Mapping[str, Origin],
    more: Sequence[Flag] = (),
    public: str = PUBLIC_SOURCE_FOLDER,
) -> tuple[Flag, ...]:
    """Flags that mean the same to any build tool. ``lines`` says where the release's file has each key;
    ``more`` are those of the product, before the macros; ``public`` is what a result calls the folder of the
    source."""
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
            f"-ffile-prefix-map={SOURCE_FOLDER}={public}",
            str(BUILT_IN),
            "no path of the builder in the result",
        )
    )
    flags += more
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
