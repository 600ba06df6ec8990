"""The plan in ten seconds: what ``--dry-run`` prints without ``--verbose``."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.plans import all_plans, all_server_plans, make_plan, make_server_plan
from tfbuild.base.arch import Arch
from tfbuild.plan.needs import Estimates
from tfbuild.plan.several import index_plan
from tfbuild.plan.show.brief import LONGEST, Prospect, Row, There, brief

DISK = 5 << 30


def texts(prospect: Prospect) -> dict[str, str]:
    return {row.label: row.text for row in brief((prospect,))}


def test_no_plan_takes_more_than_fifteen_lines() -> None:
    longest = There(files=1, bytes=5, free=3, seconds=9)
    for plan in (*all_plans(), *all_server_plans()):
        needs = Estimates(3, 60, 16, 30)
        noisy = replace(plan, unlocked=("x",), notes=("a", "b", "c", "d", "e" * 500))
        rows = brief((Prospect(noisy, DISK, needs, longest, "replaces the build of yesterday"),))
        assert len(rows) <= LONGEST, plan.build_id
        assert max(len(str(row)) for row in rows) < 260


def test_what_cannot_be_built_says_so_in_the_first_line() -> None:
    plan = replace(make_plan(), unlocked=("the lock is stale",))
    (first, second, *_) = brief((Prospect(plan, DISK),))
    assert first.text.startswith("cannot be built: the lock of tflite 2.14.1-debian does not cover")
    assert first.text.endswith("invoke lock --product tflite --release 2.14.1-debian")
    assert second == Row("", plan.build_id)


@pytest.mark.parametrize(
    ("there", "needs"),
    [
        (There(), "56.0 MB of downloads (none here); 5 GiB of disk"),
        (There(files=1, bytes=25_000), "56.0 MB of downloads (25.0 kB here); 5 GiB of disk"),
        (
            There(files=4, bytes=56_000_000, free=9 << 30, seconds=312),
            "56.0 MB of downloads (all here); 5 GiB of disk (9 GiB free for the cache); "
            "the last build took 5m12s",
        ),
    ],
)
def test_it_says_what_is_needed_and_how_much_of_it_is_there(there: There, needs: str) -> None:
    assert texts(Prospect(make_plan(), DISK, there=there))["needs"] == needs


def test_estimates_tell_memory_and_time() -> None:
    plan = make_server_plan()
    assert texts(Prospect(plan, 60 << 30, Estimates(3, 60, 16, 30)))["needs"] == (
        "about 3 GiB of downloads, 4 files of it pinned (none here); 60 GiB of disk; 16 GiB of memory; "
        "about 30 CPU hours"
    )


def test_steps_that_are_done_have_a_tick() -> None:
    there = There(done=frozenset({"fetch", "root"}))
    steps = texts(Prospect(make_plan(), DISK, there=there))["steps"]
    assert steps == "fetch ✓  root ✓  builder  compile  image  verify  dist"
    finished = texts(Prospect(make_plan(), DISK, there=There(is_finished=True)))["steps"]
    assert finished.startswith("none: the result in its place is this one")


def test_the_flags_begin_with_cpu_and_optimisation() -> None:
    flags = texts(Prospect(make_plan("2.14.1-debian", "cortex-a72", Arch.ARM64), DISK))["flags"]
    assert flags.startswith("-march=armv8-a+crc -mtune=cortex-a72 -O3 ")
    assert "-ffile-prefix-map" not in flags
    assert flags.endswith(" CMake entries")
    assert "Bazel options" in texts(Prospect(make_server_plan(), DISK))["flags"]


def test_a_note_that_another_line_tells_is_left_out_and_many_are_counted() -> None:
    plan = replace(make_plan(), notes=("this project has not compiled it", "one", "two", "three", "four"))
    notes = [row.text for row in brief((Prospect(plan, DISK),)) if row.label == "note"]
    assert notes == ["one", "two", "and 2 more"]


def test_several_platforms_share_what_is_the_same() -> None:
    plans = (make_plan(), make_plan("2.14.1-debian", "opt", Arch.ARM64))
    index = index_plan(plans)
    rows = brief([Prospect(plan, DISK) for plan in plans], index, "replaces it")
    assert rows[0].text == "tflite-2.14.1-debian-opt, an image of several platforms"
    assert len(rows) <= LONGEST
    assert [row.label for row in rows if "flags: " in row.text] == ["amd64", "arm64"]
    assert any(row.label == "output" and row.text.endswith("; replaces it") for row in rows)
