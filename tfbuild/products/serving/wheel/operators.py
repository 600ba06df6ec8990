"""Libraries with operators that a server loads when it starts: ``serving.op_libraries``. Reads files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from tfbuild.artifacts.elf.facts import ElfFacts, ElfKind
from tfbuild.artifacts.elf.read import parse_elf, read_elf
from tfbuild.artifacts.wheel import Wheel
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ConfigProblem, TfBuildError
from tfbuild.config.load import ResolvedConfig
from tfbuild.machine.files import hash_file
from tfbuild.products.serving.part import OperatorLibraries

KEY = "serving.op_libraries"
# Which each library of operators needs: tf.sysconfig.get_link_flags().
_FRAMEWORK = "libtensorflow_framework.so.2"
# Modules for Python need symbols of it, and a server has none.
_MODULE = "PyInit_"
_PACKAGES = ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tensorflow-intel")


class _Refused(Exception):
    """Why a file is of no use here."""


def read_operators(
    root: Path, config: ResolvedConfig, keys: tuple[str, ...], arch: Arch, tensorflow: str
) -> tuple[OperatorLibraries, ...]:
    """The files that ``keys`` names, for a server of ``arch`` with TensorFlow of the version
    ``tensorflow``.

    :raises ConfigError: one of them is of no use, with the place that names it.
    """
    found: list[OperatorLibraries] = []
    problems: list[ConfigProblem] = []
    for index, path in enumerate(keys):
        where = f"{KEY}.{index}"
        try:
            members = tuple(_members(root / path, arch, tensorflow))
            found.append(OperatorLibraries(path, hash_file(root / path), members, str(config.origins[where])))
        except (_Refused, TfBuildError) as error:
            problems.append(config.problem(where, f"'{path}': {error}"))
    twice = [name for name, count in Counter(n for each in found for n in each.names).items() if count > 1]
    if twice and not problems:
        problems.append(config.problem(KEY, f"two of the libraries are called {twice[0]}"))
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(found)


def _members(path: Path, arch: Arch, tensorflow: str) -> Iterator[str]:
    """The libraries in a wheel; nothing for a file that is one itself."""
    if path.suffix != ".whl":
        if path.suffix != ".so":
            raise _Refused("neither a library (.so) nor a wheel (.whl)")
        if why := _why_not(read_elf(path), arch):
            raise _Refused(why)
        return
    with Wheel(path) as wheel:
        _require_tensorflow(wheel.facts().requires, tensorflow, arch)
        names = [name for name in wheel.elf_names() if name.endswith(".so")]  # not programs
        libraries = {name: parse_elf(wheel.read(name), name) for name in names}
    usable = [name for name, facts in libraries.items() if _why_not(facts, arch) is None]
    if not usable:
        name, facts = next(iter(libraries.items()), ("", None))
        why = f"; {name}: {_why_not(facts, arch)}" if facts else ""
        raise _Refused(f"no library of operators in it{why}")
    yield from sorted(usable)


def _why_not(facts: ElfFacts, arch: Arch) -> str | None:
    machine = arch.platform.elf_machine
    if facts.machine != machine:
        return f"it is for {facts.machine}, not for {machine} ({arch})"
    if facts.kind is not ElfKind.SHARED_LIBRARY:
        return "it is no shared library"
    if _FRAMEWORK not in facts.needed:
        return f"it does not need {_FRAMEWORK}, as each library of operators does"
    if any(name.startswith(_MODULE) for name in facts.exports):
        return "it is a module for Python"
    return None


def _require_tensorflow(requires: tuple[str, ...], version: str, arch: Arch) -> None:
    # Where the server runs, and without any extra: https://peps.python.org/pep-0508/#environment-markers
    target = {
        "extra": "",
        "platform_system": "Linux",
        "sys_platform": "linux",
        "platform_machine": arch.platform.machine,
    }
    for text in requires:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        if wanted.marker and not wanted.marker.evaluate(target):
            continue
        if wanted.name.lower() in _PACKAGES and not wanted.specifier.contains(version, prereleases=True):
            raise _Refused(
                f"it wants {wanted.name}{wanted.specifier}, and this server has TensorFlow {version}"
            )
