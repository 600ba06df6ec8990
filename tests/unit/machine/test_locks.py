"""Locks between processes, and what they say about their holders."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tfbuild.base.errors import HostError, LockedError
from tfbuild.machine.locks import hold, holder_of

pytestmark = [pytest.mark.real_processes, pytest.mark.timeout(60)]

_CONTEXT = multiprocessing.get_context("fork")


def _hold_until(lock: Path, pipe: Connection) -> None:
    with hold(lock, what="building tflite-2.20.0-opt-arm64", wait_s=0, on_wait=lambda _text: None):
        pipe.send("held")
        pipe.poll(50)


@contextmanager
def other_process(lock: Path) -> Iterator[tuple[int, Callable[[], None]]]:
    """Another process that holds ``lock``: its id, and what makes it let go."""
    here, there = _CONTEXT.Pipe()
    child = _CONTEXT.Process(target=_hold_until, args=(lock, there))
    child.start()
    assert here.recv() == "held"
    try:
        yield child.pid or 0, lambda: here.send("let go")
    finally:
        here.send("let go")
        child.join(30)


def test_the_one_who_comes_second_learns_who_holds_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "deep" / "build.lock"
    told: list[str] = []
    with other_process(lock) as (pid, _release):
        with pytest.raises(LockedError) as failure, hold(lock, what="x", wait_s=0, on_wait=told.append):
            pytest.fail("two hold the lock")
        assert failure.value.exit_code == 9
        for part in ("building tflite-2.20.0-opt-arm64", f"process {pid}", "since 20", "UTC"):
            assert part in failure.value.message
        assert str(pid) in str(failure.value.hint)
        assert told == []
        with pytest.raises(LockedError), hold(lock, what="x", wait_s=0.3, on_wait=told.append):
            pytest.fail("two hold the lock")
    assert len(told) == 1
    assert f"process {pid}" in told[0]


def test_who_waits_goes_on_when_the_lock_is_free(tmp_path: Path) -> None:
    lock = tmp_path / "build.lock"
    with (
        other_process(lock) as (pid, release),
        hold(lock, what="mine", wait_s=30, on_wait=lambda _text: release()),
    ):
        holder = holder_of(lock)
        assert holder is not None
        assert (holder.pid, holder.what) == (os.getpid(), "mine")
        assert holder.pid != pid
    assert holder_of(lock) is None


def test_a_killed_holder_blocks_nobody(tmp_path: Path) -> None:
    lock = tmp_path / "build.lock"
    with other_process(lock) as (pid, _release):
        os.kill(pid, signal.SIGKILL)
        with hold(lock, what="next", wait_s=30, on_wait=lambda _text: None):
            pass


@pytest.mark.parametrize("note", ["", "no JSON", "[]", '{"pid": "x"}', '{"pid": 1e400}', "{}"])
def test_a_broken_note_only_makes_the_message_poorer(tmp_path: Path, note: str) -> None:
    lock = tmp_path / "build.lock"
    with other_process(lock):
        (tmp_path / "build.lock.holder").write_text(note)
        with (
            pytest.raises(LockedError, match="left no note"),
            hold(lock, what="x", wait_s=0, on_wait=lambda _text: None),
        ):
            pytest.fail("two hold the lock")


def test_a_note_of_a_dead_process_is_not_believed(tmp_path: Path) -> None:
    child = _CONTEXT.Process(target=os.getpid)
    child.start()
    child.join()
    note = tmp_path / "build.lock.holder"
    note.write_text(json.dumps({"pid": child.pid, "since": "2020", "what": "building"}))
    assert holder_of(tmp_path / "build.lock") is None
    with hold(tmp_path / "build.lock", what="x", wait_s=0, on_wait=lambda _text: None):
        assert holder_of(tmp_path / "build.lock") is not None


def test_two_threads_exclude_each_other_too(tmp_path: Path) -> None:
    lock = tmp_path / "build.lock"
    outcome: list[str] = []

    def contend() -> None:
        try:
            with hold(lock, what="second", wait_s=0, on_wait=lambda _text: None):
                outcome.append("held")
        except LockedError:
            outcome.append("locked")

    with hold(lock, what="first", wait_s=0, on_wait=lambda _text: None):
        thread = threading.Thread(target=contend)
        thread.start()
        thread.join()
        contend()
    contend()
    assert outcome == ["locked", "locked", "held"]


def test_a_wait_can_be_cancelled(tmp_path: Path) -> None:
    lock = tmp_path / "build.lock"
    with (
        other_process(lock),
        pytest.raises(LockedError),
        hold(lock, what="x", wait_s=1000, on_wait=lambda _text: None, cancelled=lambda: True),
    ):
        pytest.fail("two hold the lock")


def test_an_error_inside_releases_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "build.lock"
    with pytest.raises(KeyError), hold(lock, what="x", wait_s=0, on_wait=lambda _text: None):
        raise KeyError
    with hold(lock, what="x", wait_s=0, on_wait=lambda _text: None):
        pass


def test_a_lock_that_cannot_be_made_is_a_matter_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(HostError, match="cannot make the lock file"),
        hold(tmp_path / "file" / "x.lock", what="x", wait_s=0, on_wait=lambda _text: None),
    ):
        pytest.fail("held")
