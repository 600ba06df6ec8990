"""Configurations and policies of users, outside the project."""

from __future__ import annotations

import os
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, NothingMatchesError, UsageError
from tfbuild.base.places import UserPlaces
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.products.table import list_configs, load_config, plan_of


class Home:
    """A folder of a user's with a personal one beside it; the project is the real one."""

    def __init__(self, folder: Path) -> None:
        self.current, self.personal = folder / "project", folder / "config" / "tfbuild"
        self.current.mkdir()

    @property
    def places(self) -> UserPlaces:
        return UserPlaces(self.current, self.personal)

    def write(self, path: str, text: str) -> Path:
        file = self.current / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
        return file

    def load(self, word: str, *sets: str, arch: Arch = Arch.AMD64) -> ResolvedConfig:
        return load_config(PROJECT, word, arch, sets, user=self.places)

    def plan(self, word: str, *sets: str) -> Plan[object]:
        words = Words(config=word, sets=sets, places=self.places)
        return plan_of(PROJECT, "tflite", words, env={}, build_arch=Arch.AMD64)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_a_name_is_found_in_the_current_folder_then_in_the_own_one_then_in_the_project(home: Home) -> None:
    home.write("build_configs/both.yaml", "description: here\nextends: size\n")
    home.write("../config/tfbuild/both.yaml", "description: mine\nextends: opt\n")
    home.write("../config/tfbuild/only.yaml", "description: mine\nextends: both\n")
    assert home.load("both").description == "here"
    only = home.load("only")
    assert only.files[-2:] == ("./build_configs/both.yaml", f"{home.personal}/only.yaml")
    assert only.values.compile.optimisation == "s"
    assert home.load("opt").files == load_config(PROJECT, "opt", Arch.AMD64).files
    listed = {each.name: each.path for each in list_configs(PROJECT, home.places)}
    assert listed["both"] == "./build_configs/both.yaml"
    assert listed["opt"] == "build_configs/opt.yaml"


def test_a_file_is_taken_by_its_path_and_may_extend_another_by_its_path(home: Home) -> None:
    home.write("shared/base.yaml", "description: b\nextends: opt\ncompile:\n  lto: true\n")
    home.write("boards/pi.yaml", "description: p\nextends: ../shared/base.yaml\n")
    found = home.load("boards/pi.yaml")
    assert (found.name, found.values.compile.lto) == ("pi", True)
    assert found.files[-2:] == ("./shared/base.yaml", "./boards/pi.yaml")
    assert str(found.origins["compile.lto"]) == "./shared/base.yaml:4"
    assert home.load(str(home.current / "boards" / "pi.yaml")) == found


def test_the_path_of_a_file_in_the_project_is_the_configuration_of_that_name() -> None:
    found = load_config(PROJECT, "build_configs/opt.yaml", Arch.AMD64)
    assert found == load_config(PROJECT, "opt", Arch.AMD64)


def test_what_is_nowhere_is_told_with_the_folders_that_were_searched(home: Home) -> None:
    with pytest.raises(NothingMatchesError, match="did you mean 'opt'") as caught:
        home.load("otp")
    assert caught.value.details[-1] == f"looked in: ./build_configs, {home.personal}, tfbuild's own"
    with pytest.raises(NothingMatchesError, match=r"no configuration file 'pi\.yaml'") as caught:
        home.load("pi.yaml")
    assert caught.value.details[0] == f"looked for {home.current}/pi.yaml"


@pytest.mark.parametrize("kind", ["folder", "pipe", "link"])
def test_what_has_the_name_and_is_no_file_is_told(home: Home, kind: str) -> None:
    path = home.write("build_configs/other.yaml", "description: x\n").with_name("mine.yaml")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("nowhere.yaml")
    with pytest.raises(
        NothingMatchesError, match=r"\./build_configs/mine\.yaml is a folder, a pipe or a link"
    ):
        home.load("mine")


@pytest.mark.parametrize(
    ("extends", "told"),
    [
        ("nope", "there is no config 'nope' to extend"),
        ("../nope.yaml", "there is no file '../nope.yaml' to extend (looked for ./nope.yaml)"),
        ("./pi.yaml", "'extends' goes in a circle: pi -> pi"),
        ("pi", "'extends' goes in a circle: pi -> pi"),
    ],
)
def test_a_wrong_base_is_told_at_its_line(extends: str, told: str, home: Home) -> None:
    home.write("build_configs/pi.yaml", f"description: p\nextends: {extends}\n")
    with pytest.raises(ConfigError) as caught:
        home.load("pi")
    (problem,) = caught.value.problems
    assert (problem.path, problem.line, problem.column) == ("./build_configs/pi.yaml", 2, 10)
    assert problem.message.startswith(told)


def test_the_name_of_a_file_itself_means_the_one_that_it_stands_before(home: Home) -> None:
    home.write("build_configs/opt.yaml", "description: ours\nextends: opt\ncompile:\n  lto: true\n")
    found = home.load("opt")
    assert found.files[-2:] == ("build_configs/opt.yaml", "./build_configs/opt.yaml")
    assert found.values.compile.lto


def test_another_configuration_of_a_name_of_the_project_gives_builds_of_another_name(home: Home) -> None:
    """Their images and caches are in one engine."""
    plain = home.plan("opt")
    assert plain.build_id == "tflite-2.14.1-debian-opt-amd64"
    home.write("build_configs/opt.yaml", "description: the same\nextends: opt\n")
    assert home.plan("opt").build_id == plain.build_id
    home.write("build_configs/opt.yaml", "description: ours\nextends: opt\ncompile:\n  lto: true\n")
    ours = home.plan("opt")
    assert ours.build_id != plain.build_id
    by_set = plan_of(PROJECT, "tflite", Words(sets=("compile.lto=true",)), env={}, build_arch=Arch.AMD64)
    assert ours.build_id == by_set.build_id


def test_a_name_that_no_image_can_have_is_refused(home: Home) -> None:
    home.write("my config.yaml", "description: m\nextends: opt\n")
    with pytest.raises(UsageError, match="cannot be a part of an image's name"):
        home.load("my config.yaml")


def test_patches_are_relative_to_the_file_or_to_the_current_folder(home: Home) -> None:
    patch = (PROJECT / "tests" / "data" / "patches").rglob("*.patch")
    text = next(patch).read_text(encoding="utf-8")
    home.write("boards/fixes/a.patch", text)
    home.write("boards/pi.yaml", "description: p\nextends: opt\nsource:\n  patches: [fixes/a.patch]\n")
    assert home.load("boards/pi.yaml").values.source.patches == (f"{home.current}/boards/fixes/a.patch",)
    given = home.load("opt", "source.patches=[boards/fixes/a.patch]")
    assert given.values.source.patches == (f"{home.current}/boards/fixes/a.patch",)


def test_a_policy_of_a_user_is_found_by_path_and_by_name(home: Home) -> None:
    policy = "description: stricter\nextends: tflite-scratch\n"
    home.write("policies/own.yaml", policy)
    home.write("build_configs/policies/strict.yaml", policy)
    home.write("boards/pi.yaml", "description: p\nextends: opt\npolicy: ../policies/own.yaml\n")
    plan = home.plan("boards/pi.yaml")
    assert plan.policy == f"{home.current}/policies/own.yaml"
    assert plan.policy_sha256 != home.plan("opt").policy_sha256
    assert home.plan("opt", "policy=strict").policy == f"{home.current}/build_configs/policies/strict.yaml"
    assert home.plan("opt", "policy=tflite-scratch").policy == "tflite-scratch"
    with pytest.raises(ConfigError) as caught:
        home.plan("opt", "policy=nope.yaml")
    assert "there is no policy file 'nope.yaml'" in caught.value.problems[0].message
    with pytest.raises(NothingMatchesError, match="did you mean 'tflite-scratch'"):
        home.plan("opt", "policy=tflite-scrach")


def test_a_policy_may_extend_a_file(home: Home) -> None:
    home.write("policies/base.yaml", "description: b\nextends: tflite-scratch\n")
    home.write("policies/own.yaml", "description: o\nextends: ./base.yaml\n")
    assert home.plan("opt", "policy=policies/own.yaml").policy.endswith("own.yaml")
    home.write("policies/own.yaml", "description: o\nextends: ./nope.yaml\n")
    with pytest.raises(ConfigError) as caught:
        home.plan("opt", "policy=policies/own.yaml")
    assert "there is no file './nope.yaml' to extend" in caught.value.problems[0].message
