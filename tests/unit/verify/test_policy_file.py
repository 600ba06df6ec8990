"""Policies that extend others: what counts in the end, where a mistake is, what changes a hash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from tfbuild.base.errors import ConfigError
from tfbuild.verify.policy import ElfRules
from tfbuild.verify.policy_file import POLICY_FOLDER, policy_file_schema, read_policy

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes policies into a project and returns the project."""
    folder = tmp_path / POLICY_FOLDER
    folder.mkdir(parents=True)

    def files(**texts: str) -> Path:
        for name, text in texts.items():
            folder.joinpath(f"{name}.yaml").write_text(text, encoding="utf-8")
        return tmp_path

    return files


def problems(root: Path, name: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_policy(root, name)
    return [str(each).splitlines()[0] for each in caught.value.problems]


BASE = """description: base
elf:
  allowed_libraries: [libc.so.6]
  max_versions: {GLIBC: "2.36"}
  require_stripped: true
roles:
  server: {files: [server], soname: s}
severities: {elf-relro: warning}
"""


def test_a_policy_says_only_what_differs(write: Write) -> None:
    root = write(
        base=BASE,
        mine="""description: mine
extends: base
elf:
  allowed_libraries+: [libm.so.6]
  max_versions: {GLIBCXX: "3.4.30"}
  require_stripped: false
roles:
  server: {soname: t}
  tool: {files: [tool]}
""",
    )
    found = read_policy(root, "mine").policy
    assert found.description == "mine"
    assert found.elf == ElfRules(
        allowed_libraries=("libc.so.6", "libm.so.6"), max_versions={"GLIBC": "2.36", "GLIBCXX": "3.4.30"}
    )
    assert (found.roles["server"].files, found.roles["server"].soname) == (("server",), "t")
    assert list(found.roles) == ["server", "tool"]
    assert found.severities == read_policy(root, "base").policy.severities


def test_a_list_without_a_plus_replaces_the_one_below(write: Write) -> None:
    root = write(base=BASE, mine="description: m\nextends: base\nelf: {allowed_libraries: [libdl.so.2]}\n")
    assert read_policy(root, "mine").policy.elf.allowed_libraries == ("libdl.so.2",)


def test_a_policy_extends_over_several_files(write: Write) -> None:
    root = write(
        base=BASE,
        middle="description: x\nextends: base\nelf: {require_pie: true}\n",
        top="description: t\nextends: middle\nelf: {require_stripped: false}\n",
    )
    rules = read_policy(root, "top").policy.elf
    assert (rules.require_pie, rules.require_stripped, rules.max_versions) == (True, False, {"GLIBC": "2.36"})


def test_a_file_of_ones_own_extends_a_shipped_policy(write: Write, tmp_path: Path) -> None:
    root = write(base=BASE)
    own = tmp_path / "own.yaml"
    own.write_text("description: own\nextends: base\nelf: {require_stripped: false}\n", encoding="utf-8")
    assert read_policy(root, str(own)).policy.elf.allowed_libraries == ("libc.so.6",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "extends: bsae\n",
            "2:10: there is no 'bsae' in build_configs/policies to extend; did you mean 'base'?",
        ),
        ("extends: mine\n", "2:10: 'extends' goes in a circle: mine -> mine"),
        ("extends: [base]\n", "2:1: 'extends' takes one name"),
        ("extends:\n", "2:1: 'extends' takes one name"),
        ("extend: base\n", "2:1: unknown key 'extend'; did you mean 'extends'?"),
        (
            "elf: {allowed_libraries+: [x]}\n",
            "2:7: nothing that this file extends has a list 'allowed_libraries': write it without '+'",
        ),
        (
            "extends: base\nelf: {require_pie+: true}\n",
            "3:7: 'require_pie' is not a list: write it without '+'",
        ),
        (
            "extends: base\nelf: {allowed_libraries: [x], allowed_libraries+: [y]}\n",
            "3:31: 'allowed_libraries' and 'allowed_libraries+' in one place: keep one",
        ),
        ("extends: base\nroles: {tool: {soname: t}}\n", "3:15: missing key 'files'"),
    ],
)
def test_a_mistake_is_told_with_its_place(write: Write, text: str, found: str) -> None:
    root = write(base=BASE, mine=f"description: m\n{text}")
    assert f"build_configs/policies/mine.yaml:{found}" in problems(root, "mine")


def test_a_circle_over_several_files_is_told_where_it_closes(write: Write) -> None:
    texts = {
        name: f"description: x\nextends: {base}\n" for name, base in (("a", "b"), ("b", "c"), ("c", "b"))
    }
    assert problems(write(**texts), "a") == [
        "build_configs/policies/c.yaml:2:10: 'extends' goes in a circle: b -> c -> b"
    ]


def test_mistakes_of_all_files_are_told_at_once_each_in_its_own(write: Write) -> None:
    root = write(
        base="description: b\nelf: {min_relo: full}\n",
        mine="description: m\nextends: base\nseverities: {elf-sonam: ignore}\n",
    )
    assert [each.split(": ")[0] for each in problems(root, "mine")] == [
        "build_configs/policies/base.yaml:2:7",
        "build_configs/policies/mine.yaml:3:13",
    ]


def test_a_policy_describes_itself(write: Write) -> None:
    root = write(base=BASE, mine="extends: base\n")
    assert problems(root, "mine") == ["build_configs/policies/mine.yaml:1:1: missing key 'description'"]


def test_the_hash_of_a_policy_counts_all_that_it_extends(write: Write) -> None:
    root = write(base=BASE, mine="description: m\nextends: base\n", other="description: o\n")
    before = {name: read_policy(root, name).sha256 for name in ("base", "mine", "other")}
    write(base=BASE + "# changed\n")
    after = {name: read_policy(root, name).sha256 for name in before}
    assert {name for name in before if before[name] != after[name]} == {"base", "mine"}


@pytest.mark.parametrize(
    ("document", "good"),
    [
        ({"description": "d", "roles": {"tool": {"soname": "t"}}}, False),
        ({"description": "d", "roles": {"tool": {"files": ["t"]}}}, True),
        ({"description": "d", "extends": "base", "roles": {"tool": {"soname": "t"}}}, True),
        ({"description": "d", "extends": "base", "elf": {"allowed_libraries+": ["x"]}}, True),
        ({"description": "d", "extends": "base", "elf": {"require_pie+": ["x"]}}, False),
        ({"description": "d", "extends": ["base"]}, False),
    ],
)
def test_editors_know_what_extends_means(document: dict[str, object], good: bool) -> None:
    validator = jsonschema.Draft202012Validator(policy_file_schema())
    assert validator.is_valid(document) is good
