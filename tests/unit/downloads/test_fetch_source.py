"""The source of a model server from a mirror: proven by its git tree, recorded, held to what was recorded."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.plans import PROJECT
from tests.support.products import Product, load_release
from tests.support.reporters import ListReporter
from tfbuild.artifacts.git_tree import tree_id
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ChecksumError
from tfbuild.cli import wiring
from tfbuild.cli.supply import downloads_of
from tfbuild.releases.keys import SourceRelease

pytestmark = pytest.mark.real_processes

COMMIT = "bc7e9d2b9a419294c4526e293c2df8727b0d3116"
RELEASE_FILE = PROJECT / "build_configs" / "releases" / "serving" / "2.20.0.yaml"
Fetch = Callable[[], Path]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "tools").mkdir(parents=True)
    (folder / "WORKSPACE").write_text("workspace(name = 'tf_serving')\n")
    (folder / "tools" / "stamp.sh").write_text("#!/bin/sh\n")
    (folder / "tools" / "stamp.sh").chmod(0o755)
    return folder


def pack(tmp_path: Path, source: Path, level: int = 9) -> None:
    """Puts the archive where the mirror has it."""
    archive = tmp_path / "mirror" / "tensorflow" / "serving" / "archive" / f"{COMMIT}.tar.gz"
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz", compresslevel=level) as tar:
        tar.add(source, arcname=f"serving-{COMMIT}")


@pytest.fixture
def release(tmp_path: Path, source: Path) -> Path:
    """A release file of one's own, whose tree is that of the small source."""
    text = RELEASE_FILE.read_text(encoding="utf-8").replace("release: 2.20.0", "release: 2.20.0-own")
    tree = load_release(PROJECT, Product.SERVING, "2.20.0").source.tree
    file = tmp_path / "2.20.0-own.yaml"
    file.write_text(text.replace(str(tree), tree_id(source)), encoding="utf-8")
    return file


@pytest.fixture
def fetch(tmp_path: Path, release: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:
    """``invoke fetch --offline`` of the source alone, with an empty cache."""
    monkeypatch.setenv("TFBUILD_MIRRORS", f"https://github.com/=file://{tmp_path}/mirror/")

    def run() -> Path:
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))
        found: SourceRelease = load_release(PROJECT, Product.SERVING, str(release))
        pins, unhashed = downloads_of(PROJECT, found, Arch.AMD64, Arch.AMD64)
        wanted = tuple(pin for pin in pins if pin.name == found.source.name)
        assert bool(wanted) is (unhashed is None)
        ((_, path),) = wiring.fetch_release(found, wanted, unhashed, offline=True, reporter=ListReporter())
        return path

    return run


def test_what_was_seen_first_is_held_to_afterwards(tmp_path: Path, source: Path, fetch: Fetch) -> None:
    lock = tmp_path / "2.20.0-own.lock.json"
    pack(tmp_path, source)
    first = fetch().read_bytes()
    recorded = lock.read_text()
    assert fetch().read_bytes() == first
    assert lock.read_text() == recorded

    pack(tmp_path, source, level=1)
    with pytest.raises(ChecksumError) as caught:
        fetch()
    assert "delete the release's .lock.json: its git tree decides then" in str(caught.value.hint)

    lock.unlink()
    assert fetch().read_bytes() != first
    assert lock.read_text() != recorded


def test_another_source_is_refused_and_not_kept(tmp_path: Path, source: Path, fetch: Fetch) -> None:
    (source / "tools" / "stamp.sh").chmod(0o644)
    pack(tmp_path, source)
    with pytest.raises(ChecksumError, match="is not the source that is pinned"):
        fetch()
    assert not (tmp_path / "2.20.0-own.lock.json").exists()
    assert list((tmp_path / "cache" / "downloads").rglob("*.tar.gz")) == []
