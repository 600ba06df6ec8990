"""What the keys of a configuration are to a model server that is linked with a wheel."""

from __future__ import annotations

from tfbuild.base.arch import Arch
from tfbuild.config.compilers.cpus import CompilerCpus, compiler_cpus
from tfbuild.plan.effect import KeyRules
from tfbuild.products.serving.wheel.release import ServingWheelRelease
from tfbuild.releases.keys import Release

_NO_BAZEL = "it is a key of Bazel's, which compiles nothing here"
NO_CPU = "inline functions that the wheel's libraries have too are compiled for the wheel's CPU"
_CPU_KEYS = ("compile.march", "compile.mtune")
_BAZEL_KEYS = (
    "serving.bazel_configs",
    "serving.bazel_defines",
    "serving.host_copts",
    "remote",
)


def _release_of(release: Release) -> ServingWheelRelease:
    if not isinstance(release, ServingWheelRelease):
        raise TypeError(f"{release.path} takes TensorFlow from no wheel")
    return release


def compiler_of(release: Release, arch: Arch) -> CompilerCpus | None:
    """What compiles ``release`` for ``arch``; None where nobody has asked that compiler. Reads files."""
    compiler = _release_of(release).wheel.compiler_for(arch)
    return compiler_cpus(compiler.kind, compiler.version)


def key_rules(release: Release) -> KeyRules:
    """Nothing of TensorFlow is compiled, and nothing by Bazel."""
    _release_of(release)
    return KeyRules(
        sections=("serving",),
        idle={
            **dict.fromkeys(_BAZEL_KEYS, _NO_BAZEL),
            **dict.fromkeys(_CPU_KEYS, NO_CPU),
            "compile.cflags": "no file is C",
            "compile.compiler": "the compiler is the wheel's",
        },
        impossible={
            "debian.suite": "the compiler is the one of the release: leave debian.suite as it is",
            "runtime.flavour": "TensorFlow Serving has no Python flavour: leave runtime.flavour as it is",
            "compile.lto": "the wheel's libraries take no part in it: leave compile.lto off",
        },
        unnamed=(*_BAZEL_KEYS, *_CPU_KEYS, "compile.cflags", "compile.compiler"),
        late=("serving.server_args", "serving.batching.", "serving.monitoring."),
        flags=("serving.copts", "serving.linkopts"),
    )
