"""Hashes that nobody published: recorded with the content proven, then enforced, never taken on faith."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.artifacts.git_tree import tree_id
from tfbuild.base.errors import ArchiveError, ChecksumError, ConfigError
from tfbuild.base.values import Pin, Unhashed
from tfbuild.releases.first_seen import obtain, prove
from tfbuild.releases.lock import Lock, Seen, lock_path, read_lock, write_lock

LOCK = "releases/1.0.lock.json"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    (folder / "WORKSPACE").write_text("workspace()\n")
    return folder


class World:
    """Downloads, unpacks and keeps; remembers what was kept."""

    def __init__(self, root: Path, content: Path) -> None:
        self.root = root
        self.content = content
        self.kept: list[Pin] = []
        self.warnings: list[str] = []
        self.broken: ArchiveError | None = None
        (root / "releases").mkdir()

    @property
    def arrived(self) -> Path:
        return self.root / "arrived.tar.gz"

    def obtain(self, tree: str, data: bytes = b"archive") -> tuple[Path, Pin]:
        source = Unhashed("s", ("https://example.org/s.tar.gz",), "s.tar.gz", "s", tree, LOCK)

        def download(_: Unhashed) -> tuple[Path, str]:
            self.arrived.write_bytes(data)
            return self.arrived, "https://mirror.example/s.tar.gz"

        def unpack(path: Path, source: Unhashed) -> Path:
            if self.broken:
                raise self.broken
            return self.content

        def keep(path: Path, pin: Pin) -> Path:
            self.kept.append(pin)
            return path

        return obtain(
            source,
            self.root,
            download=download,
            unpack=unpack,
            keep=keep,
            warn=self.warnings.append,
        )

    def lock(self) -> Lock:
        return read_lock(self.root / LOCK, LOCK)


@pytest.fixture
def world(tmp_path: Path, content: Path) -> World:
    return World(tmp_path, content)


def test_the_hash_of_proven_content_is_recorded_and_found_again(world: World) -> None:
    tree = tree_id(world.content)
    _, pin = world.obtain(tree)
    assert pin.sha256 == hashlib.sha256(b"archive").hexdigest()
    assert (pin.size, pin.filename, world.kept) == (7, "s.tar.gz", [pin])
    assert world.lock().sha256_of("s.tar.gz", tree) == pin.sha256
    (seen,) = world.lock().seen
    assert seen.url == "https://mirror.example/s.tar.gz"


def test_other_content_is_deleted_and_leaves_no_record(world: World) -> None:
    with pytest.raises(ChecksumError) as caught:
        world.obtain("0" * 40)
    assert "s.tar.gz is not the source that is pinned" in caught.value.message
    assert caught.value.details == (
        f"git tree expected {'0' * 40}",
        f"git tree actual   {tree_id(world.content)}",
    )
    assert not world.arrived.exists()
    assert (world.kept, world.lock()) == ([], Lock())


def test_a_record_for_another_tree_does_not_count(world: World) -> None:
    """A release file that moves to another commit is not held to the old archive, nor proven by it."""
    tree = tree_id(world.content)
    world.obtain(tree)
    assert world.lock().sha256_of("s.tar.gz", "1" * 40) is None
    assert world.lock().sha256_of("other.tar.gz", tree) is None


def test_a_project_that_cannot_be_written_is_a_warning(world: World) -> None:
    (world.root / "releases").rmdir()
    _, pin = world.obtain(tree_id(world.content))
    assert pin.sha256
    assert world.warnings == [
        "releases/1.0.lock.json cannot be written, the sha256 of the source is not recorded: "
        "No such file or directory"
    ]


def test_an_archive_that_cannot_be_unpacked_is_deleted(world: World) -> None:
    world.broken = ArchiveError("the archive is damaged")
    with pytest.raises(ArchiveError):
        world.obtain(tree_id(world.content))
    assert not world.arrived.exists()
    assert not world.lock().seen


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"version": 2, "seen": []}',
        '{"version": 1}',
        '{"version": 1, "seen": [{"filename": "a"}]}',
        '{"version": 1, "seen": [{"filename":"a","sha256":"00","tree":"0","size":1,"url":""}]}',
    ],
)
def test_a_broken_lock_is_an_error_and_not_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.lock.json").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_lock(tmp_path / "x.lock.json", "x.lock.json")
    assert str(caught.value.problems[0]).startswith("x.lock.json:1:")
    assert "not a lock file: " in str(caught.value.problems[0])
    assert "git checkout x.lock.json" in str(caught.value.hint)


def test_without_a_tree_nothing_is_asked(content: Path) -> None:
    prove(content, None, "a.tar.gz")
    prove(content, tree_id(content), "a.tar.gz")


hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
seens = st.builds(Seen, st.text(max_size=9), hexes, st.text(max_size=9), st.integers(0), st.text(max_size=9))


@given(st.lists(seens, max_size=6))
def test_what_is_written_is_read_again_and_the_last_word_counts(
    tmp_path_factory: pytest.TempPathFactory, all_seen: list[Seen]
) -> None:
    path = tmp_path_factory.mktemp("locks") / "a.lock.json"
    lock = Lock()
    for seen in all_seen:
        lock = lock.recorded(seen)
    write_lock(path, lock)
    assert read_lock(path, "a") == lock
    assert json.loads(path.read_text())["version"] == 1
    for name, last in {seen.filename: seen for seen in all_seen}.items():
        assert lock.sha256_of(name, last.tree) == last.sha256
    assert [entry.name for entry in path.parent.iterdir()] == ["a.lock.json"]


def test_the_lock_lies_beside_the_release() -> None:
    assert lock_path("a/2.20.0.yaml") == "a/2.20.0.lock.json"
