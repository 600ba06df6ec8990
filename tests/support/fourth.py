"""A project that has the fourth product: its files over this project's, and its row in the table."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import fourth_product
from tests.support.archives import pack
from tfbuild.products import table

PROJECT = Path(__file__).resolve().parents[2]
FOLDER = Path(fourth_product.__file__).parent
SHARED = ("build_configs", "dockerfiles/common", "dockerfiles/debian")


def with_fourth(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project; nothing in it is changed, files are only added."""
    root = folder / "project"
    for shared in SHARED:
        shutil.copytree(PROJECT / shared, root / shared)
    for file in sorted(each for each in (FOLDER / "project").rglob("*") if each.is_file()):
        place = root / file.relative_to(FOLDER / "project")
        assert not place.exists(), place
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, place)
    monkeypatch.setattr(table, "PRODUCTS", (*table.PRODUCTS, fourth_product.PRODUCT))
    return root


def pack_source(folder: Path) -> Path:
    """The archive that the release pins, in ``folder``."""
    path = folder / "answer-1.0.tar"
    pack(FOLDER / "source", "answer-1.0", path)
    return path
