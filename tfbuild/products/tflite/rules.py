"""What the keys of a configuration are to builds of TFLite."""

from __future__ import annotations

from tfbuild.config.compiler_cpus import CompilerCpus, default_compiler_cpus
from tfbuild.plan.effect import KeyRules
from tfbuild.releases.keys import Release, suite_of

_WHEEL_COMPILED = "the official wheel is compiled already"


def compiler_of(release: Release) -> CompilerCpus | None:
    """What compiles ``release``; None where nothing is compiled, or nobody has asked. Reads files."""
    return default_compiler_cpus(suite_of(release)) if release.is_compiled else None


def source_rules() -> KeyRules:
    """Of a build from source."""
    return KeyRules(
        sections=("tflite",),
        idle={
            "tflite.python": "a build from source takes the Python of its release; --from wheel has a choice"
        },
        unnamed=("tflite.python",),
    )


def wheel_rules() -> KeyRules:
    """Of an image with an official wheel."""
    keys = ("compile", "tflite.xnnpack", "tflite.gpu_delegate", "tflite.ruy", "tflite.cmake_definitions")
    return KeyRules(
        sections=("tflite",),
        idle=dict.fromkeys((*keys, "resources"), _WHEEL_COMPILED),
        impossible={
            "source.patches": f"there is no source to be patched: {_WHEEL_COMPILED}",
            "runtime.flavour": "its image always has Python: leave runtime.flavour as it is",
        },
        unnamed=("compile.", "tflite.", "runtime.flavour"),
    )
