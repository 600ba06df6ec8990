"""What the printed plan must not leave out; word for word it is in tests/golden."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.plans import all_plans, make_plan
from tfbuild.base.arch import Arch
from tfbuild.plan.plan import Plan
from tfbuild.products.table import plan_text

SOME = [plan for plan in all_plans() if plan.release in {"2.14.1-debian", "2.21.0"}]


@pytest.mark.parametrize("plan", SOME, ids=lambda plan: plan.build_id)
def test_every_flag_has_its_place_on_its_line(plan: Plan[Any]) -> None:
    lines = plan_text(plan).splitlines()
    for flag in plan.flags:
        assert any(
            line.split("  (")[0].split() == [*flag.text.split(), *flag.origin.split()] for line in lines
        )


@pytest.mark.parametrize("plan", SOME, ids=lambda plan: plan.build_id)
def test_pins_packages_steps_and_notes_are_complete(plan: Plan[Any]) -> None:
    text = plan_text(plan)
    for pin in plan.pins:
        assert pin.sha256 in text
        assert all(url in text for url in pin.urls)
    assert all(package in text for package in plan.packages)
    assert all(step.title in text for step in plan.steps)
    assert all(note in text for note in plan.notes)


def test_the_state_of_a_release_is_told_honestly() -> None:
    assert "(compiled and verified by this project)" in plan_text(make_plan())
    assert "(pinned; this project has not compiled it as it is)" in plan_text(make_plan("2.20.0"))


def test_the_number_of_jobs_or_how_it_will_be_found() -> None:
    assert "jobs      3\n" in plan_text(make_plan(jobs=3))
    assert "jobs      one for each 2048 MiB and CPU of the engine\n" in plan_text(make_plan())


def test_no_line_ends_in_blanks_and_the_text_in_one_line_break() -> None:
    text = plan_text(make_plan("2.20.0", "size", Arch.ARM64))
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert all(line == line.rstrip() for line in text.splitlines())
