"""How a command ends: what went wrong becomes text on stderr and an exit code."""

from __future__ import annotations

import errno
import functools
import json
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from tfbuild.base.errors import ExitCode, HostError, Interrupted, TfBuildError

# What a disk or its owner refuses is no bug of ours, wherever it happens.
_HOST_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO})

Command = TypeVar("Command", bound=Callable[..., Any])


def run_command(command: Callable[[], int]) -> int:
    """Run ``command`` and turn what went wrong into text on stderr and an exit code.

    TFBUILD_DEBUG=1 shows the traceback of an expected error too.
    """
    from tfbuild.cli.console import render_error
    from tfbuild.machine.interrupts import install_signal_handlers

    # Line by line, so that our lines and those of other programs come in order.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(line_buffering=True)
    try:
        with install_signal_handlers():
            return int(command())
    except TfBuildError as error:
        if os.environ.get("TFBUILD_DEBUG"):
            raise
        render_error(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        render_error(Interrupted("interrupted", hint="the same command continues"))
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:  # the reader of our output left, as with "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except OSError as error:
        if error.errno not in _HOST_ERRORS:
            raise
        render_error(_host_error(error))
        return int(ExitCode.HOST_NOT_READY)


def _host_error(error: OSError) -> HostError:
    place = str(error.filename or "")
    hint = "df -h" if error.errno in {errno.ENOSPC, errno.EDQUOT} else "invoke doctor"
    return HostError(error.strerror or str(error), details=(place,) if place else (), hint=hint)


def print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")


def friendly(command: Command) -> Command:
    """Decorator of tasks: whatever the task returns or raises becomes the exit code of ``invoke``."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        code = run_command(lambda: command(*args, **kwargs) or 0)
        if code:
            raise SystemExit(code)

    return wrapper  # type: ignore[return-value]
