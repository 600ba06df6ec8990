"""What compiles XNNPACK: the compiler of the rest, or the suite's clang. Pure.

``dockerfiles/tflite/superproject/xnnpack-compiler.cmake`` carries it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.base.values import Origin
from tfbuild.config.compilers.cpus import CompilerCpus
from tfbuild.config.compilers.options import CompilerOptions
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.flags import BUILT_IN, Flag, Target
from tfbuild.products.tflite.keys import TfliteKeys
from tfbuild.products.tflite.release import UpstreamRelease
from tfbuild.releases.keys import Release, suite_of

_KEY = "tflite.xnnpack_compiler"
# Those that somebody has tried.
_ARCHES = (Arch.AMD64, Arch.ARM64)


@dataclass(frozen=True)
class Clang:
    """The clang of a suite that has compiled XNNPACK, and what it knows."""

    version: str
    cpus: CompilerCpus
    options: CompilerOptions


def xnnpack_clang(release: Release, config: ResolvedConfig, clang: Clang | None) -> str:
    """The program that compiles XNNPACK; empty where the compiler of the rest does.

    ``clang`` is the suite's; None where that has none that has done so.

    :raises ConfigError: the configuration asks for clang where it cannot be.
    """
    asked = config.values.of(TfliteKeys).xnnpack_compiler
    if (asked or _own(release, config)) == "gcc":
        return ""
    problems = list(_why_not(release, config, clang))
    if problems and asked:
        raise ConfigError(tuple(config.problem(_KEY, f"no clang for XNNPACK: {why}") for why in problems))
    return "" if problems or clang is None else f"clang-{clang.version}"


def xnnpack_notes(release: Release, config: ResolvedConfig, clang: Clang | None) -> Iterator[str]:
    """Why the release's clang is not taken, where nobody has asked for another compiler."""
    keys = config.values.of(TfliteKeys)
    if keys.xnnpack and keys.xnnpack_compiler is None and _own(release, config) == "clang":
        for why in _why_not(release, config, clang):
            yield f"GCC compiles XNNPACK, for which the release has clang: {why}"


def _own(release: Release, config: ResolvedConfig) -> str:
    """The release's own choice."""
    known = release.upstream.xnnpack_compiler if isinstance(release, UpstreamRelease) else {}
    return known.get(config.arch, "gcc")


def _why_not(release: Release, config: ResolvedConfig, clang: Clang | None) -> Iterator[str]:
    values, arch = config.values, config.arch
    if not isinstance(release, UpstreamRelease):
        yield f"release {release.release} has that of Debian, which is compiled already"
    elif not values.of(TfliteKeys).xnnpack:
        yield "it is not built (tflite.xnnpack: false)"
    elif clang is None:
        yield f"nobody has tried that of {suite_of(release)}; leave debian.suite out"
    else:
        if arch not in _ARCHES:
            yield f"nobody has tried it for {arch}; it is for {', '.join(_ARCHES)}"
        if values.compile.lto:
            yield "GCC links what it has compiled itself with compile.lto"
        yield from _unknown_words(config, clang)


def _unknown_words(config: ResolvedConfig, clang: Clang) -> Iterator[str]:
    keys, arch = config.values.compile, config.arch
    if keys.march and (problem := clang.cpus.problem("march", keys.march, arch)):
        yield problem
    if keys.mtune and (problem := clang.cpus.problem("mtune", keys.mtune, arch)):
        yield problem
    for before, flag in pairwise(("", *keys.cflags)):
        if problem := clang.options.problem(flag, arch, before):
            yield problem


def xnnpack_flags(clang: str, config: ResolvedConfig, lines: Mapping[str, Origin]) -> Iterator[Flag]:
    """The entry of CMake's cache for ``clang``, if it is one."""
    if clang:
        own = lines.get(f"upstream.xnnpack_compiler.{config.arch}", BUILT_IN)
        where = config.origins[_KEY] if config.values.of(TfliteKeys).xnnpack_compiler else own
        yield Flag(Target.CMAKE, f"TFBUILD_XNNPACK_COMPILER={clang}", str(where), "XNNPACK's C files alone")
