"""A terminal that is none."""

from __future__ import annotations

import os
import termios
import threading
import time
from typing import TextIO


class Terminal:
    """A pseudo-terminal; ``stream`` is what a program writes to, ``screen`` what arrived so far."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        self.stream: TextIO = os.fdopen(self._slave, "w", encoding="utf-8")
        self._chunks: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:
                return
            self._chunks.append(data)

    def attributes(self) -> object:
        return termios.tcgetattr(self._slave)

    def wait_for(self, text: str) -> None:
        while text not in b"".join(self._chunks).decode(errors="replace"):
            time.sleep(0.005)

    def screen(self) -> str:
        """Everything that was written, once the terminal is closed."""
        self.stream.close()
        self._reader.join()
        os.close(self._master)
        return b"".join(self._chunks).decode()
