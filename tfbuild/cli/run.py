"""How a command ends: what went wrong becomes text on stderr and an exit code."""

from __future__ import annotations

import functools
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from tfbuild.base.errors import Interrupted, TfBuildError
from tfbuild.cli.environment import check_environment, debug_wanted
from tfbuild.machine.path_words import expected_error
from tfbuild.machine.terminal import prepare_streams, write_text

Command = TypeVar("Command", bound=Callable[..., Any])


def run_command(command: Callable[[], int], typed: Sequence[str] = ()) -> int:
    """Run ``command`` and turn what went wrong into text on stderr and an exit code.

    ``typed`` are the words of the command line: a file that one of them names and that cannot be used is a
    wrong argument. TFBUILD_DEBUG=1 shows the traceback of an expected error too.
    """
    from tfbuild.cli.console import render_error
    from tfbuild.machine.interrupts import install_signal_handlers

    prepare_streams()
    try:
        check_environment(os.environ)
        with install_signal_handlers():
            return int(command())
    except TfBuildError as error:
        expected = error
    except KeyboardInterrupt:
        expected = Interrupted("interrupted", hint="the same command continues")
    except (OSError, ValueError) as error:
        found = expected_error(error, typed)
        if found is None:
            raise
        found.__cause__ = error
        expected = found
    if debug_wanted(os.environ):
        write_text("".join(traceback.format_exception(expected)), sys.stderr)
    render_error(expected)
    return int(expected.exit_code)


def friendly(command: Command) -> Command:
    """Decorator of tasks: whatever the task returns or raises becomes the exit code of ``invoke``."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        typed = tuple(_strings([*args, *kwargs.values()]))
        code = run_command(lambda: command(*args, **kwargs) or 0, typed)
        if code:
            raise SystemExit(code)

    return wrapper  # type: ignore[return-value]


def _strings(values: Sequence[Any]) -> Iterator[str]:
    """The words among the arguments of a task, those of repeatable options too."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from _strings(value)
