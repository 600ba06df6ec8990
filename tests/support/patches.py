"""Patch files for tests."""

from __future__ import annotations

from pathlib import Path


def patch_of(path: str = "x", before: str = "old", after: str = "new") -> str:
    """A patch of the one line of the file ``path``."""
    return f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{before}\n+{after}\n"


def write_patch(file: Path, path: str = "x", before: str = "old", after: str = "new") -> Path:
    file.write_text(patch_of(path, before, after), encoding="utf-8")
    return file
