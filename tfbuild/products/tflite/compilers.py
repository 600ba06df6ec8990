"""What compiles TFLite, and what XNNPACK in it: the suite's GCC or its clang. Pure.

``toolchains/cmake/compiler.cmake`` and ``superproject/xnnpack-compiler.cmake`` carry it out.
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

_ALL, _XNNPACK = "compile.compiler", "tflite.xnnpack_compiler"
# Those that somebody has tried.
_ARCHES = (Arch.AMD64, Arch.ARM64)


@dataclass(frozen=True)
class Clang:
    """The clang of a suite that has compiled TFLite: what it knows."""

    cpus: CompilerCpus
    options: CompilerOptions

    @property
    def program(self) -> str:
        return f"clang-{self.cpus.version}"

    @property
    def for_lto(self) -> tuple[str, ...]:
        """Packages with a linker and an ar that know what clang leaves for the link."""
        return f"lld-{self.cpus.version}", f"llvm-{self.cpus.version}"


@dataclass(frozen=True)
class Compilers:
    """What is another in a build with clang. ``notes`` say why there is none where a release has it."""

    packages: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    notes: tuple[str, ...] = ()


def compilers(
    release: Release, config: ResolvedConfig, lines: Mapping[str, Origin], clang: Clang | None
) -> Compilers:
    """The configuration's choice; what compiles XNNPACK may be the release's. ``lines`` says where the
    release's file has each key.

    ``clang`` is the suite's; None where that has none that has been tried.

    :raises ConfigError: the configuration asks for clang where it cannot be, or for a second compiler.
    """
    if config.values.compile.compiler == "clang":
        return _clang_for_all(release, config, clang)
    return _clang_for_xnnpack(release, config, lines, clang)


def _clang_for_all(release: Release, config: ResolvedConfig, clang: Clang | None) -> Compilers:
    why = _untried(release, config, clang)
    problems = [config.problem(_ALL, f"no clang for TFLite: {each}") for each in why]
    if config.values.of(TfliteKeys).xnnpack_compiler == "gcc":
        problems.append(config.problem(_XNNPACK, f"clang compiles the rest ({_ALL}), and so XNNPACK too"))
    if problems or clang is None:
        raise ConfigError(tuple(problems))
    flag = Flag(Target.CMAKE, f"TFBUILD_COMPILER={clang.program}", str(config.origins[_ALL]))
    packages = (clang.program, *(clang.for_lto if config.values.compile.lto else ()))
    return Compilers(packages, (flag,))


def _clang_for_xnnpack(
    release: Release, config: ResolvedConfig, lines: Mapping[str, Origin], clang: Clang | None
) -> Compilers:
    keys = config.values.of(TfliteKeys)
    upstream = release.upstream if isinstance(release, UpstreamRelease) else Upstream()
    asked = keys.xnnpack_compiler
    own = upstream.xnnpack_compiler.get(config.arch) if keys.xnnpack else None
    if (asked or own) != "clang":
        return Compilers()
    problems = tuple(_why_not(release, config, clang))
    if problems and asked:
        raise ConfigError(tuple(config.problem(_XNNPACK, f"no clang for XNNPACK: {why}") for why in problems))
    if problems or clang is None:
        told = f"GCC compiles XNNPACK, for which {release.release} has clang"
        return Compilers(notes=tuple(f"{told}: {why}" for why in problems))
    where = (
        config.origins[_XNNPACK] if asked else lines.get(f"upstream.xnnpack_compiler.{config.arch}", BUILT_IN)
    )
    text = f"TFBUILD_XNNPACK_COMPILER={clang.program}"
    flag = Flag(Target.CMAKE, text, str(where), "XNNPACK's C files alone")
    return Compilers((clang.program,), (flag,))


def _why_not(release: Release, config: ResolvedConfig, clang: Clang | None) -> Iterator[str]:
    if not isinstance(release, UpstreamRelease):
        yield f"{release.release} has Debian's, compiled already; 2.16.1 and LiteRT compile their own"
    elif not config.values.of(TfliteKeys).xnnpack:
        yield "it is not built (tflite.xnnpack: false)"
    else:
        yield from _untried(release, config, clang)
        if clang is not None:
            yield from _unknown_words(config, clang)


def _untried(release: Release, config: ResolvedConfig, clang: Clang | None) -> Iterator[str]:
    if clang is None:
        yield f"nobody has tried that of {suite_of(release)}; leave debian.suite out"
    elif config.arch not in _ARCHES:
        yield f"nobody has tried it for {config.arch}; it is for {', '.join(_ARCHES)}"


def _unknown_words(config: ResolvedConfig, clang: Clang) -> Iterator[str]:
    """Those that are checked for the compiler of the rest alone."""
    keys, arch = config.values.compile, config.arch
    if keys.march and (problem := clang.cpus.problem("march", keys.march, arch)):
        yield problem
    if keys.mtune and (problem := clang.cpus.problem("mtune", keys.mtune, arch)):
        yield problem
    for before, flag in pairwise(("", *keys.cflags)):
        if problem := clang.options.problem(flag, arch, before):
            yield problem
