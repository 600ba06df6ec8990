"""What the keys of a configuration are to builds of TFLite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from tfbuild.artifacts.elf.facts import version_key
from tfbuild.artifacts.platforms import Distribution, load_platforms
from tfbuild.base.errors import NothingMatchesError
from tfbuild.base.text import did_you_mean
from tfbuild.config.compilers.cpus import CompilerCpus, compiler_cpus, default_compiler_cpus
from tfbuild.config.compilers.options import compiler_options
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.effect import KeyRules
from tfbuild.products.tflite.compilers import Clang
from tfbuild.products.tflite.release import Upstream, UpstreamCMake, UpstreamFlag, UpstreamRelease
from tfbuild.releases.keys import Debian, Release, debian_of, suite_of
from tfbuild.releases.programs import load_programs

AnyRelease = TypeVar("AnyRelease", bound=Release)
# Presets of version 6 (cmake/flags.py): cmake.org/cmake/help/latest/manual/cmake-presets.7.html
_CMAKE = "3.25"
# Debian 12's (2.0) does not read the schema of models (schema.fbs: "expecting: } instead got: (").
_FLATC = "23.5"
_WHEEL_COMPILED = "the official wheel is compiled already"


def compiler_of(root: Path, release: Release, config: ResolvedConfig) -> CompilerCpus | None:
    """What compiles ``release``; None where nothing is compiled, or nobody has asked. Reads files."""
    if not release.is_compiled:
        return None
    if config.values.compile.compiler == "clang":
        clang = clang_of(root, release)
        return clang.cpus if clang else None
    return default_compiler_cpus(suite_of(release))


def clang_of(root: Path, release: Release) -> Clang | None:
    """The suite's clang, where that has compiled TFLite. Reads files."""
    version = load_platforms(root).require_suite(suite_of(release)).clang
    cpus = compiler_cpus("clang", version) if version else None
    options = compiler_options(cpus)
    return Clang(cpus, options) if cpus and options else None


def on_suite(root: Path, release: AnyRelease, config: ResolvedConfig) -> AnyRelease:
    """``release`` on the Debian that the configuration asks for; reads files.

    Raises :class:`NothingMatchesError` where it cannot be built there.
    """
    suite, debian, own = config.values.debian.suite, debian_of(release), suite_of(release)
    if not suite or not release.is_compiled or suite == own:
        return release
    known = load_platforms(root).suites
    why = _why_not(suite, own, release, config, known)
    if why is None and debian is not None:
        return release.model_copy(update=dict(_moved(root, release, debian, known[suite])))
    instead = f"leave debian.suite out: the release is built on {own}"
    if release.provider == "debian":
        instead = "take a release with upstream's own dependencies: --release 2.16.1, or 2.2.0-litert"
    raise NothingMatchesError(
        f"{release.product} {release.release} cannot be built on Debian's {suite}",
        details=(
            why or f"its file has no 'debian', and so is for {own}",
            f"asked for at {config.origins['debian.suite']}",
        ),
        hint=instead,
    )


def _why_not(
    suite: str, own: str, release: Release, config: ResolvedConfig, known: Mapping[str, Distribution]
) -> str | None:
    """Why ``release``, whose own suite is another, is not built on ``suite``."""
    if suite not in known:
        return f"no such suite is known here{did_you_mean(suite, known)}; there are: {', '.join(known)}"
    if release.provider == "debian":
        return f"its dependencies are packages of {own}, and compiled at their versions there"
    if config.arch not in known[suite].arches:
        return f"that Debian has no {config.arch}; it has {', '.join(known[suite].arches)}"
    if default_compiler_cpus(suite) is None:
        return f"nobody has looked at the compiler of {suite}"
    if config.values.runtime.flavour == "python":
        return f"Python, numpy and pybind11 of the release are pinned for {own}"
    return None


def _moved(root: Path, release: Release, debian: Debian, suite: Distribution) -> Iterator[tuple[str, object]]:
    """What is another in ``release`` where the builder is of ``suite``, with what that has too old."""
    programs = load_programs(root).cmake if _is_old(suite.cmake, _CMAKE) else ()
    yield "debian", debian.model_copy(update={"suite": suite.suite, "programs": programs})
    if isinstance(release, UpstreamRelease):
        yield "upstream", release.upstream.model_copy(update=dict(_upstream_there(release.upstream, suite)))


def _upstream_there(upstream: Upstream, suite: Distribution) -> Iterator[tuple[str, object]]:
    if _is_old(suite.flatc, _FLATC):
        yield "host_tools", ("flatc",)  # compiled of the lock's source
    if suite.header:
        reason = "binds to functions of an older glibc than the suite's, which the suite has too"
        flag = UpstreamFlag(language="both", flag=f"-include/toolchains/{suite.header}", reason=reason)
        yield "flags", (*upstream.flags, flag)
        reason = "systems with that older glibc have an older C++ run-time than the suite, too"
        yield "cmake", (*upstream.cmake, UpstreamCMake(name="TFBUILD_STATIC_CXX", value="ON", reason=reason))


def _is_old(version: str | None, first: str) -> bool:
    return version is None or version_key(version) < version_key(first)


def source_rules() -> KeyRules:
    """Of a build from source."""
    return KeyRules(
        sections=("tflite",),
        words=("debian.suite",),
        idle={
            "tflite.python": "a build from source takes the Python of its release; --from wheel has a choice"
        },
        unnamed=("tflite.python",),
    )


def wheel_rules() -> KeyRules:
    """Of an image with an official wheel."""
    keys = (
        "compile",
        "tflite.xnnpack",
        "tflite.xnnpack_compiler",
        "tflite.profile",
        "tflite.gpu_delegate",
        "tflite.ruy",
        "tflite.cmake_definitions",
    )
    return KeyRules(
        sections=("tflite",),
        idle=dict.fromkeys((*keys, "resources", "remote"), _WHEEL_COMPILED),
        impossible={
            "debian.suite": "it is the one that has the image's Python: use tflite.python",
            "source.patches": f"there is no source to be patched: {_WHEEL_COMPILED}",
            "tflite.ops": f"all operators are in it: {_WHEEL_COMPILED}",
            "runtime.flavour": "its image always has Python: leave runtime.flavour as it is",
        },
        unnamed=("compile.", "tflite.", "runtime.flavour"),
    )
