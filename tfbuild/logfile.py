"""The log of one program: complete, readable while it grows, without secrets in its header."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import TextIO

from tfbuild.errors import HostError

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
