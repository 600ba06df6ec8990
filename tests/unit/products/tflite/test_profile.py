"""``tflite.profile``: what clang optimises by."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.keys import PROFILE
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.table import plan_of
from tfbuild.products.tflite.steps import stale_profile

CLANG = "compile.compiler=clang"
OWN = "build_configs/releases/tflite/2.2.0-litert.profiles/amd64.profdata"


def plan(*sets: str, release: str = "2.2.0-litert", arch: str = "amd64", config: str = "") -> Plan[Any]:
    words = Words(release=release, arch=arch, sets=sets, config=config)
    return plan_of(PROJECT, "tflite", words, env={}, build_arch=Arch.AMD64)


def use(made: Plan[Any]) -> list[tuple[str, str]]:
    return [(each.text, each.origin) for each in made.flags if "-fprofile-use" in each.text]


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


def test_the_fastest_config_has_the_profile_of_the_release() -> None:
    made = plan(config="fastest")
    ((text, origin),) = use(made)
    assert text == f"-fprofile-use=/request/{digest(PROFILE)}.profdata"
    assert origin.startswith("build_configs/releases/tflite/2.2.0-litert.yaml:")
    assert text in dict(made.part.cmake_cache)["CMAKE_C_FLAGS"]
    assert text in dict(made.part.cmake_cache)["CMAKE_CXX_FLAGS"]
    assert made.config == "fastest"
    assert (made.part.profile.path, made.part.profile.filename) == (OWN, f"{digest(PROFILE)}.profdata")


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ((), {}),
        ((CLANG, "tflite.profile=none"), {}),
        ((CLANG,), {"arch": "arm64"}),
        ((CLANG,), {"release": "2.16.1"}),
        ((CLANG, "remote.executor=grpcs://run.example:1"), {}),
        ((CLANG, "compile.lto=true"), {}),
    ],
    ids=["gcc", "none", "arm64", "2.16.1", "cluster", "lto"],
)
def test_without_one_nothing_is_said_of_it(sets: tuple[str, ...], words: dict[str, str]) -> None:
    made = plan(*sets, **words)
    assert use(made) == []
    assert made.part.profile is None


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("compile.lto=true", "with compile.lto it made a LiteRT that crashes"),
        ("remote.executor=grpcs://run.example:1", "a cluster (remote.executor) does not get the profile"),
    ],
)
def test_where_the_releases_own_cannot_be_the_plan_says_why(setting: str, why: str) -> None:
    told = [note for note in plan(CLANG, setting).notes if "profile" in note]
    assert len(told) == 1
    assert told[0].startswith(f"the profile of 2.2.0-litert is left out: {why}")
    for quiet in (plan(setting), plan(CLANG, setting, release="2.16.1"), plan(CLANG)):
        assert not any("profile" in note for note in quiet.notes)


def test_a_users_own_takes_its_place_and_is_known_by_its_content(tmp_path: Path) -> None:
    first, second, copied = (tmp_path / name for name in ("a.profdata", "b.profdata", "c.profdata"))
    shutil.copyfile(PROFILE, first)
    shutil.copyfile(first, copied)
    second.write_bytes(first.read_bytes() + b"more")
    made, other, same = (plan(CLANG, f"tflite.profile={each}") for each in (first, second, copied))
    ((text, origin),) = use(made)
    assert (text, origin) == (
        f"-fprofile-use=/request/{digest(first)}.profdata",
        f"--set tflite.profile={first}",
    )
    ids = [each.build_id for each in (made, other, plan(CLANG), plan(CLANG, "tflite.profile=none"))]
    assert len(set(ids)) == len(ids)
    assert [step.key for step in made.steps if step.id == "compile"] == [
        step.key for step in same.steps if step.id == "compile"
    ]


def test_a_file_of_a_configuration_names_it_from_its_own_folder(tmp_path: Path) -> None:
    shutil.copyfile(PROFILE, tmp_path / "mine.profdata")
    config = tmp_path / "mine.yaml"
    config.write_text("description: x\nextends: fastest\ntflite:\n  profile: mine.profdata\n")
    made = plan(config=str(config))
    assert made.part.profile.path == str(tmp_path / "mine.profdata")
    config.write_text("description: x\nextends: fastest\ntflite:\n  profile: other.profdata\n")
    with pytest.raises(ConfigError, match="problem") as caught:
        plan(config=str(config))
    assert "mine.yaml:4:12: there is no file 'other.profdata'" in "\n".join(caught.value.details)


def test_what_can_be_of_no_use_is_refused_all_at_once(tmp_path: Path) -> None:
    raw = tmp_path / "default.profraw"
    raw.write_bytes(b"\x81rforpl\xff" + bytes(64))
    with pytest.raises(ConfigError) as caught:
        plan(f"tflite.profile={raw}", "remote.executor=grpcs://run.example:1", "compile.lto=true")
    told = "\n".join(caught.value.details)
    assert len(caught.value.problems) == 4
    assert "with compile.lto it made a LiteRT that crashes" in told
    assert "is no profile of clang's: llvm-profdata merge makes one" in told
    assert "a profile is for clang: set compile.compiler to clang" in told
    assert "a cluster (remote.executor) does not get the profile" in told


def test_one_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "mine.profdata"
    shutil.copyfile(PROFILE, mine)
    opened = Path.open

    def refuse(path: Path, *words: Any, **more: Any) -> Any:
        if path == mine:
            raise PermissionError(13, "Permission denied")
        return opened(path, *words, **more)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError) as caught:
        plan(CLANG, f"tflite.profile={mine}")
    assert f"'{mine}' cannot be read (Permission denied)" in "\n".join(caught.value.details)


def test_a_release_that_names_a_profile_that_is_not_there_says_where(tmp_path: Path) -> None:
    folder = PROJECT / "build_configs" / "releases" / "tflite"
    for name in ("2.2.0-litert.yaml", "2.2.0-litert.lock.json"):
        shutil.copyfile(folder / name, tmp_path / name)
    shutil.copytree(folder / "2.2.0-litert.patches", tmp_path / "2.2.0-litert.patches")
    with pytest.raises(ConfigError) as caught:
        plan(release=str(tmp_path / "2.2.0-litert.yaml"), config="fastest")
    (problem,) = caught.value.problems
    assert problem.line > 1
    assert f"there is no profile {tmp_path}/2.2.0-litert.profiles/amd64.profdata" in problem.message


def test_functions_that_are_another_are_counted_once_each() -> None:
    line = "warning: {}.cc: Function control flow change detected (hash mismatch) {} Hash = 7 up to 0 count"
    log = "\n".join(
        [
            "[1/3] Building",
            line.format("a", "f"),
            line.format("b", "g"),
            line.format("a", "f"),
            "warning: unused",
        ]
    )
    (finding,) = stale_profile(log)
    assert (finding.id, finding.severity) == ("profile-stale", "warning")
    assert finding.message.startswith("2 functions have another code")
    assert len(finding.evidence) == 2
    assert stale_profile("[1/3] Building\nwarning: unused") == []
    assert stale_profile(line.format("a", "f"))[0].message.startswith("a function has another code")
