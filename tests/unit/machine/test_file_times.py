"""Times of files that BuildKit is given."""

from __future__ import annotations

import os
from pathlib import Path

from tfbuild.machine.files import mark_files

EPOCH = 1_755_567_607


def made(folder: Path, content: bytes) -> Path:
    folder.mkdir()
    file = folder / "server"
    file.write_bytes(content)
    os.utime(file, (EPOCH, EPOCH))
    (folder / "same").symlink_to("server")
    mark_files(folder)
    return file


def test_equal_size_and_time_but_other_content_becomes_another_time(tmp_path: Path) -> None:
    one, other, again = (
        made(tmp_path / name, content) for name, content in (("a", b"one"), ("b", b"two"), ("c", b"one"))
    )
    assert one.stat().st_mtime_ns != other.stat().st_mtime_ns
    assert one.stat().st_mtime_ns == again.stat().st_mtime_ns


def test_the_second_stays_that_of_the_release(tmp_path: Path) -> None:
    assert made(tmp_path / "a", b"one").stat().st_mtime_ns // 10**9 == EPOCH
