"""What the options of commands can have for a value, for the completion of command lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.errors import TfBuildError
from tfbuild.base.places import search_path
from tfbuild.base.project import PROJECT
from tfbuild.cli.guide.explain import everything
from tfbuild.cli.guide.keys import keys
from tfbuild.cli.line.own_files import user_places
from tfbuild.products import table

# Those of an option that has the same ones in every command.
_FIXED: Mapping[str, tuple[str, ...]] = {
    "--arch": tuple(map(str, Arch)),
    "--fail-on": ("security", "yanked", "any"),
    "--from": ("source", "wheel"),
    "--require": ("signature", "sbom", "provenance", "reproducible"),
    "--variant": ("cpu", "gpu"),
}
_NAMES_A_CONFIG = {"show-config"}
# Where the id of a build can stand.
_BUILDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("benchmark", "compare", "run"), ("--target",)),
    **dict.fromkeys(("report", "shell"), ("--build",)),
}


def values_of(command: str, option: str, typed: Mapping[str, str], word: str) -> Sequence[str]:
    """The values of ``option`` that can be listed, in the order in which they are best read; none where only
    a file or a free word can stand, or where a file of the project that would tell is broken."""
    try:
        return _values(command, option, typed, word)
    except TfBuildError:
        return ()


def _values(command: str, option: str, typed: Mapping[str, str], word: str) -> Sequence[str]:
    if option in _FIXED:
        return _FIXED[option]
    if option == "--product":
        return table.names()
    if option == "--policy":
        return _policies()
    if option == "--release":
        return _releases(command, typed)
    if option == "--extends":
        return search_path(PROJECT, user_places()).names()
    if option == "--config" or (option == "--name" and command in _NAMES_A_CONFIG):
        return _configs()
    if option in _BUILDS.get(command, ()):
        return [*(_configs() if command == "compare" else ()), *_builds(typed.get("--output") or "dist")]
    if option == "--set":
        return _settings(word)
    if option == "--prefix":
        return [each.key for each in keys()]
    if option == "--word":
        return list(dict.fromkeys(each.word for each in everything()))
    return ()


def _configs() -> Sequence[str]:
    return [each.name for each in table.list_configs(PROJECT, user_places())]


def _builds(dist: str) -> Sequence[str]:
    from tfbuild.compare.read import builds_in  # verification comes along, which nothing else here needs

    return [owner for owner, _ in builds_in(Path(dist))]


def _policies() -> Sequence[str]:
    return search_path(PROJECT, user_places(), "policies").names()


def _releases(command: str, typed: Mapping[str, str]) -> Sequence[str]:
    asked = typed.get("--product") or command.removeprefix("build-")
    asked = "serving" if command == "check-upstream" else asked
    releases = table.list_releases(PROJECT)
    return list(
        dict.fromkeys(
            each.release for each in releases if each.product == asked or asked not in table.names()
        )
    )


def _settings(word: str) -> Sequence[str]:
    """``KEY=``, and behind a key that has them its values."""
    settable = {each.key: each for each in keys() if each.set}
    name, equals, _ = word.partition("=")
    if not equals:
        return [f"{key}=" for key in settable]
    if name == "policy":
        return [f"{name}={each}" for each in _policies()]
    choices = settable[name].value.split(", ") if name in settable else []
    return [f"{name}={each}" for each in choices] if len(choices) > 1 else []
