"""The builder applies the planned patches, all of them, and each has to change something."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.patches import patch_of
from tests.support.plans import PROJECT

SCRIPT = PROJECT / "dockerfiles" / "common" / "apply-patches.sh"
pytestmark = pytest.mark.real_processes


class Case:
    """A source tree, and patches for it."""

    def __init__(self, root: Path) -> None:
        self.tree, self.patches = root / "tree", root / "patches"
        self.tree.mkdir()
        self.patches.mkdir()
        (self.tree / "x").write_text("old\n")
        self.series: list[str] = []

    def add(self, text: str, name: str = "fix.diff") -> None:
        file = self.patches / f"{len(self.series) + 1:03}.patch"
        file.write_text(text)
        self.series.append(f"{file.name}\t{hashlib.sha256(text.encode()).hexdigest()}\t{name}\n")

    def run(self) -> tuple[int, str]:
        (self.patches / "series").write_text("".join(self.series))
        argv = ("bash", str(SCRIPT), str(self.patches), str(self.tree))
        ran = subprocess.run(argv, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return ran.returncode, ran.stdout


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_patches_are_applied_in_their_order_and_counted(case: Case) -> None:
    case.add(patch_of(after="newer"), "sub folder/one.diff")
    case.add(patch_of(before="newer", after="newest"), "two")
    code, said = case.run()
    assert (code, (case.tree / "x").read_text()) == (0, "newest\n")
    assert "applying sub folder/one.diff\n" in said
    assert said.endswith("2 of 2 patches applied\n")


def test_a_patch_that_only_changes_a_mode_or_makes_an_empty_file_changes_something(case: Case) -> None:
    case.add("diff --git a/x b/x\nold mode 100644\nnew mode 100755\n")
    case.add("diff --git a/y b/y\nnew file mode 100644\nindex 0000000..e69de29\n")
    code, said = case.run()
    assert code == 0, said
    assert (case.tree / "x").stat().st_mode & 0o100
    assert (case.tree / "y").is_file()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (patch_of(before="other"), "error: the patch fix.diff does not apply"),
        ("no patch at all\n", "error: the patch fix.diff does not apply"),
        # As /etc/passwd would be one, if the plan let it through.
        ("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+old\n", "error: the patch fix.diff changes nothing"),
        (patch_of(path="gone"), "error: the patch fix.diff does not apply"),
    ],
)
def test_what_does_not_apply_or_changes_nothing_is_an_error_with_its_name(
    case: Case, text: str, said: str
) -> None:
    case.add(text)
    code, output = case.run()
    assert code == 1
    assert said in output


def test_a_patch_that_is_there_twice_is_an_error(case: Case) -> None:
    case.add(patch_of())
    case.add(patch_of(), "again.diff")
    code, said = case.run()
    assert code == 1
    assert "error: the patch again.diff does not apply" in said


def test_a_patch_that_was_not_planned_is_an_error(case: Case) -> None:
    case.add(patch_of())
    (case.patches / "002.patch").write_text(patch_of())
    code, said = case.run()
    assert (code, said) == (1, "error: 1 patches were planned, and 2 are there\n")
    assert (case.tree / "x").read_text() == "old\n"


def test_a_patch_that_is_missing_or_another_one_is_an_error(case: Case) -> None:
    case.add(patch_of())
    (case.patches / "001.patch").write_text(patch_of(after="other"))
    code, said = case.run()
    assert code == 1
    assert "error: the patch fix.diff is not the one that was planned" in said
    (case.patches / "001.patch").unlink()
    assert case.run()[0] == 1


@pytest.mark.parametrize("product", ["tflite", "serving"])
def test_both_recipes_apply_them_so(product: str) -> None:
    text = (PROJECT / "dockerfiles" / product / "compile.sh").read_text()
    assert re.search(r"^prepare\(\) \{\n(  local .*\n)?  take_source$", text, re.MULTILINE)
    common = (PROJECT / "dockerfiles" / "common" / "phases.sh").read_text()
    assert 'bash /common/apply-patches.sh /request/patches "$tree"' in common
    dockerfile = (PROJECT / "dockerfiles" / product / "Dockerfile").read_text()
    for run in dockerfile.split("RUN ")[1:]:
        if "compile.sh" in run and "compile-all" not in run:
            assert "from=common,target=/common" in run, run
