"""``invoke clean`` removes the results of builds, and only those. Real folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.results import PLACE, finished, size_of
from tfbuild.base.errors import HostError, NothingMatchesError, UsageError
from tfbuild.build.dist.folder import claim, is_intact, old_of, staging_of
from tfbuild.cli.cleaning import Engine, Wanted, clean_up
from tfbuild.engine.facts import Held
from tfbuild.machine.cache import prepare_cache

HELD = (
    Held("1", ("tfbuild-ccache",), 9, is_mount=True),
    Held("2", ("tfbuild-tree-tflite-2.14.1-debian-opt-amd64",), 8, is_mount=True),
    Held("3", ("tfbuild-tree-serving-2.20.0-opt-amd64",), 7, is_mount=True),
    Held("4", ("tfbuild/tflite:x",), 6, is_mount=False),
)


def cleaned(dist: Path, removed: list[str] | None = None, **wanted: Any) -> list[str]:
    env = {"TFBUILD_CACHE_DIR": str(dist.parent / "cache")}
    gone = [] if removed is None else removed

    def remove(mount: str) -> int:
        gone.append(mount)
        return 5

    return list(map(str, clean_up(Wanted(output=str(dist), **wanted), env, Engine(lambda: HELD, remove))))


def test_results_go_and_foreign_files_stay_with_their_names(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    ours = finished(dist)
    index = finished(dist, (*PLACE[:3], "index"))
    (dist / "x").mkdir()
    (dist / "x" / "mine.txt").write_text("precious")
    (dist / "tflite" / "notes.txt").write_text("precious")
    deep = dist / "my" / "own" / "deep" / "folder"
    deep.mkdir(parents=True)
    (deep / "thesis.tex").write_text("precious")
    said = cleaned(dist)
    assert f"left {dist}/x/mine.txt: not a result of a build" in said
    assert f"left {dist}/tflite/notes.txt: not a result of a build" in said
    assert f"left {deep}: it has no manifest.json of tfbuild" in said
    assert [line.split(" (")[0] for line in said if line.startswith("removed")] == [
        f"removed {ours}",
        f"removed {index}",
    ]
    # Only the parents that became empty went too.
    assert sorted(str(path.relative_to(dist)) for path in dist.rglob("*") if path.is_file()) == [
        "my/own/deep/folder/thesis.tex",
        "tflite/notes.txt",
        "x/mine.txt",
    ]
    assert not (dist / "tflite" / "2.14.1-debian").exists()


def test_the_whole_folder_goes_when_nothing_else_is_in_it(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    size = size_of(finished(dist))
    assert cleaned(dist) == [f"removed {dist.joinpath(*PLACE)} ({size})"]
    assert list(tmp_path.iterdir()) == []
    assert cleaned(dist) == [f"no {dist}/ to remove"]


def test_an_empty_folder_of_the_users_stays(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    (dist / "mine").mkdir(parents=True)
    assert cleaned(dist) == [f"no result of a build in {dist}"]
    assert (dist / "mine").is_dir()


def test_a_result_into_which_somebody_put_a_file_stays_whole(tmp_path: Path) -> None:
    ours = finished(tmp_path / "dist")
    (ours / "lib" / "notes.txt").write_text("precious")
    (line, last) = cleaned(tmp_path / "dist")
    assert line == f"left {ours}: it also holds lib/notes.txt"
    assert last == f"no result of a build in {tmp_path / 'dist'}"
    assert is_intact(ours)


def test_a_result_that_was_moved_is_the_users(tmp_path: Path) -> None:
    ours = finished(tmp_path / "dist")
    kept = ours.parents[1] / "kept"
    ours.parent.rename(kept)
    (line, _) = cleaned(tmp_path / "dist")
    assert line.startswith(f"left {kept / 'amd64'}: its manifest.json is of tflite-2.14.1-debian-opt-amd64")
    assert is_intact(kept / "amd64")


@pytest.mark.parametrize("part", [1, 2, 3, 4])
def test_no_link_is_followed_out_of_dist(tmp_path: Path, part: int) -> None:
    outside = finished(tmp_path / "outside")
    place = tmp_path.joinpath("dist", *PLACE[:part])
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path.joinpath("outside", *PLACE[:part]))
    (line, _) = cleaned(tmp_path / "dist")
    assert line.startswith(f"left {place}: a link to ")
    assert is_intact(outside)
    assert place.is_symlink()


def test_dist_itself_may_not_be_a_link_or_a_file(tmp_path: Path) -> None:
    ours = finished(tmp_path / "outside")
    (tmp_path / "dist").symlink_to("outside")
    with pytest.raises(UsageError, match="is a link: nothing removed") as caught:
        cleaned(tmp_path / "dist")
    assert caught.value.hint == "--output outside"
    assert is_intact(ours)
    (tmp_path / "file").write_text("precious")
    with pytest.raises(UsageError, match="is a file"):
        cleaned(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_list_removes_nothing_and_tells_the_sizes(tmp_path: Path) -> None:
    ours = finished(tmp_path / "dist")
    (tmp_path / "dist" / "mine.txt").write_text("precious")
    cache = prepare_cache(tmp_path / "cache")
    (cache / "downloads" / "sha256-0").mkdir()
    (cache / "downloads" / "sha256-0" / "f").write_bytes(b"x" * 5000)
    said = cleaned(tmp_path / "dist", cache=True, only_list=True)
    assert said[:2] == [
        f"would leave {tmp_path / 'dist' / 'mine.txt'}: not a result of a build",
        f"would remove {ours} ({size_of(ours)})",
    ]
    assert said[2].startswith("would remove 5.1 kB from ")
    assert is_intact(ours)
    assert (cache / "downloads" / "sha256-0" / "f").exists()


def test_what_killed_builds_left_goes_and_what_a_build_writes_stays(tmp_path: Path) -> None:
    ours = finished(tmp_path / "dist")
    ours.rename(old_of(ours))
    with claim(ours, "tflite-2.14.1-debian-opt-amd64") as staging:
        said = cleaned(tmp_path / "dist")
        assert f"left {staging}: a build is writing it" in said
        assert staging.is_dir()
        (tmp_path / "copy").mkdir()
        (tmp_path / "copy" / ".tfbuild-staging").touch()
    (tmp_path / "copy").rename(staging_of(ours))
    assert not old_of(ours).exists()
    assert any(line.startswith(f"removed {staging_of(ours)}") for line in cleaned(tmp_path / "dist"))
    assert not (tmp_path / "dist").exists()


def test_a_cache_that_holds_other_things_stops_it_before_anything_is_removed(tmp_path: Path) -> None:
    ours = finished(tmp_path / "dist")
    cache = prepare_cache(tmp_path / "cache")
    (cache / "sources" / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match="did not put there"):
        cleaned(tmp_path / "dist", cache=True)
    assert is_intact(ours)


def test_what_cannot_be_removed_is_a_matter_of_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = finished(tmp_path / "dist")

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(HostError) as caught:
        cleaned(tmp_path / "dist")
    assert any("Permission denied" in line for line in caught.value.details)
    assert is_intact(ours)


def test_only_results_of_a_product_and_of_an_age_go(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    old, new = finished(dist), finished(dist, (*PLACE[:3], "arm64"))
    other = finished(dist, ("keras", *PLACE[1:]))
    for folder in (old, other):
        os.utime(folder / "manifest.json", (0, 0))
    (dist / "mine.txt").write_text("precious")
    assert cleaned(dist, older="1", product="serving") == [
        f"no result of a build of serving that is 1 day old in {dist}"
    ]
    assert cleaned(dist, older="30", product="tflite") == [f"removed {old} ({size_of(new)})"]
    assert cleaned(dist, older="30d", only_list=True) == [f"would remove {other} ({size_of(other)})"]
    assert [new.is_dir(), other.is_dir(), old.is_dir()] == [True, True, False]
    said = cleaned(dist)
    assert f"left {dist}/mine.txt: not a result of a build" in said
    assert (dist / "mine.txt").read_text() == "precious"


@pytest.mark.parametrize("word", ["-1", "1.5", "d", "4w", "week", "99999", "1" * 5000, "٣"])
def test_an_age_is_a_number_of_days(word: str, tmp_path: Path) -> None:
    ours = finished(tmp_path / "dist")
    with pytest.raises(UsageError, match="--older takes a number of days"):
        cleaned(tmp_path / "dist", older=word)
    assert ours.is_dir()


def test_a_product_that_is_none_removes_nothing(tmp_path: Path) -> None:
    ours = finished(tmp_path / "dist")
    with pytest.raises(NothingMatchesError, match="did you mean 'tflite'"):
        cleaned(tmp_path / "dist", product="tflit")
    with pytest.raises(UsageError, match="neither --product nor --older"):
        cleaned(tmp_path / "dist", product="tflite", cache=True)
    assert ours.is_dir()


def test_build_trees_go_and_images_stay(tmp_path: Path) -> None:
    gone: list[str] = []
    said = cleaned(tmp_path / "dist", gone, engine=True, product="tflite")
    assert (gone, said[-1]) == (
        ["2"],
        "removed tfbuild-tree-tflite-2.14.1-debian-opt-amd64 from the engine (5 B)",
    )
    assert cleaned(tmp_path / "dist", gone, engine=True, only_list=True)[1:] == [
        f"would remove {each.names[0]} from the engine ({each.size} B)" for each in HELD[:3]
    ]
    assert gone == ["2"]
    cleaned(tmp_path / "dist", gone, engine=True)
    assert gone == ["2", "1", "2", "3"]
