"""SIGINT, SIGTERM and SIGHUP: all three are a KeyboardInterrupt in the main thread, at a time that suits."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

_INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class HeldSignals:
    """How many signals arrived while they were held."""

    count: int = 0


@contextlib.contextmanager
def hold_signals(*, swallow: bool = False) -> Iterator[HeldSignals]:
    """Let no KeyboardInterrupt be raised inside; raise it at the end, unless ``swallow``.

    Outside the main thread, where Python raises none, this does nothing.
    """
    held = HeldSignals()
    if threading.current_thread() is not threading.main_thread():
        yield held
        return

    def count(_number: int, _frame: FrameType | None) -> None:
        held.count += 1

    # Only those that would raise: an ignored signal stays ignored, a deadly one stays deadly.
    before = {n: h for n in _INTERRUPTS if callable(h := signal.getsignal(n))}
    try:
        for number in before:
            signal.signal(number, count)
        yield held
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if held.count and not swallow:
        raise KeyboardInterrupt


@contextlib.contextmanager
def install_signal_handlers() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt in the main thread, as SIGINT does.

    SIGINT is set too: a script that starts this program with ``&`` makes it ignored, and an explicit
    ``kill -INT`` should still work. SIGHUP stays ignored where it is (nohup). The old handlers come
    back at the end. Only the main thread may call this.
    """
    before = {
        number: signal.getsignal(number)
        for number in _INTERRUPTS
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN
    }

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        for number in before:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            # None: a handler that was not set from Python; it cannot be put back.
            if handler is not None:
                signal.signal(number, handler)
