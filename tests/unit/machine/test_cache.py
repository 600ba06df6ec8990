"""The cache folder: found, made, and emptied without harm."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.builds import Build
from tfbuild.base.errors import HostError, UsageError
from tfbuild.machine.cache import SUBFOLDERS, TAG_NAME, cache_problem, cache_root, clear_cache, prepare_cache


def test_the_own_variable_wins_over_xdg(tmp_path: Path) -> None:
    env = {"TFBUILD_CACHE_DIR": str(tmp_path / "own"), "XDG_CACHE_HOME": str(tmp_path / "xdg")}
    assert cache_root(env) == tmp_path / "own"
    assert cache_root({**env, "TFBUILD_CACHE_DIR": " "}) == tmp_path / "xdg" / "tfbuild"
    assert list(tmp_path.iterdir()) == []


def test_without_variables_it_is_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_root({}) == tmp_path / ".cache" / "tfbuild"
    # XDG: a relative path must be ignored.
    assert cache_root({"XDG_CACHE_HOME": "relative"}) == tmp_path / ".cache" / "tfbuild"


def test_a_relative_folder_and_a_tilde_become_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert cache_root({"TFBUILD_CACHE_DIR": "here"}) == tmp_path / "here"
    assert cache_root({"TFBUILD_CACHE_DIR": "~/there"}) == tmp_path / "there"


def test_preparing_twice_changes_nothing(tmp_path: Path) -> None:
    root = prepare_cache(tmp_path / "deep" / "cache")
    before = sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*"))
    assert prepare_cache(root) == root
    assert sorted((path, path.stat().st_mtime_ns) for path in root.rglob("*")) == before
    assert (root / TAG_NAME).read_text().startswith("Signature: 8a477f597d28d172789f06886806bc55\n")
    assert {path.name for path in root.iterdir()} == {TAG_NAME, *SUBFOLDERS}


def test_many_may_prepare_at_once(tmp_path: Path) -> None:
    for attempt in range(20):
        root = tmp_path / str(attempt)
        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(prepare_cache, [root] * 8)) == {root}
        assert {path.name for path in root.iterdir()} == {TAG_NAME, *SUBFOLDERS}


def test_a_folder_with_other_things_does_not_become_a_cache(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match="holds other things") as failure:
        prepare_cache(tmp_path)
    assert "thesis.tex" in failure.value.details[0]
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_cache_that_cannot_be_written_is_a_matter_of_the_host(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(HostError, match="cannot be written") as failure:
        prepare_cache(tmp_path / "file" / "cache")
    assert failure.value.exit_code == 4
    assert "TFBUILD_CACHE_DIR" in str(failure.value.hint)


def test_a_read_only_cache_is_a_matter_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusal is made up, since root may write everywhere."""

    def refuse(path: Path, *_args: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    root = prepare_cache(tmp_path / "cache")
    (root / "downloads").rmdir()
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(HostError, match="Permission denied"):
        prepare_cache(root)


def test_clearing_removes_what_is_ours_and_tells_how_much(tmp_path: Path) -> None:
    root = prepare_cache(tmp_path / "cache")
    (root / "downloads" / "sha256-x").mkdir()
    (root / "downloads" / "sha256-x" / "f").write_bytes(b"x" * 1000)
    assert clear_cache(root) == 1000
    assert not root.exists()
    assert clear_cache(root) == 0


def test_clearing_leaves_what_is_not_ours(tmp_path: Path) -> None:
    root = prepare_cache(tmp_path / "cache")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "f").write_text("precious")
    (root / "notes.txt").write_text("mine")
    (root / "sources" / f"sha256-{'0' * 64}").mkdir()
    (root / "sources" / f"sha256-{'0' * 64}" / "link").symlink_to(tmp_path / "outside")
    clear_cache(root)
    assert [path.name for path in root.iterdir()] == ["notes.txt"]
    assert (tmp_path / "outside" / "f").read_text() == "precious"


@pytest.mark.parametrize(
    "tag", [None, "", "Signature: 8a477f597d28d172789f06886806bc55\n# of another program\n"]
)
def test_a_folder_without_our_tag_is_not_cleared(tmp_path: Path, tag: str | None) -> None:
    (tmp_path / "downloads").mkdir()
    if tag is not None:
        (tmp_path / TAG_NAME).write_text(tag)
    with pytest.raises(UsageError, match="not a cache of tfbuild"):
        clear_cache(tmp_path)
    assert (tmp_path / "downloads").is_dir()


def _file(root: Path) -> str:
    (root / "downloads" / "thesis.tex").write_text("mine")
    return "downloads/thesis.tex"


def _folder(root: Path) -> str:
    (root / "state" / "my-state").mkdir()
    return "state/my-state"


def _link(root: Path) -> str:
    (root.parent / "outside").mkdir()
    (root / "sources" / f"sha256-{'0' * 64}").symlink_to(root.parent / "outside")
    return f"sources/sha256-{'0' * 64}"


def _linked_folder(root: Path) -> str:
    (root / "locks").rmdir()
    (root.parent / "outside").mkdir()
    (root / "locks").symlink_to(root.parent / "outside")
    return f"locks, a link to {root.parent / 'outside'}"


@pytest.mark.parametrize("put", [_file, _folder, _link, _linked_folder])
def test_a_cache_into_which_somebody_put_something_is_not_cleared(
    tmp_path: Path, put: Callable[[Path], str]
) -> None:
    root = prepare_cache(tmp_path / "cache")
    (root / "downloads" / "sha256-0").mkdir()
    name = put(root)
    with pytest.raises(UsageError, match="did not put there") as failure:
        clear_cache(root)
    assert failure.value.details == (name,)
    assert (root / "downloads" / "sha256-0").is_dir()


def test_a_folder_of_downloads_is_not_taken_for_a_cache(tmp_path: Path) -> None:
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="it holds other things") as failure:
        prepare_cache(tmp_path)
    assert "downloads/thesis.tex" in failure.value.details[0]
    assert not (tmp_path / TAG_NAME).exists()


def test_all_that_a_build_leaves_in_its_cache_is_known_as_ours(tmp_path: Path) -> None:
    build = Build(tmp_path)
    prepare_cache(tmp_path / "cache")
    build.run()
    shutil.rmtree(tmp_path / "cache" / "downloads")  # the imitated downloads have plain names
    assert clear_cache(tmp_path / "cache") > 0
    assert not (tmp_path / "cache").exists()


def test_what_is_wrong_with_a_cache_is_told_without_touching_it(tmp_path: Path) -> None:
    assert cache_problem(tmp_path / "new") is None
    (tmp_path / "thesis.tex").write_text("precious")
    problem = cache_problem(tmp_path)
    assert problem is not None
    assert "holds other things" in problem.message
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]
    assert cache_problem(prepare_cache(tmp_path / "own")) is None
