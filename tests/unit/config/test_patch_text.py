"""A patch that can change nothing is told from one that can, before anything is built."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.patches import patch_of
from tests.support.plans import PROJECT
from tfbuild.config.patch_text import patch_problem, patched_trees

GIT = "diff --git a/x b/x\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        (" \n\n", "it is empty"),
        ("root:x:0:0:root:/root:/bin/bash\n", "it has no hunk"),
        ("# A title\n\n- a list\n- of things\n", "it has no hunk"),
        ("--- a/x\n+++ b/x\n", "it has no hunk"),
        ("--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n one\n two\n", "its hunks change no line"),
        (patch_of(before="same", after="same"), "its hunks change no line"),
        ("\x00\x01\x02", "it is binary data"),
        (f"{GIT}GIT binary patch\nliteral 3\nKc\n", "changes a binary file"),
        (f"{patch_of()}Binary files a/x.png and b/x.png differ\n", "changes a binary file"),
    ],
)
def test_what_changes_nothing_is_told(text: str, why: str) -> None:
    assert why in (patch_problem(text.encode()) or "")


@pytest.mark.parametrize(
    "text",
    [
        patch_of(),
        patch_of().replace("\n", "\r\n"),
        f"A text before it.\n\nIndex: x\n{patch_of()}-- \n2.47.0\n",
        "--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+new\n",
        "--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n",
        # Whether the last line ends.
        "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n",
        "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n",
        # The second hunk is what counts.
        "--- a/x\n+++ b/x\n@@ -1 +1 @@\n one\n@@ -5 +5 @@\n-a\n+b\n",
        f"{GIT}old mode 100644\nnew mode 100755\n",
        f"{GIT}new file mode 100644\nindex 0000000..e69de29\n",
        "diff --git a/x b/y\nsimilarity index 100%\nrename from x\nrename to y\n",
        "*** a/x\n--- b/x\n***************\n*** 1,2 ****\n! old\n  same\n--- 1,2 ----\n! new\n  same\n",
    ],
)
def test_what_changes_something_passes(text: str) -> None:
    assert patch_problem(text.encode()) is None


_HUNK = "@@ -1 +1 @@\n-a\n+b\n"
_INNER = "dependencies/xnnpack/src/x.c"


@pytest.mark.parametrize(
    ("text", "trees"),
    [
        (patch_of(), ("",)),
        (patch_of(_INNER), ("xnnpack",)),
        (patch_of(_INNER).replace("\n", "\r\n"), ("xnnpack",)),
        (
            f"Why.\n\n--- a/{_INNER}\t2026-01-01\n+++ b/{_INNER}\t2026-01-02\n@@ -1 +1 @@\n-a\n+b\n",
            ("xnnpack",),
        ),
        (f"--- a/{_INNER}\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n", ("xnnpack",)),
        (f"--- /dev/null\n+++ b/{_INNER}\n@@ -0,0 +1 @@\n+new\n", ("xnnpack",)),
        (
            f"*** a/{_INNER}\n--- b/{_INNER}\n***************\n*** 1 ****\n! old\n--- 1 ----\n! new\n",
            ("xnnpack",),
        ),
        (f"diff --git a/{_INNER} b/{_INNER}\nold mode 100644\nnew mode 100755\n", ("xnnpack",)),
        (patch_of("lite/dependencies/xnnpack/x"), ("",)),
        (patch_of("dependencies/x"), ("",)),
        # A line that is taken away is no name of a file.
        (f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n--- a/{_INNER}\n+new\n", ("",)),
        (patch_of() + patch_of(_INNER) + patch_of("dependencies/eigen/x"), ("", "eigen", "xnnpack")),
    ],
)
def test_a_patch_is_of_the_source_or_of_a_dependency(text: str, trees: tuple[str, ...]) -> None:
    assert patched_trees(text.encode()) == trees


def test_the_projects_own_patches_pass_and_its_texts_do_not() -> None:
    for patch in (PROJECT / "tests" / "data" / "patches").glob("*.patch"):
        assert patch_problem(patch.read_bytes()) is None, patch
    assert patch_problem((PROJECT / "README.md").read_bytes())


@given(st.binary())
def test_any_bytes_are_judged(content: bytes) -> None:
    found = patch_problem(content)
    assert found is None or found
