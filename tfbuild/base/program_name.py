"""How this program was called: ``invoke COMMAND``, or ``tfbuild COMMAND`` where it is installed.

Texts name commands as ``invoke COMMAND``; what reaches a terminal names the program that is running.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_INVOKE = "invoke"


class _Called:
    """The name, and what stands behind ``invoke`` where a command is meant."""

    name = _INVOKE
    command = re.compile("(?!)")


def call_it(name: str, commands: Iterable[str]) -> None:
    """From now on this program is ``name``; it has ``commands``."""
    _Called.name = name
    words = "|".join(re.escape(each) for each in (*commands, "COMMAND"))
    _Called.command = re.compile(rf"\b{_INVOKE} (?=(?:{words})(?![\w])|--[a-z])")


def program_name() -> str:
    """``invoke`` or ``tfbuild``."""
    return _Called.name


def as_called(text: str) -> str:
    """``text`` with the commands in it as a user of this program has to type them."""
    return text if _Called.name == _INVOKE else _Called.command.sub(f"{_Called.name} ", text)
