from __future__ import annotations

from pathlib import Path

from tfbuild.verify.dist_folders import which_dist_folder


def test_a_folder_above_is_told_those_below(tmp_path: Path) -> None:
    assert which_dist_folder(tmp_path, ", or a file") == "give a folder below dist/, or a file"
    assert which_dist_folder(tmp_path / "nowhere") == "give a folder below dist/"
    for name in ("amd64", "arm64"):
        folder = tmp_path / "tflite" / "2.16.1" / "opt" / name
        folder.mkdir(parents=True)
        (folder / "SHA256SUMS").touch()
    amd64, arm64 = (tmp_path / "tflite" / "2.16.1" / "opt" / name for name in ("amd64", "arm64"))
    assert which_dist_folder(amd64.parent) == f"below it there are {amd64}, {arm64}"
    assert which_dist_folder(tmp_path, ", or a file") == f"below it there are {amd64}, {arm64}"
    (arm64 / "SHA256SUMS").unlink()
    assert which_dist_folder(tmp_path) == f"below it there is {amd64}"
