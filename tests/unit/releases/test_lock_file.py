"""The lock as data: what it says of a build, and when it says nothing any more."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.plans import make_plan
from tests.support.products import Product, load_release
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.plan.words import Words
from tfbuild.products.table import plan_of
from tfbuild.products.tflite.release import Upstream, UpstreamRelease, UpstreamRepin
from tfbuild.releases.load import load_lock, lock_command
from tfbuild.releases.lock import HashOrigin, Lock, LockedSource, MissingSource, read_lock, write_lock
from tfbuild.releases.state import lock_status, made_from, unlocked

PROJECT = Path(__file__).resolve().parents[3]
RELEASE = load_release(PROJECT, Product.TFLITE, "2.20.0")
BOTH = (Arch.AMD64, Arch.ARM64)


def source(name: str = "xnnpack", **changes: object) -> LockedSource:
    plain = LockedSource(
        name=name,
        repository=f"https://github.com/example/{name}",
        ref="a" * 40,
        commit="a" * 40,
        urls=(f"https://github.com/example/{name}/archive/{'a' * 40}.tar.gz",),
        filename=f"{name}-aaaaaaa.tar.gz",
        sha256="1" * 64,
        size=10,
        hash_from=HashOrigin(method="published", evidence="workspace2.bzl"),
        strip_prefix=f"{name}-{'a' * 40}",
        license="BSD-3-Clause",
        license_file="LICENSE",
        variables=(f"FETCHCONTENT_SOURCE_DIR_{name.upper()}",),
        arches=BOTH,
        only_with=None,
        declared=f"tensorflow/lite/tools/cmake/modules/{name}.cmake",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


CPUINFO = source("cpuinfo")  # of which the release has a patch


def missing(name: str = "kleidiai", **changes: object) -> MissingSource:
    plain = MissingSource(
        name=name,
        repository="https://github.com/example/kleidiai",
        ref="v1",
        arches=(Arch.ARM64,),
        only_with=None,
        declared="xnnpack:cmake/DownloadKleidiAI.cmake",
        reason="its repository was out of reach",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def lock_of(
    release: UpstreamRelease = RELEASE, *sources: LockedSource, lacking: tuple[MissingSource, ...] = ()
) -> Lock:
    return Lock(made_from=made_from(release), sources=sources, missing=lacking)


def test_a_release_without_a_lock_cannot_be_built_and_says_the_next_command() -> None:
    assert lock_status(RELEASE, Lock()) == "none"
    plan = make_plan("2.20.0", lock=Lock())
    assert plan.unlocked
    assert any("invoke lock --product tflite --release 2.20.0" in note for note in plan.notes)
    assert [pin.name for pin in plan.pins] == ["tensorflow-2.20.0"]


def test_the_lock_of_a_users_own_release_is_made_by_its_file(tmp_path: Path) -> None:
    shipped = PROJECT / "build_configs" / "releases" / "tflite" / "2.17.1.yaml"  # it has no lock
    own = tmp_path / shipped.name
    own.write_text(shipped.read_text().replace("description: ", "description: Mine, "))
    shutil.copytree(shipped.with_suffix(".patches"), own.with_suffix(".patches"))
    for word in ("2.17.1", str(own)):
        plan = plan_of(PROJECT, "tflite", Words(release=word), env={}, build_arch=Arch.AMD64)
        assert plan.lock_command == f"invoke lock --product tflite --release {word}"
        assert any(note.endswith(f"; {plan.lock_command}") for note in plan.notes)
        assert lock_command(load_release(PROJECT, Product.TFLITE, word)) == plan.lock_command


def test_a_lock_that_was_read_elsewhere_is_compared_with_the_source_and_says_so() -> None:
    files = RELEASE.upstream.build_files if RELEASE.upstream else None
    assert files
    lock = replace(
        lock_of(RELEASE, source(), CPUINFO, source("fp16", declared="xnnpack:cmake/DownloadFP16.cmake")),
        made_from=made_from(RELEASE, files.place),
    )
    assert lock_status(RELEASE, lock) == "complete"
    plan = make_plan("2.20.0", lock=lock)
    assert [each.name for each in plan.part.unconfirmed] == ["cpuinfo", "xnnpack"]
    assert any(files.place in note and "compared with the source" in note for note in plan.notes)
    assert not make_plan("2.20.0", lock=lock_of(RELEASE, source(), CPUINFO)).part.unconfirmed


@pytest.mark.parametrize("name", ["2.1.5-litert", "2.2.0-litert", "2.19.1", "2.20.0", "2.21.0"])
def test_locks_without_a_source_name_what_they_were_read_from(name: str) -> None:
    release = load_release(PROJECT, Product.TFLITE, name)
    lock = load_lock(PROJECT, release).lock
    assert lock.made_from
    assert release.upstream
    assert release.upstream.build_files
    assert lock.made_from.declared_in == release.upstream.build_files.place
    # Only the GPU delegate lacks anything.
    assert {each.only_with for each in lock.missing} == {"tflite.gpu_delegate"}
    assert all(each.license != "NOASSERTION" for each in lock.sources if each.only_with is None)


def test_what_is_missing_for_one_architecture_stops_that_one_only() -> None:
    lock = lock_of(RELEASE, source(), CPUINFO, lacking=(missing(),))
    assert lock_status(RELEASE, lock) == "incomplete"
    assert make_plan("2.20.0", "opt", Arch.AMD64, lock=lock).unlocked == ()
    assert make_plan("2.20.0", "opt", Arch.ARM64, lock=lock).unlocked == (
        "kleidiai: its repository was out of reach",
    )


def test_every_locked_source_that_a_build_needs_is_a_pin_and_a_dependency() -> None:
    lock = lock_of(
        RELEASE,
        source(),
        CPUINFO,
        source("neon2sse", arches=(Arch.AMD64,)),
        source("kleidiai", arches=(Arch.ARM64,)),
        source("opencl_headers", only_with="tflite.gpu_delegate"),
    )
    amd64, arm64 = (make_plan("2.20.0", "opt", arch, lock=lock) for arch in BOTH)
    gpu = make_plan("2.20.0", "opt", Arch.AMD64, "tflite.gpu_delegate=true", lock=lock)
    assert [pin.name for pin in amd64.pins] == ["tensorflow-2.20.0", "cpuinfo", "neon2sse", "xnnpack"]
    assert [pin.name for pin in arm64.pins] == ["tensorflow-2.20.0", "cpuinfo", "kleidiai", "xnnpack"]
    assert [pin.name for pin in gpu.pins[1:]] == ["cpuinfo", "neon2sse", "opencl_headers", "xnnpack"]
    for plan in (amd64, arm64, gpu):
        assert plan.unlocked == ()
        assert [each.name for each in plan.part.dependencies] == [pin.name for pin in plan.pins[1:]]


def test_a_lock_of_another_state_of_the_release_is_stale_and_gives_nothing() -> None:
    lock = lock_of(RELEASE, source())
    repin = UpstreamRepin(
        name="xnnpack", ref="b" * 40, reason="r", threads=("https://github.com/a/b/issues/1",)
    )
    changed = [
        RELEASE.model_copy(update={"upstream": Upstream(repins=(repin,))}),
        RELEASE.model_copy(update={"source": RELEASE.source.model_copy(update={"sha256": "2" * 64})}),
        RELEASE.model_copy(update={"arches": (*RELEASE.arches, Arch.ARMHF)}),
    ]
    assert lock_status(RELEASE, lock) == "complete"
    assert [lock_status(each, lock) for each in changed] == ["stale"] * 3
    assert [bool(unlocked(each, lock, Arch.AMD64, ())) for each in changed] == [True] * 3
    same = RELEASE.model_copy(update={"description": "another sentence"})
    assert lock_status(same, lock) == "complete"


def test_another_hash_of_a_source_is_another_build() -> None:
    one = make_plan("2.20.0", lock=lock_of(RELEASE, source(), CPUINFO))
    other = make_plan("2.20.0", lock=lock_of(RELEASE, source(sha256="3" * 64), CPUINFO))
    keys = [{step.id: step.key for step in plan.steps} for plan in (one, other)]
    assert keys[0]["compile"] != keys[1]["compile"]
    assert keys[0]["builder"] == keys[1]["builder"]


def test_a_release_of_debian_needs_no_lock() -> None:
    debian = load_release(PROJECT, Product.TFLITE, "2.14.1-debian")
    assert lock_status(debian, Lock()) == "not-needed"
    assert make_plan("2.14.1-debian").unlocked == ()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"sha256": "0"}, "sources.0.sha256"),
        ({"urls": ["http://example.org/a"]}, "sources.0.urls.0"),
        ({"strip_prefix": "../up"}, "sources.0.strip_prefix"),
        ({"variables": ["A;B"]}, "sources.0.variables.0"),
        ({"name": "a/b"}, "sources.0.name"),
        ({"filename": "/etc/passwd"}, "sources.0.filename"),
        ({"unknown": 1}, "sources.0.unknown"),
        ({"arches": ["amd46"]}, "sources.0.arches.0"),
    ],
)
def test_a_value_that_cannot_be_is_refused(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    document = json.loads(lock_of(RELEASE, source()).text())
    document["sources"][0] |= change
    (tmp_path / "x.lock.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError) as caught:
        read_lock(tmp_path / "x.lock.json", "x.lock.json")
    assert complaint in str(caught.value.problems[0])


def test_one_name_for_two_sources_is_refused(tmp_path: Path) -> None:
    lock = lock_of(RELEASE, source("kleidiai"), lacking=(missing(),))
    write_lock(tmp_path / "x", lock)
    with pytest.raises(ConfigError, match="1 problem"):
        read_lock(tmp_path / "x", "x")


names = st.text("abcdefgh", min_size=1, max_size=5)


@given(st.lists(names, unique=True, max_size=5), st.randoms())
def test_equal_locks_are_equal_bytes_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, some: list[str], random: object
) -> None:
    sources = [source(name) for name in some]
    lock = lock_of(RELEASE, *sources)
    shuffled = list(sources)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert lock_of(RELEASE, *shuffled).text() == lock.text()
    path = tmp_path_factory.mktemp("lock") / "a.lock.json"
    write_lock(path, lock)
    assert read_lock(path, "a").text() == lock.text()
