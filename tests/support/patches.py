"""Patch files for tests."""

from __future__ import annotations

import difflib
from pathlib import Path


def patch_of(path: str = "x", before: str = "old", after: str = "new") -> str:
    """A patch of the one line of the file ``path``."""
    return f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{before}\n+{after}\n"


def write_patch(file: Path, path: str = "x", before: str = "old", after: str = "new") -> Path:
    file.write_text(patch_of(path, before, after), encoding="utf-8")
    return file


def diff_of(source: Path, path: str, before: str, after: str) -> str:
    """A patch that makes ``after`` of every ``before`` in the file ``path`` below ``source``."""
    old = (source / path).read_text(encoding="utf-8")
    assert before in old
    new = old.replace(before, after).splitlines(keepends=True)
    return "".join(difflib.unified_diff(old.splitlines(keepends=True), new, f"a/{path}", f"b/{path}"))
