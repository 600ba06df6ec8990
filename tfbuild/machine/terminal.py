"""The one way to stdout and stderr: text is made printable, and no state of a stream ends in a traceback.

A stream may be closed, may lose its reader (``| head``) or may have an encoding that lacks a character; the
command then goes on and ends with the exit code that it has of itself.
"""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from tfbuild.base.printable import defused, printable
from tfbuild.base.program_name import as_called


def prepare_streams() -> None:
    """Make stdin, stdout and stderr usable, whatever the caller left of them; a second call changes nothing.

    A closed descriptor would be given to the next file that is opened, and what a library prints would then
    be written into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free, which is this one
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - as long as we live
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # Line by line, so that our lines and those of other programs come in order.
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _tell_bug


def write_lines(lines: Iterable[str], stream: TextIO | None = None) -> None:
    """Write each of ``lines`` as one line to ``stream`` (else stdout), control characters escaped."""
    stream = sys.stdout if stream is None else stream
    github = os.environ.get("GITHUB_ACTIONS") == "true"
    for line in lines:
        shown = printable(as_called(line))
        write_raw(f"{defused(shown) if github else shown}\n", stream)


def write_text(text: str, stream: TextIO | None = None) -> None:
    """Write a text whose newlines are meant, as :func:`tfbuild.base.printable.joined` makes one."""
    write_lines(text.removesuffix("\n").split("\n"), stream)


def write_json(document: Any) -> None:
    """Write a document to stdout, for programs: JSON in ASCII, which has escapes of its own."""
    write_raw(as_called(json.dumps(document, indent=2, default=str)) + "\n", sys.stdout)


def write_raw(text: str, stream: TextIO | None) -> None:
    """Write ``text`` as it is: our own styling and what is escaped already.

    :raises OSError: stdout cannot take it although somebody is there to read, as on a full disk.
    """
    if stream is None or stream.closed:
        return
    try:
        stream.write(encodable(text, stream))
        stream.flush()
    except BrokenPipeError:
        silence(stream)
    except OSError:
        silence(stream)
        if stream is sys.stdout:  # a result that is lost is a failure; a message is not
            raise


def encodable(text: str, stream: TextIO) -> str:
    """``text`` without what the stream's encoding (that of an ASCII locale) cannot express."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return (
            text.replace("…", "...").replace("✓", "ok").encode(encoding, "backslashreplace").decode(encoding)
        )
    return text


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits at the other end; a stream that is closed has nobody."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


class Sturdy(io.TextIOBase):
    """``stream`` as a file that never fails, for libraries that write their styled text themselves."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._stream.encoding or "utf-8"

    def write(self, text: str) -> int:
        write_raw(text, self._stream)
        return len(text)

    def flush(self) -> None:
        write_raw("", self._stream)

    def isatty(self) -> bool:
        return not self._stream.closed and self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()


def silence(stream: TextIO) -> None:
    """What is written from now on, also at the end of the process, goes nowhere."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _tell_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Python's own text of an exception that nobody expected; its message may come from outside."""
    for text in traceback.format_exception(kind, error, trace):
        write_text(text, sys.stderr)
