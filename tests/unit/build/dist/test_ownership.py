"""Foreign data in the place of a result: refused with its name, never removed. Real folders."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.builds import Build
from tests.support.index import Site
from tests.support.results import OWNER, PLACE, finished, manifest
from tfbuild.base.errors import ExitCode, LockedError, PackagingError, UsageError
from tfbuild.build.dist.folder import (
    claim,
    fill,
    is_finished,
    is_intact,
    old_of,
    require_room,
    require_writable,
    settle,
    staging_of,
    swap,
)
from tfbuild.build.dist.ownership import content_of, obstacle, remove_own


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """Every file and link below ``folder``."""
    return {
        str(path.relative_to(folder)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


# -- what may be in the way ---------------------------------------------------------------------------


def _no_manifest(target: Path) -> str:
    target.mkdir(parents=True)
    (target / "important.txt").write_text("precious")
    return "important.txt"


def _own_file(target: Path) -> str:
    finished(target.parents[3])
    (target / "lib" / "notes.txt").write_text("precious")
    return "lib/notes.txt"


def _own_link(target: Path) -> str:
    finished(target.parents[3])
    (target.parents[3] / "outside").mkdir()
    (target / "mine").symlink_to(target.parents[3] / "outside")
    return "mine"


def _linked_lib(target: Path) -> str:
    """What SHA256SUMS names then lies elsewhere."""
    finished(target.parents[3])
    outside = target.parents[3] / "outside"
    (target / "lib").rename(outside)
    (target / "lib").symlink_to(outside)
    return "lib"


def _link_to_a_device(target: Path) -> str:
    finished(target.parents[3])
    (target / "lib" / "null").symlink_to("/dev/null")
    return "lib/null"


def _manifest_of_another(target: Path) -> str:
    finished(target.parents[3])
    (target / "manifest.json").write_text(json.dumps(manifest(("keras", "2.21.0", "opt", "amd64"))))
    return "keras-2.21.0-opt-amd64"


def _manifest_of_another_program(target: Path) -> str:
    finished(target.parents[3])
    (target / "manifest.json").write_text('{"version": 1, "name": "a web page"}')
    return "manifest.json"


def _garbled_manifest(target: Path) -> str:
    finished(target.parents[3])
    (target / "manifest.json").write_bytes(b"\xff{")
    return "lib/a.so"


def _without_checksums(target: Path) -> str:
    finished(target.parents[3])
    (target / "SHA256SUMS").unlink()
    return "lib/a.so"


def _file(target: Path) -> str:
    target.parent.mkdir(parents=True)
    target.write_text("precious")
    return "it is a file"


def _link(target: Path) -> str:
    elsewhere = finished(target.parents[3] / "elsewhere")
    target.parent.mkdir(parents=True)
    target.symlink_to(elsewhere)
    return f"it is a link to {elsewhere}"


def _dangling_link(target: Path) -> str:
    target.parent.mkdir(parents=True)
    target.symlink_to("nowhere")
    return "it is a link to nowhere"


def _foreign_staging(target: Path) -> str:
    staging_of(target).mkdir(parents=True)
    (staging_of(target) / "mine.txt").write_text("precious")
    return "mine.txt"


def _foreign_old(target: Path) -> str:
    old_of(target).mkdir(parents=True)
    (old_of(target) / "mine.txt").write_text("precious")
    return "mine.txt"


OBSTACLES = [
    _no_manifest, _own_file, _own_link, _linked_lib, _link_to_a_device, _manifest_of_another,
    _manifest_of_another_program, _garbled_manifest, _without_checksums, _file, _link, _dangling_link,
    _foreign_staging, _foreign_old,
]  # fmt: skip
Put = Callable[[Path], str]


@pytest.mark.parametrize("put", OBSTACLES, ids=lambda put: put.__name__)
def test_a_build_refuses_what_is_in_the_way_before_it_begins(tmp_path: Path, put: Put) -> None:
    build = Build(tmp_path)
    build.output = tmp_path.joinpath("dist", *PLACE)
    assert build.plan.build_id == OWNER
    name = put(build.output)
    before = snapshot(tmp_path / "dist")
    for attempt in (lambda: require_room(build.output, OWNER, build.plan.key), build.run):
        with pytest.raises(UsageError) as caught:
            attempt()
        assert caught.value.exit_code is ExitCode.USAGE
        assert any(name in line for line in caught.value.details)
        assert "--output DIR" in str(caught.value.hint)
    assert (build.done, build.preflights, build.engine.images) == ([], 0, {})
    assert snapshot(tmp_path / "dist") == before


@pytest.mark.parametrize("name", ["dist", "tflite"])
def test_a_file_where_a_folder_should_be_is_a_wrong_argument(tmp_path: Path, name: str) -> None:
    target = tmp_path.joinpath("dist", *PLACE)
    place = next(folder for folder in target.parents if folder.name == name)
    place.parent.mkdir(exist_ok=True)
    place.write_text("precious")
    with pytest.raises(UsageError, match="cannot be made") as caught:
        require_writable(target)
    assert caught.value.details == (f"{place} is not a folder",)


def test_a_place_behind_a_link_that_leads_nowhere_is_a_wrong_argument(tmp_path: Path) -> None:
    (tmp_path / "dist").symlink_to("nowhere")
    with pytest.raises(UsageError, match="cannot be made") as caught:
        require_writable(tmp_path.joinpath("dist", *PLACE))
    assert caught.value.details == (f"{tmp_path / 'dist'} is a link to nowhere",)


def test_a_dist_folder_on_another_disk_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "dist").symlink_to(tmp_path / "disk")
    build = Build(tmp_path)
    build.output = tmp_path.joinpath("dist", *PLACE)
    assert build.run().fresh
    build.engine.images.clear()
    assert build.run().fresh
    assert is_intact(tmp_path.joinpath("disk", *PLACE))


def test_a_folder_without_any_file_is_nobodys(tmp_path: Path) -> None:
    build = Build(tmp_path)
    (build.output / "lib" / "empty").mkdir(parents=True)
    assert build.run().fresh
    assert is_intact(build.output)
    assert [path.name for path in build.output.parent.iterdir()] == [build.output.name]


def test_a_result_that_is_up_to_date_is_not_replaced_so_nothing_is_in_its_way(tmp_path: Path) -> None:
    build = Build(tmp_path)
    build.run()
    (build.output / "notes.txt").write_text("precious")
    require_room(build.output, OWNER, build.plan.key)
    assert not build.run().fresh
    assert (build.output / "notes.txt").read_text() == "precious"
    build.engine.images.clear()
    with pytest.raises(UsageError):
        build.run()
    assert (build.output / "notes.txt").read_text() == "precious"


def test_what_appears_while_it_builds_is_refused_before_the_image_gets_its_name(tmp_path: Path) -> None:
    build = Build(tmp_path)
    build.run()
    old, before = dict(build.engine.images), snapshot(build.output)
    build.engine.images.clear()
    answer = build.engine.answer

    def meanwhile(case: object) -> object:
        (build.output / "notes.txt").write_text("precious")
        return answer(case)  # type: ignore[arg-type]

    build.engine.answer = meanwhile  # type: ignore[assignment]
    with pytest.raises(UsageError) as caught:
        build.run()
    assert any("notes.txt" in line for line in caught.value.details)
    assert snapshot(build.output) == {**before, "notes.txt": b"precious"}
    assert old.keys()
    assert build.engine.images == {}
    assert [path.name for path in build.output.parent.iterdir()] == [build.output.name]


def test_an_index_refuses_what_is_in_the_way(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.output.mkdir()
    (site.output / "important.txt").write_text("precious")
    with pytest.raises(UsageError) as caught:
        site.run()
    assert any("important.txt" in line for line in caught.value.details)
    assert snapshot(site.output) == {"important.txt": b"precious"}
    assert site.engine.loaded == []


# -- the swap -----------------------------------------------------------------------------------------


@pytest.fixture
def new(tmp_path: Path) -> tuple[Path, Path]:
    """What a compile left, and logs."""
    for name in ("product/lib/a.so.1", "logs/01-fetch.log"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("new")
    return tmp_path / "product", tmp_path / "logs"


def test_a_file_that_comes_between_the_check_and_the_rename_is_kept(
    tmp_path: Path, new: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = finished(tmp_path / "dist")
    rename = Path.rename

    def slow(self: Path, other: Path) -> Path:
        if self == target:
            (target / "quick.txt").write_text("precious")
        return rename(self, other)

    monkeypatch.setattr(Path, "rename", slow)
    with claim(target, OWNER) as staging:
        fill(staging, *new)
        with pytest.raises(UsageError):
            swap(staging, target, OWNER)
    assert (target / "quick.txt").read_text() == "precious"
    assert is_intact(target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


@pytest.mark.parametrize("both", [True, False])
def test_a_swap_that_was_killed_halfway_is_finished_or_undone(tmp_path: Path, both: bool) -> None:
    target = finished(tmp_path / "dist")
    target.rename(old_of(target))
    if both:
        finished(tmp_path / "dist", text="new")
    settle(target, OWNER)
    assert is_intact(target)
    assert (target / "lib" / "a.so.1").read_text() == ("new" if both else "old")
    assert not old_of(target).exists()


def test_two_builds_with_separate_caches_cannot_write_the_same_place(tmp_path: Path) -> None:
    target = tmp_path.joinpath("dist", *PLACE)
    with claim(target, OWNER) as staging:
        (staging / "half").touch()
        with pytest.raises(LockedError, match="another process is writing"), claim(target, OWNER):
            pass
        assert (staging / "half").exists()
    with claim(target, OWNER) as staging:
        assert not (staging / "half").exists()
    assert list(tmp_path.iterdir()) == []  # the folders that were made for nothing are gone too


def test_of_builds_that_race_for_a_place_each_is_whole_or_refused(
    tmp_path: Path, new: tuple[Path, Path]
) -> None:
    target = finished(tmp_path / "dist")
    refused: list[Exception] = []

    def build() -> None:
        try:
            with claim(target, OWNER) as staging:
                fill(staging, *new)
                (staging / "manifest.json").write_text(json.dumps(manifest(PLACE, "new")))
                (staging / "SHA256SUMS").write_text(
                    "".join(f"{'0' * 64}  {n}\n" for n in ("lib/a.so.1", "logs/01-fetch.log"))
                )
                swap(staging, target, OWNER)
        except (LockedError, PackagingError) as error:
            refused.append(error)

    threads = [threading.Thread(target=build) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) < len(threads)
    assert (target / "lib" / "a.so.1").read_text() == "new"
    assert content_of(target).foreign == ()
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_read_only_files_are_replaced_and_what_resists_is_told(
    tmp_path: Path, new: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = finished(tmp_path / "dist")
    (target / "lib" / "a.so.1").chmod(0o444)
    unlink = Path.unlink

    def resisting(self: Path, missing_ok: bool = False) -> None:
        """As in a folder of another user, which root does not meet."""
        if self.name == "a.so.1":
            raise PermissionError(13, "Permission denied")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", resisting)
    with claim(target, OWNER) as staging:
        fill(staging, *new)
        (left,) = swap(staging, target, OWNER)
    assert left == f"{old_of(target) / 'lib' / 'a.so.1'}: Permission denied"
    assert (target / "lib" / "a.so.1").read_text() == "new"
    # Its documents are still there, so that the next build knows it as ours.
    assert obstacle(old_of(target), OWNER) == ()
    monkeypatch.undo()
    assert remove_own(old_of(target)) == ()
    assert not old_of(target).exists()


def test_removing_never_leaves_the_folder(tmp_path: Path) -> None:
    """A SHA256SUMS that somebody wrote names files elsewhere."""
    target = finished(tmp_path / "dist")
    (tmp_path / "precious").write_text("x")
    sums = target / "SHA256SUMS"
    sums.write_text(
        sums.read_text() + f"{'0' * 64}  ../../../../../precious\n{'0' * 64}  {tmp_path}/precious\n"
    )
    assert remove_own(target) == ()
    assert (tmp_path / "precious").exists()
    assert not target.exists()


def test_only_the_same_build_with_every_file_counts_as_finished(tmp_path: Path) -> None:
    target = finished(tmp_path / "dist")
    key = str(manifest(PLACE)["key"])
    assert is_finished(target, OWNER, key)
    assert not is_finished(target, "tflite-2.14.1-debian-size-amd64", key)
    assert not is_finished(target, OWNER, "0" * 64)
    (target / "lib" / "a.so.1").write_text("changed")
    assert not is_finished(target, OWNER, key)
