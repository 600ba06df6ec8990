"""Making a lock, from real git repositories and an archive of a source that asks for them."""

from __future__ import annotations

import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.lock_world import LOCK, MIT, MODULES, PROJECT, World
from tests.support.products import Product, load_release
from tests.support.reporters import ListReporter
from tfbuild.base.arch import Arch
from tfbuild.base.errors import BuildError, ChecksumError, DownloadError, UsageError, VerificationError
from tfbuild.base.urls import parse_mirror_rules
from tfbuild.base.values import Pin
from tfbuild.cli.lock import copy_to_mirror, require_lockable
from tfbuild.downloads.fetch import Fetcher
from tfbuild.downloads.git import GitSources, RefError, Resolved
from tfbuild.downloads.mirrors import url_resolver
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.products.tflite.lock.license_text import UNKNOWN, license_of
from tfbuild.products.tflite.lock.make import make_lock
from tfbuild.products.tflite.release import UpstreamRepin
from tfbuild.releases.lock import read_lock
from tfbuild.releases.state import lock_status

pytestmark = [pytest.mark.real_processes, pytest.mark.timeout(120)]

BOTH = (Arch.AMD64, Arch.ARM64)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_every_source_gets_the_hash_of_its_archive(world: World) -> None:
    _, commit = world.repository("ruy")
    flat, _ = world.repository("flatbuffers")
    flat.git("tag", "--annotate", "--message", "m", "v23.5.26")
    world.want("ruy", commit)
    world.want("flatbuffers", "v23.5.26")
    lock = world.lock()
    assert lock_status(world.release, lock) == "complete"
    flatbuffers, ruy = lock.sources
    assert (ruy.commit, ruy.license, ruy.license_file, ruy.arches) == (commit, "MIT", "LICENSE", BOTH)
    assert (flatbuffers.ref, flatbuffers.commit) == ("v23.5.26", flat.git("rev-parse", "HEAD"))
    assert flatbuffers.strip_prefix == "flatbuffers-23.5.26"
    kept = world.root / "cache" / "downloads" / f"sha256-{ruy.sha256}" / ruy.filename
    assert hashlib.sha256(kept.read_bytes()).hexdigest() == ruy.sha256
    with tarfile.open(kept) as archive:
        assert f"ruy-{commit}/code.c" in archive.getnames()
    assert ruy.hash_from.method == "git-archive"


def test_the_users_configuration_of_git_changes_no_byte(world: World) -> None:
    ruy, commit = world.repository("ruy", {"text": "a\nb\n"})
    world.want("ruy", commit)
    plain = world.lock()
    ruy.git("config", "core.autocrlf", "true")
    ruy.git("config", "tar.umask", "0077")
    ruy.git("config", "tar.tar.gz.command", "gzip -1")
    assert world.lock().text() == plain.text()


def test_two_runs_give_the_same_bytes_and_the_second_writes_nothing(world: World) -> None:
    _, commit = world.repository("ruy")
    world.want("ruy", commit)
    world.refresh()
    path = world.root / LOCK
    first, stamp = path.read_bytes(), path.stat().st_mtime_ns
    world.refresh()
    world.refresh(check=True)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (first, stamp)


def test_a_ref_that_is_not_there_is_told_before_anything_is_hashed(world: World) -> None:
    """Upstream has shipped an XNNPACK pin that was a commit of KleidiAI's."""
    _, good = world.repository("ruy")
    world.repository("XNNPACK")
    other, _ = world.repository("kleidiai")
    foreign = other.commit({"more": "x"})
    world.want("ruy", good)
    world.want("xnnpack", foreign, "XNNPACK")
    world.want("flatbuffers", "v9", "kleidiai")
    with pytest.raises(RefError, match="2 of upstream's pins do not exist") as caught:
        world.refresh()
    assert caught.value.exit_code == 5
    text = "\n".join(caught.value.details)
    assert (
        f"xnnpack: https://github.com/o/XNNPACK has no {foreign}, which {MODULES}/xnnpack.cmake asks for"
        in text
    )
    assert "flatbuffers: https://github.com/o/kleidiai has no v9" in text
    assert world.notes == []
    assert not (world.root / LOCK).exists()


def test_a_wrong_pin_is_replaced_by_the_release_file(world: World) -> None:
    _, good = world.repository("XNNPACK")
    world.want("xnnpack", "f" * 40, "XNNPACK")
    world.repins = (
        UpstreamRepin(name="xnnpack", ref=good, reason="r", threads=("https://github.com/a/b/issues/1",)),
    )
    (xnnpack,) = world.lock().sources
    assert (xnnpack.commit, xnnpack.ref) == (good, good)


def test_a_repin_of_nothing_is_an_error(world: World) -> None:
    _, good = world.repository("XNNPACK")
    world.want("xnnpack", good, "XNNPACK")
    world.repins = (
        UpstreamRepin(name="xnnpak", ref=good, reason="r", threads=("https://github.com/a/b/issues/1",)),
    )
    with pytest.raises(BuildError, match=r"has no dependency xnnpak to pin$"):
        world.lock()


def test_what_a_dependency_downloads_can_be_pinned_anew_and_in_another_repository(world: World) -> None:
    _, old = world.repository("pthreadpool")
    _, new = world.repository("newpool")
    nested = {"cmake/DownloadPthreadpool.cmake": download("pthreadpool", "pthreadpool", old, "0" * 64)}
    _, xnnpack = world.repository("XNNPACK", nested)
    world.want("xnnpack", xnnpack, "XNNPACK")
    repin = UpstreamRepin(
        name="pthreadpool",
        ref=new,
        repository="https://github.com/o/newpool",
        reason="r",
        threads=("https://github.com/a/b/issues/1",),
    )
    world.repins = (repin,)
    locked = {each.name: each for each in world.lock().sources}
    assert (locked["pthreadpool"].repository, locked["pthreadpool"].commit) == (repin.repository, new)
    assert locked["pthreadpool"].hash_from.method == "git-archive"


def download(name: str, repository: str, ref: str, sha256: str = "") -> str:
    hashed = f"URL_HASH SHA256={sha256}" if sha256 else ""
    return f"ExternalProject_Add({name} URL https://github.com/o/{repository}/archive/{ref}.zip {hashed})"


def test_what_a_dependency_downloads_is_locked_too_and_so_on_downwards(world: World) -> None:
    _, psimd = world.repository("psimd")
    text = "ExternalProject_Add(p GIT_REPOSITORY https://github.com/o/psimd.git GIT_TAG master)"
    _, fp16 = world.repository("FP16", {"cmake/DownloadPSimd.cmake": text})
    _, kleidiai = world.repository("kleidiai")
    _, xnnpack = world.repository(
        "XNNPACK",
        {
            "cmake/DownloadFP16.cmake": download("fp16", "FP16", fp16),
            "cmake/DownloadKleidiAI.cmake": download("kleidiai", "kleidiai", kleidiai),
            "cmake/DownloadGoogleTest.cmake": download("googletest", "nowhere", "f" * 40),
        },
    )
    world.want("xnnpack", xnnpack, "XNNPACK")
    found = {each.name: each for each in world.lock().sources}
    assert set(found) == {"xnnpack", "fp16", "kleidiai", "psimd"}
    assert found["kleidiai"].arches == (Arch.ARM64,)
    assert found["fp16"].filename.endswith(".zip")
    assert found["fp16"].variables == ("FP16_SOURCE_DIR",)
    assert (found["psimd"].ref, found["psimd"].commit) == ("master", psimd)
    assert psimd in found["psimd"].urls[0]


def test_a_branch_stays_where_it_was_locked(world: World) -> None:
    ruy, first = world.repository("ruy")
    world.want("ruy", "master")
    lock = world.lock()
    assert lock.sources[0].commit == first
    second = ruy.commit({"more": "x"})
    assert world.lock(lock).text() == lock.text()
    assert world.lock().sources[0].commit == second


def test_an_archive_that_is_not_the_published_one_is_refused(world: World) -> None:
    _, commit = world.repository("ruy")
    world.want("xnnpack", world.repository("XNNPACK")[1], "XNNPACK")
    world.files["tensorflow/lite/cmake/DownloadRuy.cmake"] = download("ruy", "ruy", commit, "0" * 64)
    with pytest.raises(
        ChecksumError, match=f"ruy: the archive of {commit} is not the one that was published"
    ) as caught:
        world.lock()
    assert (
        caught.value.details[0] == f"sha256 published {'0' * 64}, in tensorflow/lite/cmake/DownloadRuy.cmake"
    )


def test_a_published_hash_that_holds_is_said_to_be_published(world: World) -> None:
    _, commit = world.repository("ruy")
    world.want("ruy", commit)
    (by_hand,) = world.lock().sources
    world.files["third_party/ruy/workspace.bzl"] = (
        f'a(name = "ruy", sha256 = "{by_hand.sha256}", urls = ["{by_hand.urls[0]}"])'
    )
    (ruy,) = world.lock().sources
    assert (ruy.hash_from.method, ruy.hash_from.evidence) == ("published", "third_party/ruy/workspace.bzl")
    assert ruy.sha256 == by_hand.sha256


def test_a_clone_that_lacks_an_object_gives_no_hash(world: World) -> None:
    """git fails half-way; what it wrote until then has a hash too, and it is worth nothing."""
    ruy, commit = world.repository("ruy", {"big": "x" * 100_000})
    world.want("ruy", commit)
    blob = ruy.git("rev-parse", "HEAD:big")
    (ruy.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(DownloadError, match="1 of the sources") as caught:
        world.refresh()
    assert "ruy: the clone of https://github.com/o/ruy does not hold all of" in caught.value.details[0]
    lock = read_lock(world.root / LOCK, LOCK)
    assert (lock.sources, [each.name for each in lock.missing]) == ((), ["ruy"])
    assert lock_status(world.release, lock) == "incomplete"
    assert str(world.root) not in (world.root / LOCK).read_text()


def test_what_is_out_of_reach_keeps_what_was_locked(world: World) -> None:
    _, commit = world.repository("ruy")
    world.want("ruy", commit)
    world.refresh()
    good = (world.root / LOCK).read_bytes()
    (world.root / "none").mkdir()
    # Neither clone nor network; the archive itself is in the mirror, where the first run has put it.
    effects = replace(world.effects(), git=NoNetwork(SubprocessRunner(), world.root, world.root / "none"))
    release = world.release
    old = read_lock(world.root / LOCK, LOCK)
    assert make_lock(release, world.texts, old, effects).lock.text().encode() == good
    # One that was never locked is missing.
    world.want("gemmlowp", "1" * 40)
    lock = make_lock(world.release, world.texts, old, effects).lock
    assert [each.name for each in lock.sources] == ["ruy"]
    assert [(each.name, each.reason) for each in lock.missing] == [("gemmlowp", "no network here")]


class NoNetwork(GitSources):
    """There is no clone, and no host answers."""

    def resolve(self, repository: str, ref: str) -> Resolved:
        raise DownloadError("no network here")


def test_archives_are_served_from_the_mirror_that_was_written(world: World) -> None:
    _, commit = world.repository("ruy")
    world.want("ruy", commit)
    world.refresh()
    (ruy,) = read_lock(world.root / LOCK, LOCK).sources
    assert (world.mirror / f"github.com/o/ruy/archive/{commit}.tar.gz").is_file()
    fetcher = Fetcher(
        world.root / "other-cache",
        reporter=ListReporter(),
        offline=True,
        resolve_urls=url_resolver(parse_mirror_rules(f"https://={world.mirror}/")),
    )
    assert hashlib.sha256(fetcher.fetch(ruy.pin()).read_bytes()).hexdigest() == ruy.sha256


def test_check_writes_nothing_and_tells_what_is_different(world: World) -> None:
    repository, commit = world.repository("ruy")
    world.want("ruy", commit)
    with pytest.raises(VerificationError, match="there is none yet") as caught:
        world.refresh(check=True)
    assert not (world.root / LOCK).exists()
    world.refresh()
    before = (world.root / LOCK).read_bytes()
    later = repository.commit({"more": "x"})
    world.want("ruy", later)
    with pytest.raises(VerificationError, match="it is stale: the release file has changed") as caught:
        world.refresh(check=True)
    assert caught.value.exit_code == 7
    assert f"ruy: commit is {commit}, would be {later}" in caught.value.details
    assert (world.root / LOCK).read_bytes() == before
    assert not list(world.mirror.rglob(f"{later}*"))


def test_a_source_that_declares_nothing_that_is_understood_is_an_error(world: World) -> None:
    world.files[f"{MODULES}/ruy.cmake"] = "FetchContent_Declare(ruy SVN_REPOSITORY x)"
    with pytest.raises(BuildError, match="is not understood") as caught:
        world.lock()
    assert "ruy.cmake:1: neither URL nor" in caught.value.details[0]


def test_refs_are_asked_of_a_host_where_there_is_no_clone(world: World) -> None:
    """Over git's own protocol, from a file URL; a host answers the same questions."""
    repository, commit = world.repository("ruy")
    repository.git("tag", "--annotate", "--message", "m", "v1")
    git = GitSources(SubprocessRunner(), world.root / "scratch", None)
    url = f"file://{repository.path}"
    later = repository.commit({"more": "x"})
    assert git.resolve(url, "v1").commit == commit
    assert git.resolve(url, commit).commit == commit  # not the tip of anything
    branch = git.resolve(url, "master")
    assert (branch.commit, branch.fixed) == (later, False)
    for ref in ("f" * 40, "v2"):
        with pytest.raises(RefError):
            git.resolve(url, ref)
    with pytest.raises(DownloadError, match="does not answer") as caught:
        git.resolve(f"file://{world.root}/nothing", "v1")
    assert not isinstance(caught.value, RefError)
    assert list((world.root / "scratch").glob("*") if (world.root / "scratch").exists() else ()) == []


def test_a_release_of_packages_needs_no_lock() -> None:
    with pytest.raises(UsageError, match="needs no lock"):
        require_lockable(load_release(PROJECT, Product.TFLITE, "2.14.1-debian"))
    require_lockable(load_release(PROJECT, Product.SERVING, "2.19.1"))
    require_lockable(load_release(PROJECT, Product.TFLITE, "2.14.1"))


def test_a_mirror_gets_whole_files_where_their_url_says(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    pin = Pin("a", ("https://example.org/x/a%20b.tar.gz", "https://other/"), "0" * 64, "a.tar.gz")
    copy_to_mirror(tmp_path / "m", ((pin, tmp_path / "a"),))
    assert [
        str(each.relative_to(tmp_path / "m")) for each in (tmp_path / "m").rglob("*") if each.is_file()
    ] == ["example.org/x/a b.tar.gz"]


@pytest.mark.parametrize(
    ("text", "identifier"),
    [
        ("Apache License\n   Version 2.0, January 2004", "Apache-2.0"),
        (
            "Redistribution and use in source and\nbinary forms ... used to endorse or promote products",
            "BSD-3-Clause",
        ),
        ("Redistribution and use in source and binary forms", "BSD-2-Clause"),
        (MIT, "MIT"),
        ("all rights reserved", UNKNOWN),
    ],
)
def test_a_licence_is_told_by_its_words(text: str, identifier: str) -> None:
    assert license_of(text) == identifier
