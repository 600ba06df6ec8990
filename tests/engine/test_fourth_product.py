"""A fourth product, built by the command line's own code in the engine: plan, build, verify, dist."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.fourth import pack_source, with_fourth
from tfbuild.artifacts.static_archive import read_archive
from tfbuild.base.arch import Arch
from tfbuild.cli import build as command
from tfbuild.cli import wiring
from tfbuild.cli.run import BuildOptions
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.facts import RunOptions
from tfbuild.machine.cache import cache_root
from tfbuild.verify.policy import Context
from tfbuild.verify.verify import load_policy, verify_path

ID = "archive-1.0-opt-amd64"
TAG = "tfbuild/archive:1.0-opt-amd64"

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: DockerEngine) -> Iterator[Path]:
    """A project with the product; what was built is removed at the end, the root filesystem is kept."""
    found = with_fourth(tmp_path, monkeypatch)
    pack_source(tmp_path)
    rules = (f"https://mini.invalid/={tmp_path}/", os.environ.get("TFBUILD_MIRRORS", ""))
    monkeypatch.setenv("TFBUILD_MIRRORS", " ".join(filter(None, rules)))
    for module in (command, wiring):
        monkeypatch.setattr(module, "PROJECT", found)
    yield found
    engine.remove_image(TAG)
    shutil.rmtree(cache_root(os.environ) / "state" / ID, ignore_errors=True)


def build(root: Path, capsys: pytest.CaptureFixture[str], *sets: str) -> dict[str, Any]:
    options = BuildOptions(arch="amd64", output=str(root.parent / "dist"), set=sets, json=True)
    assert command.build("archive", options.words(), options) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_it_is_built_verified_and_written_to_its_dist_folder(
    root: Path, engine: DockerEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    result = build(root, capsys)
    folder = Path(result["output"])
    assert (result["status"], result["image"], result["findings"]) == ("built", TAG, [])
    assert folder.relative_to(root.parent / "dist").as_posix() == "archive/1.0/opt/amd64"
    assert {each.name for each in folder.iterdir()} == {
        "lib",
        "logs",
        "manifest.json",
        "sbom.spdx.json",
        "sbom.cdx.json",
        "provenance.json",
        "verify.json",
        "SHA256SUMS",
    }
    library = folder / "lib" / "libanswer.a"
    assert "answer" in read_archive(library.read_bytes(), "libanswer.a").defined
    manifest = json.loads((folder / "manifest.json").read_text())
    assert "gcc" in {each["package"] for each in manifest["packages"]}
    assert [each["path"] for each in manifest["artifacts"]] == ["lib/libanswer.a"]
    report = verify_path(folder, load_policy(root, "archive-scratch"), context=Context(arch=Arch.AMD64))
    assert report.findings == ()
    assert report.facts.static
    ran = engine.run_once(TAG, (), RunOptions())
    assert (ran.exit_code, ran.stdout) == (0, "42\n")
    assert build(root, capsys)["status"] == "up-to-date"
