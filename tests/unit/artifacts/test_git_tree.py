"""Git tree ids: as git has them, of any folder, and different as soon as anything that counts is."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfbuild.artifacts.git_tree import TreeEntry, entries_id, object_id, tree_id
from tfbuild.base.errors import ArchiveError

# https://git-scm.com/book/en/v2/Git-Internals-Git-Objects, and the ids that every repository knows.
EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


def git(folder: Path, *arguments: str) -> str:
    settings = ("-c", "core.autocrlf=false", "-c", "core.fileMode=true")
    command = ("git", *settings, f"--git-dir={folder.parent / 'git'}", f"--work-tree={folder}", *arguments)
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tree").mkdir()
    return tmp_path / "tree"


def fill(folder: Path) -> None:
    """What makes trees hard: names that sort oddly, modes, links, empty folders."""
    for name in ("a.b", "a-b", "a0", "a/inner", "z/deep/er/file", "ünïcode", "with space", ".hidden"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}\n", encoding="utf-8")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "a0").chmod(0o640)
    (folder / "empty").touch()
    (folder / "link").symlink_to("a/inner")
    (folder / "dangling").symlink_to("no/where")
    (folder / "folder-link").symlink_to("z", target_is_directory=True)
    (folder / "nothing" / "below").mkdir(parents=True)


def test_objects_that_every_repository_has() -> None:
    assert object_id("blob", b"") == EMPTY_BLOB
    assert object_id("blob", b"test content\n") == "d670460b4b4aece5915caf5c68d12f560a9fe3e4"
    assert entries_id(()) == EMPTY_TREE


def test_an_empty_folder_is_the_empty_tree(folder: Path) -> None:
    (folder / "empty" / "too").mkdir(parents=True)
    assert tree_id(folder) == EMPTY_TREE


@pytest.mark.real_processes
def test_the_id_is_the_one_that_git_writes(folder: Path) -> None:
    fill(folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all", "--force", ".")
    tree = git(folder, "write-tree")
    assert tree_id(folder) == tree
    inner = git(folder, "ls-tree", tree, "z").split()[2]
    assert tree_id(folder / "z") == inner


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "a0").write_text("content of a1\n"),
        lambda folder: (folder / "a0").rename(folder / "a1"),
        lambda folder: (folder / "a0").chmod(0o755),
        lambda folder: (folder / "run.sh").chmod(0o644),
        lambda folder: (folder / "empty").unlink(),
        lambda folder: (folder / "z" / "new").touch(),
        lambda folder: ((folder / "link").unlink(), (folder / "link").symlink_to("a.b")),
        lambda folder: ((folder / "link").unlink(), (folder / "link").write_text("a/inner")),
    ],
)
def test_whatever_counts_changes_it(folder: Path, change: object) -> None:
    fill(folder)
    before = tree_id(folder)
    change(folder)  # type: ignore[operator]
    assert tree_id(folder) != before


def test_times_and_other_bits_do_not_count(folder: Path) -> None:
    fill(folder)
    before = tree_id(folder)
    os.utime(folder / "a0", (1, 1))
    (folder / "a0").chmod(0o604)
    (folder / "run.sh").chmod(0o700)
    (folder / "another").mkdir()
    assert tree_id(folder) == before


def test_what_no_commit_can_hold_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(ArchiveError, match=r"neither file, folder nor link: .*pipe"):
        tree_id(folder)


def test_an_archive_has_the_id_of_what_it_was_made_of(folder: Path, tmp_path: Path) -> None:
    fill(folder)
    with tarfile.open(tmp_path / "a.tar.xz", "w:xz") as tar:
        tar.add(folder, arcname="top")
    with tarfile.open(tmp_path / "a.tar.xz") as tar:
        tar.extractall(tmp_path / "out", filter="tar")
    assert tree_id(tmp_path / "out" / "top") == tree_id(folder)


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=8).map(
    str.encode
)
entries = st.builds(
    TreeEntry, st.sampled_from(("100644", "100755", "120000", "40000")), names, st.just(EMPTY_BLOB)
)


@given(st.lists(entries, unique_by=lambda entry: entry.name, max_size=12), st.randoms())
@settings(max_examples=50)
def test_the_order_in_which_a_folder_is_read_does_not_matter(lines: list[TreeEntry], random: object) -> None:
    shuffled = list(lines)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert entries_id(shuffled) == entries_id(lines)


def test_a_folder_sorts_as_if_it_ended_in_a_slash() -> None:
    """a-b, a.b, a/, a0: the slash stands between the point and the zero."""
    lines = [TreeEntry("40000", b"a", EMPTY_TREE)]
    lines += [TreeEntry("100644", name, EMPTY_BLOB) for name in (b"a-b", b"a.b", b"a0")]
    ordered = sorted(lines, key=lambda entry: entry.sort_key)
    assert [line.name for line in ordered] == [b"a-b", b"a.b", b"a", b"a0"]
