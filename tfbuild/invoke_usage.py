"""Exit code 2 for a command line that invoke itself refuses: an unknown flag, a missing value or task.

invoke answers 1, which means a bug here (https://docs.pyinvoke.org/en/stable/concepts/invoking-tasks.html).
Its own way to change that is a program of one's own, but then the command would not be ``invoke``.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterable

from invoke.exceptions import Exit, ParseError
from invoke.program import Program

from tfbuild.errors import ExitCode, UsageError
from tfbuild.suggest import did_you_mean
from tfbuild.terminal import prepare_streams, silence

_UNKNOWN = re.compile(r"No idea what '(.+)' is!")
_MISSING = re.compile(r"'.+' did not receive required positional arguments: (.+)")
_NO_VALUE = re.compile(r"Flag <Argument: ([^ >]+).*> needed value")


def exit_with_usage(program: Program) -> None:
    """Make ``program`` answer its own parse errors in our words and with our exit code."""
    prepare_streams()  # also for what invoke prints itself
    parse = program.parse_tasks

    def parse_tasks() -> None:
        from tfbuild.ui import render_error

        _fill_positional(program.core.unparsed)
        try:
            parse()
        except ParseError as error:
            render_error(_explained(error, program.collection.task_names))
            raise Exit(code=int(ExitCode.USAGE)) from error

    program.parse_tasks = parse_tasks  # type: ignore[method-assign]
    _let_readers_leave(program)


def _let_readers_leave(program: Program) -> None:
    """What invoke prints itself (``--list | head -1``) ends without a traceback too."""
    answer = program.parse_cleanup

    def parse_cleanup() -> None:
        try:
            answer()
        except OSError as error:
            silence(sys.stdout)
            if isinstance(error, BrokenPipeError):
                raise Exit(code=int(ExitCode.OK)) from error
            raise Exit(f"error: {error.strerror}", code=int(ExitCode.HOST_NOT_READY)) from error

    program.parse_cleanup = parse_cleanup  # type: ignore[method-assign]


def _fill_positional(words: list[str]) -> None:
    """``invoke diagnose --host-facts`` is complete without its argument.

    invoke knows positional arguments without a default only.
    """
    pairs = itertools.pairwise(words)
    values = ("--facts", "--html")  # the word behind these is theirs
    given = any(
        word.startswith("--image") or not (word.startswith("-") or before in values) for before, word in pairs
    )
    if words[:1] == ["diagnose"] and "--host-facts" in words and not given:
        words.insert(1, "--image=")


def _explained(error: ParseError, tasks: Iterable[str]) -> UsageError:
    task = error.context.name if error.context else None
    hint = f"invoke --help {task}" if task else "invoke --list"
    if no_value := _NO_VALUE.match(str(error)):
        return UsageError(f"--{no_value[1].replace('_', '-')} needs a value", hint=hint)
    if missing := _MISSING.fullmatch(str(error)):
        return UsageError(f"invoke {task} needs {missing[1]}", hint=hint)
    unknown = _UNKNOWN.fullmatch(str(error))
    if not unknown:
        return UsageError(str(error).rstrip("."), hint=hint)
    word = unknown[1]
    if not word.startswith("-"):
        return UsageError(f"unknown command '{word}'{did_you_mean(word, tasks)}", hint="invoke --list")
    flags = error.context.flags if error.context else ()
    where = f" of invoke {task}" if task else ""
    return UsageError(f"unknown option '{word}'{where}{did_you_mean(word, flags)}", hint=hint)
