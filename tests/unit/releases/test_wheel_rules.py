"""What wheels require of each other, for the target rather than for this machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.locks import locked
from tfbuild.base.arch import Arch
from tfbuild.releases.wheels.rules import Wanted, active, closure, marker_environment, python_fits

HERE = marker_environment("3.11", Arch.AMD64)


def test_what_is_needed_is_found_through_extras_and_markers_of_the_target() -> None:
    wheels = {
        each.name: each
        for each in (
            locked("tf", "2.0", "np>=1", "cuda>=12; extra == 'gpu'", "win; sys_platform == 'win32'"),
            locked("np", "1.5", "arm; platform_machine == 'aarch64'", "old; python_version < '3.12'"),
            locked("cuda", "12.1", "tf"),  # a circle
            locked("arm", "1"),
            locked("old", "1"),
            locked("spare", "1"),
        )
    }
    assert closure([Wanted("tf", "x")], wheels, HERE).names == ("np", "old", "tf")
    assert closure([Wanted("TF[gpu]", "x")], wheels, HERE).names == ("cuda", "np", "old", "tf")
    arm = closure([Wanted("tf", "x")], wheels, marker_environment("3.13", Arch.ARM64))
    assert arm.names == ("arm", "np", "tf")
    assert (arm.missing, arm.conflicts) == ((), ())


def test_a_requirement_of_ones_own_is_needed_only_where_its_marker_holds() -> None:
    wheels = {"np": locked("np", "1.5")}
    wanted = [Wanted("np<2; python_version < '3.12'", "x"), Wanted("np>=2; python_version >= '3.12'", "y")]
    for python, conflicts in (("3.11", []), ("3.13", [wanted[1]])):
        found = closure(wanted, wheels, marker_environment(python, Arch.AMD64))
        assert [each.wanted for each in found.conflicts] == conflicts
    absent = closure([Wanted("pywin32; sys_platform == 'win32'", "x")], {}, HERE)
    assert absent.missing == ()


def test_a_conflict_names_the_wheel_and_who_wants_another() -> None:
    wheels = {each.name: each for each in (locked("tf", "2.10", "np<2,>=1.2"), locked("np", "2.1"))}
    found = closure([Wanted("tf==2.10", "config:3"), Wanted("keras<3", "app.txt:1")], wheels, HERE)
    conflict = found.conflicts[0]
    assert conflict.wheel.name == "np"
    assert conflict.wanted == Wanted("np<2,>=1.2", "tf 2.10", "tf-2.10-py3-none-any.whl")
    assert found.missing == (Wanted("keras<3", "app.txt:1"),)


def test_a_wheel_for_another_python_is_a_conflict() -> None:
    wheels = {"new": locked("new", "1", python=">=3.12")}
    assert closure([Wanted("new", "x")], wheels, HERE).conflicts[0].wanted is None
    assert not closure([Wanted("new", "x")], wheels, marker_environment("3.13", Arch.AMD64)).conflicts


def test_a_series_of_python_fits_if_one_of_its_patch_releases_does() -> None:
    assert python_fits(locked("a", "1", python=">=3.11.2"), "3.11.0")
    assert python_fits(locked("a", "1", python="!=3.11.0,>=3.8"), "3.11.0")
    assert not python_fits(locked("a", "1", python="<3.11"), "3.11.0")
    assert python_fits(locked("a", "1", python="what?"), "3.11.0")


@given(st.sets(st.sampled_from(["a", "b", "c"])))
def test_more_extras_never_need_less(extras: set[str]) -> None:
    requires = ("x; extra == 'a'", "y; extra == 'b'", "z", "w; extra == 'c' and python_version > '3.0'")
    assert set(active(requires, (), HERE)) <= set(active(requires, extras, HERE))
    assert len(active(requires, extras, HERE)) == 1 + len(extras)
