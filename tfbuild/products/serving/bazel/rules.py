"""What the keys of a configuration are to a build of the model server."""

from __future__ import annotations

from tfbuild.config.compilers.cpus import CompilerCpus, compiler_cpus
from tfbuild.config.cpus import Cpus
from tfbuild.plan.effect import KeyRules
from tfbuild.products.serving.bazel.compilers import march_flags
from tfbuild.products.serving.bazel.release import ServingRelease
from tfbuild.releases.keys import Release

_WHEEL_ALONE = "this is for servers that are linked with a wheel (--from wheel)"


def compiler_of(release: Release) -> CompilerCpus | None:
    """What compiles ``release``; None where nobody has asked that compiler. Reads files."""
    if not isinstance(release, ServingRelease):
        raise TypeError(f"{release.path} is not a release of the model server")
    return compiler_cpus(release.serving.compiler.kind, release.serving.compiler.version)


def key_rules(release: Release, cpus: Cpus) -> KeyRules:
    """An older compiler gets other words for a level of CPUs, or none: see :func:`march_flags`."""
    if not isinstance(release, ServingRelease):
        raise TypeError(f"{release.path} is not a release of the model server")
    compiler = release.serving.compiler

    def passes_on(march: str) -> bool:
        return march_flags(cpus, compiler.kind, compiler.version, march) == (f"-march={march}",)

    return KeyRules(
        sections=("serving",),
        idle={
            "compile.ccache": "Bazel has caches of its own",
            "compile.compiler": "the compiler is the one of the release, as upstream's Bazel takes it",
        },
        impossible={
            "serving.without": f"{_WHEEL_ALONE}: Bazel builds what upstream's BUILD files say",
            "serving.op_libraries": f"{_WHEEL_ALONE}: with Bazel TensorFlow is no library of its own",
            "debian.suite": "the compiler is the one of the release: leave debian.suite as it is",
            "runtime.flavour": "TensorFlow Serving has no Python flavour: leave runtime.flavour as it is",
        },
        unnamed=("serving.build_on", "compile.compiler"),
        late=("serving.server_args", "serving.batching.", "serving.monitoring."),
        passes_on=passes_on,
        flags=("serving.copts", "serving.linkopts"),
        host_flags=("serving.host_copts",),
    )
