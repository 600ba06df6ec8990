"""An error for programs: what a command with ``--json`` prints on stdout where it has no result."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from tfbuild.base.documents import dump
from tfbuild.base.errors import ConfigError, TfBuildError
from tfbuild.base.printable import printable
from tfbuild.machine.terminal import write_json


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A place in a configuration; ``line`` and ``column`` count from 1, line 0 is an argument."""

    path: str
    line: int
    column: int
    message: str


@dataclass(frozen=True, kw_only=True)
class ErrorEntry:
    """What happened, facts about it, and the next step; ``log`` is the complete log of a failed step."""

    exit_code: int
    message: str
    details: tuple[str, ...]
    problems: tuple[Problem, ...]
    hint: str | None
    log: str | None


@dataclass(frozen=True, kw_only=True)
class ErrorDocument:
    """What any command with ``--json`` prints when it ends with an error."""

    version: Literal[1] = 1
    error: ErrorEntry


def error_document(error: TfBuildError) -> ErrorDocument:
    """``error`` as a document; its texts as a terminal shows them."""
    found = error.problems if isinstance(error, ConfigError) else ()
    problems = tuple(
        Problem(
            path=printable(each.path), line=each.line, column=each.column, message=printable(each.message)
        )
        for each in found
    )
    return ErrorDocument(
        error=ErrorEntry(
            exit_code=int(error.exit_code),
            message=printable(error.message),
            details=() if problems else tuple(map(printable, error.details)),
            problems=problems,
            hint=printable(error.hint) if error.hint else None,
            log=printable(str(error.log)) if error.log else None,
        )
    )


def write_error(error: TfBuildError) -> None:
    """Print the document. A stdout that takes nothing is no further error: stderr has the text."""
    with suppress(OSError):
        write_json(dump(error_document(error)))
