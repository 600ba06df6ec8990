"""``tfbuild --print-completion-script SHELL``: scripts of our own.

invoke's for zsh knows no words without compinit, and its one for fish completes no names of files; ``invoke``
prints them before it reads a ``tasks.py``, which could change that.
"""

from __future__ import annotations

from collections.abc import Sequence

from tfbuild.base.errors import UsageError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import one_of

_OPTION = "--print-completion-script"
_SHELLS = ("bash", "zsh", "fish")
_FOLDER = PROJECT / "toolchains" / "completion"


def completion_script(words: Sequence[str], program: str) -> str | None:
    """The script that the command line ``words`` asks for; None where it asks for none.

    :raises UsageError: there is no script for that shell.
    """
    option, equals, shell = words[0].partition("=") if words else ("", "", "")
    if option != _OPTION:
        return None
    shell = shell if equals else "".join(words[1:2])
    if shell not in _SHELLS:
        raise UsageError(f"{_OPTION} takes {one_of(_SHELLS)}, not '{shell}'", hint=f"{program} --help")
    text = (_FOLDER / f"completion.{shell}").read_text(encoding="utf-8")
    return text.replace("@PROGRAM@", program)
