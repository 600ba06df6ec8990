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
from tfbuild.products.tflite.release import Upstream, UpstreamRelease
from tfbuild.releases.keys import Release, suite_of

_KEY = "tflite.xnnpack_compiler"
# Those that somebody has tried.
_ARCHES = (Arch.AMD64, Arch.ARM64)


@dataclass(frozen=True)
class Clang:
    """The clang of a suite that has compiled XNNPACK: what it knows."""

    cpus: CompilerCpus
    options: CompilerOptions

    @property
    def program(self) -> str:
        return f"clang-{self.cpus.version}"


@dataclass(frozen=True)
class XnnpackCompiler:
    """What is another in a build whose XNNPACK is not compiled as the rest is, and why it is not, if that was
    to be expected."""

    packages: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    notes: tuple[str, ...] = ()


def xnnpack_compiler(
    release: Release, config: ResolvedConfig, lines: Mapping[str, Origin], clang: Clang | None
) -> XnnpackCompiler:
    """The configuration's choice, else the release's. ``lines`` says where the release's file has each key.

    ``clang`` is the suite's; None where that has none that has done so.

    :raises ConfigError: the configuration asks for clang where it cannot be.
    """
    keys = config.values.of(TfliteKeys)
    upstream = release.upstream if isinstance(release, UpstreamRelease) else Upstream()
    asked = keys.xnnpack_compiler
    own = upstream.xnnpack_compiler.get(config.arch) if keys.xnnpack else None
    if (asked or own) != "clang":
        return XnnpackCompiler()
    problems = tuple(_why_not(release, config, clang))
    if problems and asked:
        raise ConfigError(tuple(config.problem(_KEY, f"no clang for XNNPACK: {why}") for why in problems))
    if problems or clang is None:
        told = f"GCC compiles XNNPACK, for which {release.release} has clang"
        return XnnpackCompiler(notes=tuple(f"{told}: {why}" for why in problems))
    where = config.origins[_KEY] if asked else lines.get(f"upstream.xnnpack_compiler.{config.arch}", BUILT_IN)
    text = f"TFBUILD_XNNPACK_COMPILER={clang.program}"
    flag = Flag(Target.CMAKE, text, str(where), "XNNPACK's C files alone")
    return XnnpackCompiler((clang.program,), (flag,))


def _why_not(release: Release, config: ResolvedConfig, clang: Clang | None) -> Iterator[str]:
    values, arch = config.values, config.arch
    if not isinstance(release, UpstreamRelease):
        yield f"{release.release} has Debian's, compiled already; 2.16.1 and LiteRT compile their own"
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
