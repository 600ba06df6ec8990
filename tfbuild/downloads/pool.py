"""A few threads for work that waits for the network, and that never hold up the end of the process."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# After an interrupt: what all threads together get to end, before they are left to die with the process.
_STOP_S = 2.0
_POLL_S = 0.05


class Pool(Generic[Item, Result]):
    """Runs ``work(item, stop)`` for many items; ``work`` looks at ``stop`` and ends early when it is set.

    ``wake`` is called once ``stop`` is set, to unblock threads that wait for something else.
    """

    def __init__(self, work: Callable[[Item, threading.Event], Result], wake: Callable[[], None]) -> None:
        self._work = work
        self._wake = wake
        self._stop = threading.Event()
        self._todo: queue.SimpleQueue[tuple[int, Item]] = queue.SimpleQueue()
        self._results: dict[int, Result] = {}
        self._errors: list[BaseException] = []

    def run(self, items: Sequence[Item], workers: int) -> list[Result]:
        """The results in the order of ``items``; raises the first error, after stopping the rest.

        An exception in the calling thread (KeyboardInterrupt) stops all of them too, within seconds.
        """
        for numbered in enumerate(items):
            self._todo.put(numbered)
        threads = [
            # Daemons: one that is stuck in a connect must not delay the exit.
            threading.Thread(target=self._loop, daemon=True, name=f"tfbuild-{number}")
            for number in range(max(1, min(workers, len(items))))
        ]
        try:
            for thread in threads:
                thread.start()
            while not self._stop.is_set() and any(thread.is_alive() for thread in threads):
                time.sleep(_POLL_S)
        finally:
            self._end(threads)
        if self._errors:
            raise self._errors[0]
        return [self._results[number] for number in range(len(items))]

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                number, item = self._todo.get_nowait()
            except queue.Empty:
                return
            try:
                self._results[number] = self._work(item, self._stop)
            except BaseException as error:  # noqa: BLE001  (carried to the caller's thread)
                # What fails after the stop fails because of it.
                if not self._stop.is_set():
                    self._errors.append(error)
                    self._stop.set()

    def _end(self, threads: list[threading.Thread]) -> None:
        self._stop.set()
        self._wake()
        deadline = time.monotonic() + _STOP_S
        for thread in threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
