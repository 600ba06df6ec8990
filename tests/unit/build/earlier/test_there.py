"""What of a build is on this machine already. Real files."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.plans import PROJECT, make_plan
from tests.support.results import finished
from tfbuild.build.earlier.there import what_is_there
from tfbuild.build.layout import Layout
from tfbuild.build.roots import RootFacts, write_facts
from tfbuild.downloads.store import entry_of

PLAN = make_plan()


def layout(cache: Path) -> Layout:
    return Layout(PROJECT, cache, PLAN.build_id, PLAN.plain_id)


def test_nothing_is_there_at_first(tmp_path: Path) -> None:
    found = what_is_there(PLAN, layout(tmp_path / "cache"), tmp_path / "dist")
    assert (found.files, found.bytes, found.done) == (0, 0, frozenset())
    assert (found.is_finished, found.seconds) == (False, None)
    assert found.free
    assert not (tmp_path / "cache").exists()


def test_downloads_and_roots_count_when_they_are_whole(tmp_path: Path) -> None:
    for pin in PLAN.pins:
        entry = entry_of(tmp_path, pin)
        entry.folder.mkdir(parents=True)
        entry.file.write_bytes(b"x" * 3)
        entry.stamp()
    folder = layout(tmp_path).root(PLAN.root)
    folder.mkdir(parents=True)
    (folder / "rootfs.tar").write_bytes(b"x" * 10)
    write_facts(folder, RootFacts("trixie", "amd64", "m", None, "0" * 64, 10, "mmdebstrap"))
    found = what_is_there(PLAN, layout(tmp_path), tmp_path / "dist")
    assert found.files == len(PLAN.pins)
    assert found.bytes == sum(pin.size or 3 for pin in PLAN.pins)
    assert found.done == {"fetch", "root"}
    # As a build of wheels does, which takes no copy of them.
    (tmp_path / "link").hardlink_to(entry.file)
    assert what_is_there(PLAN, layout(tmp_path), tmp_path / "dist").done == {"fetch", "root"}
    assert not entry.is_stamped()
    entry.file.write_bytes(b"changed")
    (folder / "rootfs.tar").write_bytes(b"x")
    found = what_is_there(PLAN, layout(tmp_path), tmp_path / "dist")
    assert (found.files, found.done) == (len(PLAN.pins) - 1, frozenset())


def test_an_earlier_result_tells_how_long_it_took(tmp_path: Path) -> None:
    folder = finished(tmp_path / "dist")
    manifest = json.loads((folder / "manifest.json").read_text())
    for seconds, told in (({"fetch": 1.5, "compile": 300}, 301.5), ({}, None), ("soon", None)):
        (folder / "manifest.json").write_text(json.dumps({**manifest, "seconds": seconds}))
        assert what_is_there(PLAN, layout(tmp_path), folder).seconds == told
