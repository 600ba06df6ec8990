"""The log of one program: complete, readable while it grows, without secrets in its header."""

from __future__ import annotations

import codecs
import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import TextIO

from tfbuild.base.errors import HostError

# CSI sequences, OSC sequences (window titles, links), and the remaining two- and three-byte escapes.
# https://www.ecma-international.org/publications-and-standards/standards/ecma-48/
_ANSI = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[()*+#%][0-9A-Za-z@]|[0-~])", re.ASCII
)
_LINE_END = re.compile(r"\r\n|\r|\n")


def strip_ansi(text: str) -> str:
    """``text`` without terminal escape sequences."""
    return _ANSI.sub("", text) if "\x1b" in text else text


class LineSplitter:
    r"""Turns bytes, however they are cut, into lines without ANSI sequences.

    ``\n``, ``\r\n`` and a lone ``\r`` (progress that redraws itself) end a line. Bytes that are not
    UTF-8 become U+FFFD. A line of more than ``limit`` characters is cut there, so that a program that
    never ends a line cannot fill the memory.
    """

    def __init__(self, limit: int = 1 << 20) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending: list[str] = []
        self._size = 0
        self._limit = limit
        self._after_cr = False

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes."""
        return self._take(self._decoder.decode(data))

    def close(self) -> list[str]:
        """What is left when no more bytes come: at most one line that never ended."""
        lines = self._take(self._decoder.decode(b"", final=True))
        rest = self._flush()
        return [*lines, rest] if rest else lines

    def _take(self, text: str) -> list[str]:
        if text and self._after_cr:
            # The \n of a \r\n that was cut in two: its line is out already.
            self._after_cr = False
            text = text.removeprefix("\n")
        if not text:
            return []
        self._after_cr = text.endswith("\r")
        lines: list[str] = []
        start = 0
        for end in _LINE_END.finditer(text):
            self._append(text[start : end.start()], lines)
            line = self._flush()
            # "\r10%\r20%" would otherwise give an empty line before each redraw.
            if line or end[0] != "\r":
                lines.append(line)
            start = end.end()
        self._append(text[start:], lines)
        return lines

    def _append(self, piece: str, lines: list[str]) -> None:
        while self._size + len(piece) > self._limit:
            room = self._limit - self._size
            self._pending.append(piece[:room])
            piece = piece[room:]
            lines.append(self._flush())
        if piece:
            self._pending.append(piece)
            self._size += len(piece)

    def _flush(self) -> str:
        line = strip_ansi("".join(self._pending))
        self._pending.clear()
        self._size = 0
        return line


_SECRET = re.compile(r"API|TOKEN|KEY|SECRET|PASS|CREDENTIAL", re.IGNORECASE)
# Narrower, because arguments are full of innocent names such as -DTFLITE_C_API=ON.
_SECRET_ARGUMENT = re.compile(r"(?i)([\w-]*(?:TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL)[\w-]*=)[^\s,]+")
_URL_USER = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_MASK = "***"


def masked_argument(argument: str) -> str:
    """``argument`` without the values of NAME=value pairs whose name says that it is secret."""
    return _SECRET_ARGUMENT.sub(rf"\1{_MASK}", _URL_USER.sub(_MASK, argument))


def masked_value(name: str, value: str) -> str:
    """``value`` as it may be shown: hidden when ``name`` says so; a URL loses its user and password."""
    return _MASK if _SECRET.search(name) else _URL_USER.sub(_MASK, value)


class LogFile:
    """A header, each line as it arrives, a footer; nothing at all when ``path`` is None.

    Raises:
        HostError: the file cannot be written.
    """

    def __init__(
        self, path: Path | None, argv: Sequence[str], cwd: Path | None, env: Mapping[str, str]
    ) -> None:
        self._path = path
        self._file: TextIO | None = None
        self._ended = False
        self._header = (
            f"# {shlex.join(masked_argument(a) for a in argv)}",
            f"# in {cwd or Path.cwd()}",
            f"# started {datetime.now(timezone.utc).isoformat(timespec='seconds')}",
            *(f"# env {name}={shlex.quote(masked_value(name, env[name]))}" for name in sorted(env)),
            "",
        )

    def __enter__(self) -> LogFile:
        if self._path is not None:
            with self._explained():
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("w", encoding="utf-8", errors="replace", newline="\n")
            self.write(self._header)
        return self

    def write(self, lines: Sequence[str]) -> None:
        """Add ``lines``; they are in the file when this returns."""
        if self._file is not None and lines:
            with self._explained():
                self._file.write("".join(f"{line}\n" for line in lines))
                self._file.flush()

    def end(self, how: str) -> None:
        """Write the footer."""
        self._ended = True
        self.write(("", f"# {how}"))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        try:
            if not self._ended:
                self.end("interrupted" if kind is KeyboardInterrupt else f"stopped: {error}")
        except HostError:
            # Why we leave matters more than a footer that could not be written.
            if kind is None:
                raise
        finally:
            with contextlib.suppress(OSError):
                self._file.close()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HostError(
                f"couldn't write the log {self._path}: {error.strerror}", hint="df -h; docker system df"
            ) from error
