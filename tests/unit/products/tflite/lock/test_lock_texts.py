"""Locks that are read from another repository than the source, and compared with the source later."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.git_repositories import new_repository
from tests.support.lock_world import LOCK, MIT, MODULES, World
from tfbuild.base.arch import Arch
from tfbuild.base.errors import DownloadError, UsageError
from tfbuild.cli.lock import ReadFrom, build_files_of, refresh
from tfbuild.downloads.git import GitSources, RefError
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.products.tflite.lock.make import make_lock
from tfbuild.products.tflite.lock.texts import build_file_texts, require_declared
from tfbuild.products.tflite.release import UpstreamBuildFiles, UpstreamRepin
from tfbuild.releases.dependency import Declared
from tfbuild.releases.lock import Lock, read_lock
from tfbuild.releases.state import ReleaseLock, lock_status, made_from, unconfirmed

pytestmark = [pytest.mark.real_processes, pytest.mark.timeout(120)]

HOST = "https://github.com/o/mirror"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Its source asks for ruy and neon2sse; another repository has the same file below ``lite``."""
    made = World(tmp_path)
    for name in ("ruy", "neon2sse"):
        made.want(name, made.repository(name)[1])
    copies = {name.replace("tensorflow/lite/", "lite/"): text for name, text in made.files.items()}
    # An archive of a folder has all of it; what is not a build file is not read.
    mirror, commit = made.repository(
        "mirror", {**copies, "lite/tools/cmake/modules/x.txt": "x", "other/a": ""}
    )
    made.build_files = UpstreamBuildFiles(
        repository=HOST, commit=commit, folder="lite", evidence=("the blob ids are the same",)
    )
    mirror.commit({"lite/tools/cmake/modules/ruy.cmake": "later"})
    return made


def files_of(world: World) -> UpstreamBuildFiles:
    return build_files_of(world.release)


def read(world: World, clones: bool = True) -> dict[str, str]:
    return build_file_texts(files_of(world), world.effects(clones=clones).git, world.root / "scratch")


def lock(world: World) -> Lock:
    place = files_of(world).place
    return make_lock(world.release, read(world), Lock(), world.effects(), declared_in=place).lock


def confirm(world: World, expected: tuple[Declared, ...], arch: Arch = Arch.AMD64, *repinned: str) -> None:
    require_declared(
        world.archive,
        "tensorflow-1",
        arch,
        expected,
        lock="the lock of x",
        again="invoke lock --product tflite --release x",
        repinned=repinned,
    )


def test_build_files_of_another_repository_say_the_same_as_the_source(world: World) -> None:
    assert read(world) == world.texts
    found, from_source = lock(world), world.lock()
    assert (found.sources, found.missing) == (from_source.sources, from_source.missing)
    assert found.made_from != from_source.made_from
    assert found.made_from == made_from(world.release, f"{HOST}/tree/{files_of(world).commit}/lite")


def test_a_lock_says_where_it_was_read_and_is_stale_when_that_changes(world: World) -> None:
    release = world.release
    made = ReadFrom(read(world), declared_in=files_of(world).place)
    old = ReleaseLock(LOCK, Lock())
    refresh(release, old, made, world.effects(), project=world.root, mirror=world.mirror, check=False)
    text = json.loads((world.root / LOCK).read_text())
    assert text["made_from"]["declared_in"] == files_of(world).place
    written = read_lock(world.root / LOCK, LOCK)
    assert lock_status(release, written) == "complete"
    # No archive of the source was there to be copied.
    assert not list(world.mirror.glob("github.com/o/tensorflow/**/*"))
    files = files_of(world)
    world.build_files = files.model_copy(update={"commit": "f" * 40})
    assert lock_status(world.release, written) == "stale"
    world.build_files = None
    assert lock_status(world.release, written) == "stale"
    assert lock_status(world.release, world.lock()) == "complete"


def test_a_release_without_such_files_says_so(world: World) -> None:
    world.build_files = None
    with pytest.raises(UsageError, match="names no build files"):
        files_of(world)


def test_build_files_come_from_the_host_where_there_is_no_clone(world: World) -> None:
    """From a file URL: a host answers git the same."""
    scratch = world.root / "scratch"
    scratch.mkdir()
    files = files_of(world)
    url = f"file://{world.clones}/github.com/o/mirror"
    place = files.model_copy(update={"repository": url})
    git = GitSources(SubprocessRunner(), scratch, None)
    assert build_file_texts(place, git, scratch) == world.texts
    with pytest.raises(RefError, match=f"has no {'f' * 40}"):
        build_file_texts(place.model_copy(update={"commit": "f" * 40}), git, scratch)
    with pytest.raises(DownloadError):
        build_file_texts(place.model_copy(update={"repository": f"{url}-gone"}), git, scratch)


def test_a_clone_that_has_no_such_folder_is_named(world: World) -> None:
    world.build_files = files_of(world).model_copy(update={"folder": "tflite"})
    with pytest.raises(RefError, match=f"{HOST} has no tflite at"):
        read(world)
    assert not list((world.root / "scratch").glob("*.tar"))


def test_only_what_was_read_elsewhere_is_to_be_confirmed(world: World) -> None:
    assert unconfirmed(world.release, world.lock(), Arch.AMD64) == ()
    found = lock(world)
    assert [each.name for each in unconfirmed(world.release, found, Arch.AMD64)] == ["neon2sse", "ruy"]
    # neon2sse is for amd64 alone; what a dependency asks for is in its own archive, which has a hash.
    assert [each.name for each in unconfirmed(world.release, found, Arch.ARM64)] == ["ruy"]
    ruy = next(each for each in found.sources if each.name == "ruy")
    nested = replace(ruy, name="fp16", declared="ruy:cmake/DownloadFP16.cmake")
    more = replace(found, sources=(*found.sources, nested))
    assert unconfirmed(world.release, more, Arch.ARM64) == unconfirmed(world.release, found, Arch.ARM64)


@pytest.mark.parametrize("arch", [Arch.AMD64, Arch.ARM64])
def test_the_source_confirms_what_was_read_elsewhere(world: World, arch: Arch) -> None:
    confirm(world, unconfirmed(world.release, lock(world), arch), arch)


def test_a_source_that_asks_for_something_else_ends_the_build(world: World) -> None:
    expected = unconfirmed(world.release, lock(world), Arch.AMD64)
    world.want("ruy", "1" * 40)
    world.want("gemmlowp", "2" * 40)
    del world.files[f"{MODULES}/neon2sse.cmake"]
    with pytest.raises(DownloadError, match="the lock of x is not what the source asks for") as caught:
        confirm(world, expected)
    assert caught.value.exit_code == 5
    assert caught.value.hint == "invoke lock --product tflite --release x makes it again from the source"
    old = {each.name: each.ref for each in expected}
    assert caught.value.details == (
        f"gemmlowp: the source asks for https://github.com/o/gemmlowp {'2' * 40}",
        f"ruy: the source asks for https://github.com/o/ruy {'1' * 40}",
        f"neon2sse: the lock has https://github.com/o/neon2sse {old['neon2sse']}",
        f"ruy: the lock has https://github.com/o/ruy {old['ruy']}",
    )


def test_a_pin_that_the_release_file_replaces_is_not_compared(world: World) -> None:
    good = world.repository("XNNPACK")[1]
    world.want("xnnpack", "f" * 40, "XNNPACK")
    repin = UpstreamRepin(name="xnnpack", ref=good, reason="r", threads=("https://github.com/a/b/issues/1",))
    world.repins = (repin,)
    found = make_lock(world.release, world.texts, Lock(), world.effects(), declared_in=files_of(world).place)
    expected = unconfirmed(world.release, found.lock, Arch.AMD64)
    assert [each.name for each in expected] == ["neon2sse", "ruy"]
    confirm(world, expected, Arch.AMD64, "xnnpack")
    with pytest.raises(DownloadError):
        confirm(world, expected)


def test_a_source_that_is_not_understood_confirms_nothing(world: World) -> None:
    expected = unconfirmed(world.release, lock(world), Arch.AMD64)
    world.files[f"{MODULES}/ruy.cmake"] = "FetchContent_Declare(ruy SVN_REPOSITORY x)"
    with pytest.raises(DownloadError) as caught:
        confirm(world, expected)
    assert "ruy.cmake:1: neither URL nor" in caught.value.details[0]


@pytest.mark.parametrize(("host", "hour"), [("github.com", 19), ("gitlab.arm.com", 3)])
def test_zip_files_have_their_times_as_the_host_writes_them(tmp_path: Path, host: str, hour: int) -> None:
    """The commit is of 03:04:05 in UTC. The hash that is published of KleidiAI's zip holds only so."""
    repository = new_repository(tmp_path / "clones" / host / "o" / "x")
    commit = repository.commit({"a": "a"})
    git = GitSources(SubprocessRunner(), tmp_path, tmp_path / "clones")
    assert git.archive(f"https://{host}/o/x", commit, "x", tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.getinfo("x/a").date_time[3] == hour


def test_a_source_may_have_its_licences_in_a_folder(world: World) -> None:
    """As KleidiAI has: https://reuse.software/spec/"""
    repository, _ = world.repository("kleidiai", {"LICENSES/MIT.txt": MIT, "LICENSES/0BSD.txt": "x"})
    (repository.path / "LICENSE").unlink()
    world.files.clear()
    world.want("kleidiai", repository.commit({"other/LICENSES/Zlib.txt": "x"}))
    (kleidiai,) = world.lock().sources
    assert (kleidiai.license, kleidiai.license_file) == ("0BSD AND MIT", "LICENSES")
