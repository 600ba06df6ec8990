"""Which keys of a configuration do something in which build, and what of them this build cannot do. Pure.

What was asked for happens, or is told: a key that a build has no use for is a note of its plan, and a value
that would have to be ignored is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem, NothingMatchesError
from tfbuild.base.values import Product
from tfbuild.config.compiler_cpus import CompilerCpus, compiler_cpus, default_compiler_cpus
from tfbuild.config.layers import BUILT_IN, known_keys
from tfbuild.config.load import DEFAULT_CONFIG, ResolvedConfig
from tfbuild.products.serving.compilers import march_flags
from tfbuild.releases.keys import Release, Unsupported


class BuildKind(Enum):
    """Builds that read the same keys."""

    TFLITE = "TFLite from source"
    WHEEL = "TFLite from an official wheel"
    SERVING = "TensorFlow Serving"
    KERAS = "TensorFlow and Keras from wheels"


def build_kind(release: Release) -> BuildKind:
    """What a build of ``release`` is."""
    if release.product is Product.TFLITE:
        return BuildKind.WHEEL if release.provider == "wheels" else BuildKind.TFLITE
    return BuildKind.SERVING if release.product is Product.SERVING else BuildKind.KERAS


_COMPILED = "the wheels are compiled already"
_WHEEL_COMPILED = "the official wheel is compiled already"
_OF_SERVING = "it is a key of build-serving"
_OF_KERAS = "it is a key of build-keras"
_OF_TFLITE = "it is a key of build-tflite"
# The keys that a kind of build does not read, by their beginning, and why; the first that fits counts.
_WITHOUT_EFFECT: Mapping[BuildKind, Mapping[str, str]] = {
    BuildKind.TFLITE: {
        "serving": _OF_SERVING,
        "keras": _OF_KERAS,
        "app": _OF_KERAS,
        "tflite.python": "a build from source takes the Python of its release; --from wheel has a choice",
    },
    BuildKind.WHEEL: {
        "compile": _WHEEL_COMPILED,
        "tflite.xnnpack": _WHEEL_COMPILED,
        "tflite.gpu_delegate": _WHEEL_COMPILED,
        "tflite.ruy": _WHEEL_COMPILED,
        "tflite.cmake_definitions": _WHEEL_COMPILED,
        "serving": _OF_SERVING,
        "keras": _OF_KERAS,
        "app": _OF_KERAS,
        "resources": _WHEEL_COMPILED,
    },
    BuildKind.SERVING: {
        "compile.ccache": "Bazel has caches of its own",
        "tflite": _OF_TFLITE,
        "keras": _OF_KERAS,
        "app": _OF_KERAS,
    },
    BuildKind.KERAS: {
        "compile": _COMPILED,
        "tflite": _COMPILED,
        "serving": _COMPILED,
        "resources": _COMPILED,
    },
}
# Values that only some builds can honour, and that nobody would want to be ignored.
_IMPOSSIBLE: Mapping[BuildKind, Mapping[str, str]] = {
    BuildKind.TFLITE: {},
    BuildKind.WHEEL: {
        "source.patches": "there is no source to be patched: the official wheel is compiled already",
        "runtime.flavour": "the image of an official wheel always has Python: leave runtime.flavour as it is",
    },
    BuildKind.SERVING: {
        "runtime.flavour": "TensorFlow Serving has no Python flavour: leave runtime.flavour as it is",
    },
    BuildKind.KERAS: {
        "source.patches": "there is no source to be patched: the wheels are compiled already",
        "runtime.flavour": "an image of Keras always has Python: leave runtime.flavour as it is",
    },
}
# In a file that several products share these sections say themselves whose they are.
_SECTIONS_IN_FILES = ("compile.", "tflite.", "serving.", "keras.", "app.")


def notes_without_effect(config: ResolvedConfig, release: Release, *, jobs: bool) -> Iterator[str]:
    """A line for each key that was given and that this build does not read; ``jobs``: --jobs was given."""
    kind = build_kind(release)
    rules = _WITHOUT_EFFECT[kind]
    for path in known_keys():
        why = next((why for start, why in rules.items() if f"{path}.".startswith(f"{start}.")), None)
        origin = config.origins[path]
        if why is None or origin == BUILT_IN:
            continue
        if str(origin).startswith("--"):
            yield f"{path} changes nothing: {why}"
        elif not path.startswith(_SECTIONS_IN_FILES):
            yield f"{path} ({origin}) changes nothing: {why}"
    if kind is BuildKind.KERAS and config.name != DEFAULT_CONFIG and _compiles(config):
        yield f"compile.* of the config '{config.name}' changes nothing: {_COMPILED}"
    if jobs and "resources" in rules:
        yield f"--jobs changes nothing: {rules['resources']}"


def _compiles(config: ResolvedConfig) -> bool:
    """Whether a file of the configuration itself has something to say to a compiler."""
    keys = (path for path in known_keys() if path.startswith("compile."))
    return any(config.origins[path].line for path in keys)


def require_possible(config: ResolvedConfig, release: Release, arch: Arch) -> None:
    """Refuse what would have to be ignored, or would fail hours later.

    :raises ConfigError: all such values, with their places.
    :raises NothingMatchesError: the release cannot be built so; its file says why.
    """
    problems = (*_impossible(config, release), *_unknown_cpus(config, release, arch))
    if problems:
        raise ConfigError(tuple(problems))
    for each in release.unsupported:
        if where := _asked(config, each):
            value = f"={each.value}" if each.value is not None else ""
            raise NothingMatchesError(
                f"{release.product} {release.release} cannot be built with {each.key}{value}",
                details=(each.reason, f"asked for at {config.origins[where]}"),
                hint=each.instead,
            )


def _impossible(config: ResolvedConfig, release: Release) -> Iterator[ConfigProblem]:
    for path, why in _IMPOSSIBLE[build_kind(release)].items():
        if config.origins[path] == BUILT_IN or not _differs(config, path):
            continue
        places = [key for key in config.origins if key.startswith(f"{path}.")] or [path]
        yield from (config.problem(key, why) for key in places)


def _differs(config: ResolvedConfig, path: str) -> bool:
    """Whether the value is another one than the built-in default."""
    return bool(_value(config, path) != _value_of(type(config.values)(), path))


def _value(config: ResolvedConfig, path: str) -> object:
    return _value_of(config.values, path)


def _value_of(values: object, path: str) -> object:
    for part in path.split("."):
        values = getattr(values, part)
    return values


def _asked(config: ResolvedConfig, unsupported: Unsupported) -> str | None:
    """The key whose value is what the release cannot do, or None."""
    path, entry = unsupported.setting
    found = _value(config, path)
    if entry is not None:
        found = found.get(entry) if isinstance(found, Mapping) else None
    if found is None or config.origins.get(unsupported.key, BUILT_IN) == BUILT_IN:
        return None
    same = unsupported.value is None or _canonical(str(found)) == _canonical(unsupported.value)
    return unsupported.key if same else None


def _canonical(text: str) -> str:
    """One word for all that CMake takes for true: https://cmake.org/cmake/help/latest/command/if.html#constant"""
    return "true" if text.lower() in {"1", "on", "yes", "true", "y"} else text


def compiler_of(release: Release) -> CompilerCpus | None:
    """What compiles ``release``; None where nothing does, or where nobody has asked that compiler."""
    if release.serving:
        return compiler_cpus(release.serving.compiler.kind, release.serving.compiler.version)
    return None if release.provider == "wheels" else default_compiler_cpus(release.suite)


def _unknown_cpus(config: ResolvedConfig, release: Release, arch: Arch) -> Iterator[ConfigProblem]:
    compiler, keys = compiler_of(release), config.values.compile
    if compiler is None:
        return
    passed_on = keys.march and _is_passed_on(keys.march, release)
    if keys.march and passed_on and (problem := compiler.problem("march", keys.march, arch)):
        yield config.problem("compile.march", problem)
    if keys.mtune and (problem := compiler.problem("mtune", keys.mtune, arch)):
        yield config.problem("compile.mtune", problem)


def _is_passed_on(march: str, release: Release) -> bool:
    """Whether the compiler gets the name itself: an older one gets other words for a level, or none."""
    if release.serving is None:
        return True
    compiler = release.serving.compiler
    return march_flags(compiler.kind, compiler.version, march) == (f"-march={march}",)
