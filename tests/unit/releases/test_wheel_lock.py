"""The locks of wheels: what they say, and what is said about wrong ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

from tests.support.products import Product, list_releases
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError
from tfbuild.cli.supply import downloads_of
from tfbuild.plan.words import Words
from tfbuild.products.table import plan_of
from tfbuild.releases.load import release_file
from tfbuild.releases.wheels.keys import WheelRelease
from tfbuild.releases.wheels.lock import read_wheel_lock, require_environment, wheel_lock_path
from tfbuild.releases.wheels.resolve import platforms
from tfbuild.releases.wheels.rules import Wanted, closure, marker_environment

PROJECT = Path(__file__).resolve().parents[3]
RELEASES = [each for each in list_releases(PROJECT) if not each.is_compiled]
by_name = pytest.mark.parametrize("release", RELEASES, ids=lambda each: f"{each.product}-{each.release}")


def lock_of(release: WheelRelease) -> tuple[Path, str]:
    shown = wheel_lock_path(release_file(release.product, release.release))
    return PROJECT / shown, shown


def test_the_four_releases_of_keras_are_there() -> None:
    found = {each.release for each in RELEASES if each.product == Product.KERAS}
    assert found >= {"2.18.1", "2.19.1", "2.20.0", "2.21.0"}


@by_name
def test_each_environment_is_complete_by_its_wheels_own_metadata(release: WheelRelease) -> None:
    """Nothing is missing, nothing contradicts, nothing is there that nothing needs; what the distribution has
    counts with its version."""
    assert release.wheels
    file = read_wheel_lock(*lock_of(release))
    assert file.lock.environments
    for environment in file.lock.environments:
        wheels = {each.name: each for each in file.lock.wheels_for(environment)}
        assert len(wheels) == len(environment.wheels)
        python = release.wheels.python(environment.python)
        assert python
        there = {
            name: replace(next(iter(wheels.values())), name=name, version=version, requires_dist=())
            for name, version in python.provided.items()
        }
        assert not there.keys() & wheels.keys()
        found = closure(
            [Wanted(each, "release") for each in environment.requirements],
            {**wheels, **there},
            marker_environment(environment.python, environment.arch),
        )
        assert (found.missing, found.conflicts) == ((), ())
        assert set(found.names) == {*wheels, *there}


@by_name
def test_each_wheel_is_for_the_machine_that_it_is_listed_for(release: WheelRelease) -> None:
    assert release.wheels
    file = read_wheel_lock(*lock_of(release))
    suites = {each.version: each.suite for each in release.wheels.pythons}
    for environment in file.lock.environments:
        glibc = load_platforms(PROJECT).require_suite(suites[environment.python]).GLIBC
        able = {*platforms(glibc, environment.arch), "any"}
        for wheel in file.lock.wheels_for(environment):
            name, version, _, tags = parse_wheel_filename(wheel.filename)
            assert (name, str(version)) == (wheel.name, wheel.version)
            assert able & {tag.platform for tag in tags}, wheel.filename
            assert wheel.size


@by_name
def test_the_lock_is_for_what_the_release_asks(release: WheelRelease) -> None:
    assert release.wheels
    file = read_wheel_lock(*lock_of(release))
    asked = {
        (python.version, each.arch, each.variant): each.requirements
        for python in release.wheels.pythons
        for each in release.wheels.sets
    }
    locked = {(e.python, e.arch, e.variant): e.requirements for e in file.lock.environments}
    lacking = {(e.python, e.arch, e.variant) for e in file.lock.unavailable}
    assert locked == {key: value for key, value in asked.items() if key not in lacking}
    tensorflow = [e for e in file.lock.wheels if e.name in {"tensorflow", "tensorflow-cpu"}]
    assert {e.version for e in tensorflow} <= {release.version}


def test_what_fetch_gets_are_the_wheels_by_name_and_hash() -> None:
    release = next(each for each in RELEASES if each.release == "2.21.0")
    pins, unhashed = downloads_of(PROJECT, release, Arch.AMD64, Arch.AMD64)
    assert unhashed is None
    tensorflow = next(pin for pin in pins if pin.filename.startswith("tensorflow_cpu-"))
    assert tensorflow.urls == (f"pypi:tensorflow-cpu/{tensorflow.filename}",)
    assert "cp311" in tensorflow.filename
    assert not any("nvidia" in pin.filename for pin in pins)
    gpu, _ = downloads_of(PROJECT, release, Arch.AMD64, Arch.AMD64, "gpu")
    assert any(pin.filename.startswith("nvidia_cudnn") for pin in gpu)
    assert len({pin.name for pin in (*pins, *gpu)}) == len({pin.sha256 for pin in (*pins, *gpu)})


def test_an_environment_without_wheels_says_which_there_are() -> None:
    release = next(each for each in RELEASES if each.release == "2.21.0")
    path, shown = lock_of(release)
    with pytest.raises(NothingMatchesError) as caught:
        require_environment(read_wheel_lock(path, shown), "3.9", Arch.AMD64, "cpu")
    assert caught.value.exit_code == 3
    assert "no wheels for Python 3.9, amd64, cpu" in caught.value.message
    assert "Python 3.11, amd64, cpu" in " ".join(caught.value.details)
    with pytest.raises(NothingMatchesError, match=r"arm64, gpu"):
        downloads_of(PROJECT, release, Arch.ARM64, Arch.ARM64, "gpu")


def test_a_wheel_has_a_line_in_its_lock() -> None:
    path, shown = lock_of(RELEASES[0])
    file = read_wheel_lock(path, shown)
    wheel = file.lock.wheels[-1]
    origin = file.origin(wheel.filename)
    assert wheel.filename in path.read_text().splitlines()[origin.line - 1]
    assert file.lock.text() == path.read_text()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("{", "line=1, column=2"),
        ('{"version": 2}', "version"),
        (lambda text: text.replace('"sha256": "', '"sha256": "zz', 1), "sha256"),
        (lambda text: text.replace('"size"', '"bytes"', 1), "size"),
    ],
)
def test_a_broken_lock_is_refused(tmp_path: Path, damage: object, said: str) -> None:
    text = lock_of(RELEASES[0])[0].read_text()
    broken = tmp_path / "x.wheels.json"
    broken.write_text(damage if isinstance(damage, str) else damage(text))  # type: ignore[operator]
    with pytest.raises(ConfigError) as caught:
        read_wheel_lock(broken, "x.wheels.json")
    assert said in str(caught.value.problems)


def test_a_lock_whose_environment_names_an_unknown_wheel_is_refused(tmp_path: Path) -> None:
    document = json.loads(lock_of(RELEASES[0])[0].read_text())
    document["wheels"] = document["wheels"][1:]
    broken = tmp_path / "x.wheels.json"
    broken.write_text(json.dumps(document))
    with pytest.raises(ConfigError, match="1 problem"):
        read_wheel_lock(broken, "x.wheels.json")


def test_no_lock_is_no_wheels(tmp_path: Path) -> None:
    with pytest.raises(NothingMatchesError, match="no lock of the wheels"):
        read_wheel_lock(tmp_path / "x.wheels.json", "x.wheels.json")


@by_name
def test_every_requirement_in_a_lock_can_be_read(release: WheelRelease) -> None:
    for wheel in read_wheel_lock(*lock_of(release)).lock.wheels:
        for text in wheel.requires_dist:
            assert Requirement(text).name


def test_the_lock_of_a_users_own_release_is_made_by_its_file(tmp_path: Path) -> None:
    shipped = next(each for each in RELEASES if each.product == Product.KERAS)
    own = tmp_path / Path(shipped.path).name
    own.write_text((PROJECT / shipped.path).read_text())
    with pytest.raises(NothingMatchesError, match="no lock of the wheels") as caught:
        plan_of(PROJECT, "keras", Words(release=str(own)), env={}, build_arch=Arch.AMD64)
    assert str(caught.value.hint).startswith(f"invoke lock --product keras --release {own} makes it")
