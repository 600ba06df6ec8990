"""Locks between processes that say who holds them.

The lock itself is ``flock`` through :mod:`filelock`: the kernel releases it when its process ends, however
that happens. What the holder is doing stands in a note beside it, which only explains and never decides.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from tfbuild.base.errors import HostError, LockedError

# Short enough that nobody notices the wait, long enough to cost nothing.
_POLL_S = 0.2


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: process id, start in UTC (ISO 8601), and what it is doing."""

    pid: int
    since: str
    what: str

    def __str__(self) -> str:
        return f"{self.what}, process {self.pid}, since {self.since}"


def _never() -> bool:
    return False


@contextmanager
def hold(
    lock_file: Path,
    *,
    what: str,
    wait_s: float,
    on_wait: Callable[[str], None],
    cancelled: Callable[[], bool] = _never,
) -> Iterator[None]:
    """Hold ``lock_file`` while the block runs.

    ``what`` tells others what is being done (``building tflite-2.20.0-opt-arm64``). When another process
    holds the lock, ``on_wait`` is called once with a sentence that says who, and up to ``wait_s`` seconds
    are waited (0: not at all, and then without that sentence). ``cancelled`` ends the wait early.

    :raises LockedError: the lock was not free within ``wait_s`` seconds, or the wait was cancelled.
    :raises HostError: the lock file cannot be made.
    """
    lock = _acquire(lock_file, wait_s, on_wait, cancelled)
    note = _note_of(lock_file)
    try:
        _write_note(note, what)
        yield
    finally:
        # Before the release: afterwards the note may already be the next holder's.
        with suppress(OSError):
            note.unlink()
        lock.release()


def holder_of(lock_file: Path) -> Holder | None:
    """Who holds ``lock_file`` by the note beside it; None when there is none or its process is gone."""
    try:
        data = json.loads(_note_of(lock_file).read_text(encoding="utf-8"))
        holder = Holder(pid=int(data["pid"]), since=str(data["since"]), what=str(data["what"]))
    except (OSError, ValueError, OverflowError, KeyError, TypeError):
        return None
    return holder if holder.pid > 0 and _is_alive(holder.pid) else None


def _acquire(
    lock_file: Path, wait_s: float, on_wait: Callable[[str], None], cancelled: Callable[[], bool]
) -> FileLock:
    deadline = time.monotonic() + wait_s
    lock = _try(lock_file)
    if lock is None and wait_s > 0:
        on_wait(f"waiting for another process: {_description(lock_file)}")
    while lock is None:
        left = deadline - time.monotonic()
        if left <= 0 or cancelled():
            raise _locked(lock_file, wait_s)
        time.sleep(min(_POLL_S, left))
        lock = _try(lock_file)
    return lock


def _try(lock_file: Path) -> FileLock | None:
    try:
        lock_file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(lock_file)
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except OSError as error:
        raise HostError(
            f"cannot make the lock file {lock_file}: {error.strerror or error}",
            hint="make its folder writable, or set TFBUILD_CACHE_DIR to another one",
        ) from error
    return lock


def _locked(lock_file: Path, wait_s: float) -> LockedError:
    holder = holder_of(lock_file)
    waited = f" (waited {wait_s:g} s)" if wait_s else ""
    return LockedError(
        f"another process holds the lock{waited}: {_description(lock_file)}",
        details=(f"Lock: {lock_file}",),
        hint=f"wait for it to end, or stop it: kill -INT {holder.pid}" if holder else "wait for it to end",
    )


def _description(lock_file: Path) -> str:
    holder = holder_of(lock_file)
    return str(holder) if holder else "one that left no note about itself"


def _note_of(lock_file: Path) -> Path:
    return lock_file.with_name(lock_file.name + ".holder")


def _write_note(note: Path, what: str) -> None:
    since = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
    text = json.dumps(asdict(Holder(os.getpid(), since, what)))
    # The lock is held already; a full disk must not turn a mere note into a failure.
    with suppress(OSError):
        note.write_text(text, encoding="utf-8")


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
