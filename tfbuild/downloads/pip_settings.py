"""Which indexes the host's pip is configured with."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass

from tfbuild.base.errors import HostError
from tfbuild.machine.programs import Runner

# What pip's own command line would override, in that order: https://pip.pypa.io/en/stable/topics/configuration/
_SECTIONS = ("global", "download", ":env:")
# pip._internal.utils.misc.strtobool
_TRUE = {"1", "true", "t", "yes", "y", "on"}


@dataclass(frozen=True)
class IndexSettings:
    """What pip would ask: indexes in their order, and folders or pages with links."""

    indexes: tuple[str, ...]
    find_links: tuple[str, ...]


def find_pip(runner: Runner) -> tuple[str, ...]:
    """The command of the host's pip: that of this Python, else what PATH has.

    :raises HostError: there is none.
    """
    for command in ((sys.executable, "-m", "pip"), ("python3", "-m", "pip"), ("pip3",), ("pip",)):
        try:
            if runner.capture((*command, "--version"), timeout_s=60).ok:
                return command
        except HostError:
            continue
    raise HostError(
        "there is no pip on this machine", hint="apt install python3-pip, or python3 -m ensurepip"
    )


def pip_settings(runner: Runner) -> IndexSettings:
    """The indexes of the host's pip: its files and its environment, else the public index, its default."""
    # Slow to import, and most commands ask no index.
    from pypi_simple import PYPI_SIMPLE_ENDPOINT

    pip = find_pip(runner)
    listed = runner.capture((*pip, "config", "list"), timeout_s=60)
    if not listed.ok:
        raise HostError(
            "pip config list failed: the package indexes of this machine are unknown",
            details=tuple(listed.stderr.splitlines()[-5:]),
            hint="python3 -m pip config debug shows which files pip reads",
        )
    return parse_settings(listed.stdout, PYPI_SIMPLE_ENDPOINT)


def parse_settings(config_list: str, default_index: str) -> IndexSettings:
    """From ``pip config list``; ``default_index`` is asked where that names none.

    Like pip, an empty value counts as none. ``no-index`` leaves the links alone.
    """
    values: dict[str, tuple[int, str]] = {}
    for line in config_list.splitlines():
        key, equals, literal = line.partition("=")
        section, _, name = key.rpartition(".")
        value = _literal(literal)
        if not equals or not value.strip() or section not in _SECTIONS:
            continue
        rank = _SECTIONS.index(section)
        if rank >= values.get(name, (-1, ""))[0]:
            values[name] = (rank, value)
    words = {name: value.split() for name, (_, value) in values.items()}
    find_links = tuple(words.get("find-links", ()))
    if "".join(words.get("no-index", ())).lower() in _TRUE:
        return IndexSettings((), find_links)
    own = words.get("index-url") or (default_index,)
    return IndexSettings(tuple(dict.fromkeys((*own, *words.get("extra-index-url", ())))), find_links)


def _literal(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text
