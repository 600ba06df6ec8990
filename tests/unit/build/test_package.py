"""The dist folder: complete or not there, and what was there stays until then."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tfbuild.base.errors import HostError, PackagingError, UsageError
from tfbuild.build.dist.folder import (
    artifact_rows,
    claim,
    fill,
    is_intact,
    require_writable,
    staging_of,
    swap,
    write_checksums,
    write_json,
)
from tfbuild.build.dist.ownership import read_manifest

OWNER = "tflite-1-opt-amd64"


@pytest.fixture
def product(tmp_path: Path) -> Path:
    folder = tmp_path / "product"
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "a.so.1").write_bytes(b"new")
    (folder / "lib" / "a.so").symlink_to("a.so.1")
    return folder


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "01-fetch.log").write_text("fetched\n")
    return folder


def finished(folder: Path, text: str = "old") -> Path:
    """A small dist folder with its checksums."""
    (folder / "lib").mkdir(parents=True)
    (folder / "lib" / "a.so.1").write_text(text)
    document = {
        "version": 1,
        "tfbuild": "1.0",
        "build_id": OWNER,
        "key": hashlib.sha256(text.encode()).hexdigest(),
    }
    write_json(folder / "manifest.json", document)
    write_checksums(folder)
    return folder


def replace(target: Path, product: Path, logs: Path) -> None:
    with claim(target, OWNER) as staging:
        fill(staging, product, logs)
        swap(staging, target, OWNER)


def test_what_is_staged_lies_beside_the_old_tree(tmp_path: Path, product: Path, logs: Path) -> None:
    target = finished(tmp_path / "dist" / "amd64")
    with claim(target, OWNER) as staging:
        fill(staging, product, logs)
        assert staging == staging_of(target)
        assert (staging / "lib" / "a.so").readlink() == Path("a.so.1")
        assert (staging / "logs" / "01-fetch.log").read_text() == "fetched\n"
    assert is_intact(target)
    assert [path.name for path in target.parent.iterdir()] == ["amd64"]


@pytest.mark.parametrize("private", [0o600, 0o700])
def test_rights_are_those_of_no_user(private: int, tmp_path: Path, product: Path, logs: Path) -> None:
    """A umask of 0077 and one of 0022 would give two results."""
    (product / "lib" / "a.so.1").chmod(private)
    (product / "lib").chmod(0o700)
    replace(tmp_path / "dist" / "amd64", product, logs)
    library = tmp_path / "dist" / "amd64" / "lib" / "a.so.1"
    assert library.stat().st_mode & 0o777 == (0o755 if private & 0o100 else 0o644)
    assert library.parent.stat().st_mode & 0o777 == 0o755


def test_leftovers_of_a_killed_run_do_not_get_in(tmp_path: Path, product: Path, logs: Path) -> None:
    target = tmp_path / "dist" / "amd64"
    staging_of(target).mkdir(parents=True)
    (staging_of(target) / ".tfbuild-staging").touch()
    (staging_of(target) / "half").touch()
    old = target.parent / ".amd64.old"
    old.mkdir()
    replace(target, product, logs)
    assert sorted(path.name for path in target.iterdir()) == ["lib", "logs"]
    assert [path.name for path in target.parent.iterdir()] == ["amd64"]


def test_the_new_tree_takes_the_place_of_the_old(tmp_path: Path, product: Path, logs: Path) -> None:
    target = finished(tmp_path / "dist" / "amd64")
    replace(target, product, logs)
    assert (target / "lib" / "a.so.1").read_bytes() == b"new"
    assert read_manifest(target) is None
    assert [path.name for path in target.parent.iterdir()] == ["amd64"]


def test_when_the_new_tree_cannot_come_the_old_one_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = finished(tmp_path / "dist" / "amd64")
    with pytest.raises(PackagingError, match="couldn't replace") as caught:
        swap(tmp_path / "dist" / "nothing here", target, OWNER)
    assert caught.value.hint == "--output DIR"
    assert is_intact(target)


def test_a_disk_that_is_full_while_staging_is_told(
    tmp_path: Path, product: Path, logs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    target = finished(tmp_path / "dist" / "amd64")
    monkeypatch.setattr(shutil, "copytree", full)
    with pytest.raises(PackagingError, match="couldn't write") as caught:
        replace(target, product, logs)
    assert "No space left" in caught.value.details[0]
    assert is_intact(target)


@pytest.mark.real_processes
def test_sha256sum_agrees_with_the_checksums(tmp_path: Path) -> None:
    target = finished(tmp_path / "dist")
    done = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=target, check=False)
    assert done.returncode == 0
    names = [line.split("  ", 1)[1] for line in (target / "SHA256SUMS").read_text().splitlines()]
    assert names == ["lib/a.so.1", "manifest.json"]


def _edit(target: Path) -> None:
    (target / "lib" / "a.so.1").write_text("bad")


def _delete(target: Path) -> None:
    (target / "lib" / "a.so.1").unlink()


def _delete_sums(target: Path) -> None:
    (target / "SHA256SUMS").unlink()


def _empty_sums(target: Path) -> None:
    (target / "SHA256SUMS").write_text("")


def _garble_sums(target: Path) -> None:
    (target / "SHA256SUMS").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize("damage", [_edit, _delete, _delete_sums, _empty_sums, _garble_sums])
def test_any_damage_is_noticed(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    target = finished(tmp_path / "dist")
    assert is_intact(target)
    damage(target)
    assert not is_intact(target)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', "{", '"x"'])
def test_a_manifest_that_is_none_counts_as_absent(tmp_path: Path, text: str) -> None:
    assert read_manifest(tmp_path) is None
    (tmp_path / "manifest.json").write_text(text)
    assert read_manifest(tmp_path) is None


def test_a_reader_never_sees_half_a_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"version": 1})

    def full(self: Path, *_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"version": 1, "more": "x"})
    assert json.loads(path.read_text()) == {"version": 1}


def test_rows_tell_size_and_hash(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (row,) = artifact_rows(tmp_path, ["a"], 2.5)
    assert (row.path, row.size, row.seconds) == (tmp_path / "a", 3, 2.5)
    assert row.sha256 == hashlib.sha256(b"abc").hexdigest()


def test_an_output_folder_that_is_a_file_is_told_first(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be made") as caught:
        require_writable(tmp_path / "file" / "tflite")
    assert caught.value.hint is not None
    assert "--output" in caught.value.hint
    require_writable(tmp_path / "not" / "yet" / "there")


def test_an_output_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(HostError, match="cannot be written") as caught:
        require_writable(tmp_path / "tflite")
    assert str(tmp_path) in caught.value.details[0]
