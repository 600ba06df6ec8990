"""From the words of the command line to a plan: every wrong word is told, with its exit code."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.patches import write_patch
from tests.support.plans import PROJECT
from tests.support.products import Product
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, ExitCode, NothingMatchesError, TfBuildError, UsageError
from tfbuild.base.image_names import parse_tag
from tfbuild.plan.asked import git_revision, output_folder
from tfbuild.plan.plan import Plan
from tfbuild.plan.show.text import plan_text
from tfbuild.plan.words import Words, host_arch, parse_arch, parse_jobs, split_raw
from tfbuild.products import table
from tfbuild.products.table import find_release, parse_product
from tfbuild.releases.lock import Lock, Seen, write_lock


def plan_of(root: Path = PROJECT, epoch: str | None = None, **words: Any) -> Plan[Any]:
    env = {} if epoch is None else {"SOURCE_DATE_EPOCH": epoch}
    return table.plan_of(root, "tflite", replace(Words(), **words), env=env, build_arch=Arch.AMD64)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a plan reads, to be changed."""
    for name in ("build_configs", "dockerfiles", "toolchains"):
        shutil.copytree(PROJECT / name, tmp_path / name)
    return tmp_path


def test_without_any_word_there_is_a_plan_for_this_machine() -> None:
    plan = plan_of()
    assert (plan.config, plan.arch, plan.status) == ("opt", Arch.AMD64, "built")
    assert plan.output.startswith("dist/")


def test_the_default_release_is_the_newest_that_was_built() -> None:
    assert find_release(PROJECT, Product.TFLITE, "").status == "built"
    assert find_release(PROJECT, Product.TFLITE, "2.20.0").status == "pinned"


@pytest.mark.parametrize(
    ("word", "arch"),
    [("", Arch.RISCV64), ("x86_64", Arch.AMD64), ("AArch64", Arch.ARM64), ("armv7", Arch.ARMHF)],
)
def test_an_arch_in_any_of_its_spellings(word: str, arch: Arch) -> None:
    assert parse_arch(word, Arch.RISCV64) is arch


def test_an_unknown_arch_names_the_nearest() -> None:
    with pytest.raises(NothingMatchesError, match="unknown arch 'arm46'; did you mean 'arm64'"):
        parse_arch("arm46", Arch.AMD64)


@pytest.mark.parametrize(
    ("word", "why"), [("armv6", "NEON"), ("linux/arm/v6", "NEON"), ("armel", "NEON"), ("musl", "glibc")]
)
def test_what_nothing_is_built_for_is_refused_with_the_reason(word: str, why: str) -> None:
    with pytest.raises(NothingMatchesError, match=f"nothing can be built for '{word}'") as caught:
        parse_arch(word, Arch.AMD64)
    assert why in caught.value.details[0]


def test_an_unknown_product_names_the_nearest() -> None:
    assert parse_product("tflite").name == Product.TFLITE
    with pytest.raises(NothingMatchesError, match="unknown product 'tfllite'; did you mean 'tflite'"):
        parse_product("tfllite")


@pytest.mark.parametrize("word", ["abc", "0", "-1", "1.5", "\u0663", " 2", "1e3", "2\n"])
def test_jobs_are_a_positive_whole_number(word: str) -> None:
    with pytest.raises(UsageError, match="--jobs takes a positive whole number"):
        parse_jobs(word)


@pytest.mark.parametrize("word", ["1000000", "99999999999", "9" * 5000])
def test_more_jobs_than_a_machine_has_cpus_are_told_their_limit(word: str) -> None:
    with pytest.raises(UsageError, match="--jobs takes at most 999999"):
        parse_jobs(word)


def test_jobs_that_are_one() -> None:
    assert (parse_jobs("12"), parse_jobs("007"), parse_jobs("")) == (12, 7, None)


@given(st.text(min_size=1, max_size=8))
def test_any_word_for_jobs_is_a_number_or_a_usage_error(word: str) -> None:
    if word.isascii() and word.isdigit() and 0 < int(word) < 10**6:
        assert parse_jobs(word) == int(word)
    else:
        with pytest.raises(UsageError):
            parse_jobs(word)


@pytest.mark.parametrize(
    "tag",
    [
        "tflite",
        "team/tflite:2.14",
        "registry.example:5000/a/b_c:v1.0-x",
        "localhost:5000/x",
        "[::1]:5000/x:y",
    ],
)
def test_an_image_name_is_taken_as_it_is(tag: str) -> None:
    assert plan_of(tag=tag).image.tag == tag


@pytest.mark.parametrize(
    "tag",
    [
        "Team/tflite",
        "a b",
        ":1",
        "a:",
        "a:b:c",
        "-a",
        "a@sha256:0",
        "a/",
        "/a",
        "a//b",
        "a:.x",
        "a:" + "x" * 129,
        "x\n",
    ],
)
def test_what_is_no_image_name_is_told_before_the_build(tag: str) -> None:
    with pytest.raises(UsageError, match="is not an image name"):
        plan_of(tag=tag)


def test_an_image_name_is_as_long_as_an_engine_takes() -> None:
    longest = "registry.example/" + "x" * 238
    assert parse_tag(f"{longest}:{'t' * 128}")
    with pytest.raises(UsageError, match="has 256 characters, and the most is 255"):
        parse_tag(f"{longest}x:1")


def test_jobs_beyond_any_machine_are_refused_wherever_they_stand() -> None:
    with pytest.raises(UsageError, match="at most 999999, not '1000000'"):
        parse_jobs("1000000")
    assert parse_jobs("999999") == 999_999
    for jobs in ("1000000", "99999999"):
        with pytest.raises(ConfigError, match="1 problem"):
            plan_of(sets=(f"resources.jobs={jobs}",))


@pytest.mark.parametrize(
    ("set_", "message"),
    [
        ("runtime.user=99999999999", "less than or equal to 2147483647"),
        ("debian.snapshot=20991301T990000Z", "there is no such date or time"),
        ("debian.snapshot=20260230T000000Z", "there is no such date or time"),
        ("debian.snapshot=20050101T000000Z", "has nothing before 2005-03-12"),
    ],
)
def test_a_value_that_would_fail_at_the_end_is_refused(set_: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(sets=(set_,))
    assert message in str(caught.value.problems[0])


def test_the_largest_user_that_an_engine_takes_passes() -> None:
    assert plan_of(sets=("runtime.user=2147483647",)).image.user == 2147483647


def test_a_broken_policy_is_told_by_the_plan(project: Path) -> None:
    path = project / "build_configs" / "policies" / "tflite-scratch.yaml"
    path.write_text(f"{path.read_text()}imgae: {{}}\n")
    with pytest.raises(ConfigError) as caught:
        plan_of(project)
    assert "build_configs/policies/tflite-scratch.yaml:" in str(caught.value.problems[0])
    assert "unknown key 'imgae'; did you mean 'image'?" in str(caught.value.problems[0])


@pytest.mark.parametrize("epoch", ["abc", "-1", "1.5", "\u0661", "9" * 5000, "1\n"])
def test_a_date_that_is_none(epoch: str) -> None:
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
        plan_of(epoch=epoch)


def test_the_date_of_the_environment_wins_over_the_releases() -> None:
    assert plan_of(epoch="5").source_date_epoch == 5
    assert plan_of(epoch="0").source_date_epoch == 0
    assert plan_of(epoch="").source_date_epoch == plan_of().source_date_epoch > 1_600_000_000


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (
            {"release": "2.19.2"},
            ExitCode.NOTHING_MATCHES,
            "no tflite release '2.19.2'; did you mean '2.19.1'?",
        ),
        ({"config": "opr"}, ExitCode.NOTHING_MATCHES, "unknown config 'opr'; did you mean 'opt'?"),
        ({"config": "base"}, ExitCode.NOTHING_MATCHES, "only there to be extended"),
        ({"arch": "riscv64"}, ExitCode.NOTHING_MATCHES, "cannot be built for riscv64"),
        ({"config": "haswell", "arch": "arm64"}, ExitCode.NOTHING_MATCHES, "has no meaning for arm64"),
        (
            {"config": "native", "arch": "arm64"},
            ExitCode.NOTHING_MATCHES,
            "cannot be cross-compiled from amd64",
        ),
        ({"sets": ("policy=tflite-scrach",)}, ExitCode.NOTHING_MATCHES, "did you mean 'tflite-scratch'?"),
        ({"sets": ("compile.mrach=x",)}, ExitCode.USAGE, "1 problem in the configuration"),
    ],
)
def test_what_cannot_be_done_is_told(words: dict[str, Any], code: ExitCode, message: str) -> None:
    with pytest.raises(TfBuildError) as caught:
        plan_of(**words)
    assert caught.value.exit_code is code
    assert message in caught.value.message
    assert caught.value.hint or caught.value.details


def test_native_on_its_own_architecture_is_fine() -> None:
    words = Words(config="native", arch="arm64")
    plan = table.plan_of(PROJECT, "tflite", words, env={}, build_arch=Arch.ARM64)
    assert (plan.root.arch, plan.distributable) == (Arch.ARM64, False)


def test_march_native_by_hand_must_be_marked_as_not_to_be_handed_on() -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(sets=("compile.march=native",))
    assert "distributable" in str(caught.value.problems[0])


def test_a_patch_counts_by_its_bytes(project: Path) -> None:
    patch = write_patch(project / "fix.patch", "x")
    one = plan_of(project, sets=("source.patches=[fix.patch]",))
    write_patch(patch, "y")
    two = plan_of(project, sets=("source.patches=[fix.patch]",))
    assert [(each.path, each.origin) for each in one.patches][-1] == (
        "fix.patch",
        "--set source.patches=[fix.patch]",
    )
    assert one.patches != two.patches
    assert one.key != two.key


def test_the_patches_of_a_release_come_before_those_that_were_asked_for(project: Path) -> None:
    write_patch(project / "fix.patch")
    plain, asked = plan_of(project), plan_of(project, sets=("source.patches=[fix.patch]",))
    assert {each.origin for each in plain.patches} == {"release"}
    assert all(each.reason for each in plain.patches)
    assert asked.patches[: len(plain.patches)] == plain.patches
    assert plain.key != asked.key


@pytest.mark.parametrize(
    ("release", "told"), [("2.16.1", "did you mean 'xnnpack'?"), ("2.14.1-debian", "none of its own")]
)
def test_a_patch_of_a_dependency_that_is_not_compiled_has_nothing_to_change(
    tmp_path: Path, release: str, told: str
) -> None:
    patch = write_patch(tmp_path / "fix.patch", "dependencies/xnnpak/x")
    with pytest.raises(NothingMatchesError) as caught:
        plan_of(sets=(f"source.patches={patch}",), release=release)
    assert f"{patch} (--set source.patches={patch}): dependencies/xnnpak" in caught.value.details[0]
    assert told in " ".join(caught.value.details)


def test_a_patch_of_a_dependency_is_planned_as_such(tmp_path: Path) -> None:
    patch = write_patch(tmp_path / "fix.patch", "dependencies/xnnpack/x")
    plan = plan_of(sets=(f"source.patches={patch}",), release="2.16.1")
    assert [each.dependency for each in plan.patches][-2:] == ["cpuinfo", "xnnpack"]
    assert f"  patch {patch}  (of xnnpack, --set source.patches={patch})" in plan_text(plan).splitlines()


def test_the_bytes_of_a_releases_patch_count_and_its_reason_does_not(project: Path) -> None:
    before = plan_of(project)
    file = project / "build_configs/releases/tflite/2.14.1-debian.yaml"
    text = file.read_text()
    file.write_text(text.replace("patches:\n", "patches:  # why\n").replace("SIGSEGV", "a crash"))
    assert plan_of(project).key == before.key
    patch = project / before.patches[0].path
    patch.write_text(patch.read_text() + "\n")
    assert plan_of(project).key != before.key


def test_a_patch_that_is_not_there_is_told_before_the_build() -> None:
    with pytest.raises(ConfigError) as caught:
        plan_of(sets=("source.patches=[nowhere.patch]",))
    assert "there is no patch file 'nowhere.patch'" in str(caught.value.problems[0])


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("dockerfiles/tflite/compile.sh", {"builder", "compile", "image", "verify", "dist"}),
        ("dockerfiles/common/phases.sh", {"builder", "compile", "image", "verify", "dist"}),
        ("toolchains/cmake/x86_64-linux-gnu.cmake", {"builder", "compile", "image", "verify", "dist"}),
        ("build_configs/policies/tflite-scratch.yaml", {"verify", "dist"}),
        ("build_configs/policies/built.yaml", {"verify", "dist"}),  # which that one extends
        ("build_configs/policies/tflite-debian.yaml", set()),
        ("build_configs/size.yaml", set()),
    ],
)
def test_a_changed_file_of_the_project_repeats_what_it_has_a_part_in(
    project: Path, path: str, steps: set[str]
) -> None:
    before = {step.id: step.key for step in plan_of(project).steps}
    with (project / path).open("a") as file:
        file.write("# changed\n")
    after = {step.id: step.key for step in plan_of(project).steps}
    assert {name for name in before if before[name] != after[name]} == steps


@pytest.mark.parametrize(
    ("files", "revision"),
    [
        ({}, ""),
        ({"HEAD": "ab12\n"}, "ab12"),
        ({"HEAD": "ref: refs/heads/main\n", "refs/heads/main": "cd34\n"}, "cd34"),
        ({"HEAD": "ref: refs/heads/main\n", "packed-refs": "# pack\nef56 refs/heads/main\n"}, "ef56"),
        ({"HEAD": "ref: refs/heads/main\n", "packed-refs": "ef56 refs/heads/other\n"}, ""),
        ({"HEAD": "ref: refs/heads/main\n"}, ""),
    ],
)
def test_the_revision_comes_from_the_git_folder(tmp_path: Path, files: dict[str, str], revision: str) -> None:
    for name, text in files.items():
        path = tmp_path / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert git_revision(tmp_path) == revision


def test_a_worktree_has_the_revision_of_its_own_branch(tmp_path: Path) -> None:
    """Its .git is a file, and branches are the main one's: https://git-scm.com/docs/gitrepository-layout"""
    own = tmp_path / "main" / ".git" / "worktrees" / "w"
    own.mkdir(parents=True)
    (own / "HEAD").write_text("ref: refs/heads/w\n")
    (own / "commondir").write_text("../..\n")
    (tmp_path / "w").mkdir()
    (tmp_path / "w" / ".git").write_text(f"gitdir: {own}\n")
    branch = tmp_path / "main" / ".git" / "refs" / "heads" / "w"
    branch.parent.mkdir(parents=True)
    branch.write_text("ab12\n")
    assert git_revision(tmp_path / "w") == "ab12"


def test_a_git_folder_that_is_a_file_is_no_error(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: ../elsewhere\n")
    assert git_revision(tmp_path) == ""


def test_the_output_is_below_where_the_user_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert output_folder(plan_of(output="out")) == tmp_path / "out/tflite/2.14.1-debian/opt/amd64"
    assert output_folder(plan_of(output="/srv/x")) == Path("/srv/x/tflite/2.14.1-debian/opt/amd64")


def test_this_machine_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    assert host_arch() is Arch.ARM64
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    assert host_arch() is Arch.AMD64


# -- the model server ---------------------------------------------------------------------------------


def server_of(root: Path = PROJECT, env: dict[str, str] | None = None, **words: Any) -> Plan[Any]:
    return table.plan_of(root, "serving", replace(Words(), **words), env=env or {}, build_arch=Arch.AMD64)


def test_a_model_server_without_any_word_is_the_newest() -> None:
    plan = server_of()
    assert (plan.build_id, plan.status) == ("serving-2.20.0-opt-amd64", "pinned")
    assert plan.policy == "serving-scratch"
    assert plan.image.tag == "tfbuild/serving:2.20.0-opt-amd64"
    assert plan.unhashed is not None
    assert plan.unhashed.lock == "build_configs/releases/serving/2.20.0.lock.json"


def test_arm64_is_crossed_or_built_on_a_node_of_its_own() -> None:
    assert server_of(arch="arm64").root.arch is Arch.AMD64
    plan = server_of(arch="arm64", sets=("serving.build_on=target",))
    assert (plan.root.arch, plan.part.way.kind) == (Arch.ARM64, "native")
    native = server_of(arch="arm64", config="native", sets=("serving.build_on=target",))
    assert "--copt=-march=native" in native.part.arguments
    with pytest.raises(NothingMatchesError, match="cannot be cross-compiled"):
        server_of(arch="arm64", config="native")


def test_a_recorded_hash_is_a_pin_from_then_on(project: Path) -> None:
    unhashed = server_of(project).unhashed
    assert unhashed is not None
    seen = Seen(unhashed.filename, "a" * 64, unhashed.tree, 1, unhashed.urls[0])
    write_lock(project / unhashed.lock, Lock().recorded(seen))
    plan = server_of(project)
    assert (plan.unhashed, plan.pins[0].sha256) == (None, "a" * 64)
    assert plan.pins[0].name == plan.tree.name
    (project / unhashed.lock).write_text("[]")
    with pytest.raises(ConfigError, match="1 problem"):
        server_of(project)


def test_another_build_file_of_a_repository_compiles_again(project: Path) -> None:
    before = server_of(project)
    (project / "toolchains" / "bazel" / "overrides" / "org_boost.BUILD").write_text("# nothing\n")
    assert server_of(project).key != before.key


def test_words_after_the_dashes_keep_what_is_quoted_twice() -> None:
    assert split_raw("--copt=-DA=1 '--copt=-DB=two words'") == ("--copt=-DA=1", "--copt=-DB=two words")
    assert split_raw("") == ()


def test_bazel_from_a_package_of_the_suite(tmp_path: Path) -> None:
    """For places without GitHub: a release file of one's own, whose Bazel comes with the builder."""
    text = (PROJECT / "build_configs" / "releases" / "serving" / "2.19.1.yaml").read_text(encoding="utf-8")
    start, end = text.index("    binaries:\n"), text.index("  compiler:\n")
    text = f"{text[:start]}    package: bazel-bootstrap=4.2.3+ds-11\n{text[end:]}"
    own = tmp_path / "1.0-mini.yaml"
    changes = {
        "release: 2.19.1": "release: 1.0-mini",
        "suite: bullseye": "suite: sid",
        "base: snapshot": "base: mirror",
    }
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    own.write_text(text, encoding="utf-8")
    plan = server_of(release=str(own))
    assert plan.build_id == "serving-1.0-mini-opt-amd64"
    assert (plan.part.bazel.pin, plan.part.bazel.package) == (None, "bazel-bootstrap=4.2.3+ds-11")
    assert not [pin.name for pin in plan.pins if pin.name.startswith("bazel")]
    assert (plan.root.suite, plan.root.snapshot) == ("sid", None)
    assert plan.unhashed is not None
    assert plan.unhashed.lock == f"{tmp_path}/1.0-mini.lock.json"
