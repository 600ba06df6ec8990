"""Takes out of a tree of Python packages what an image does not need, and says what that was.

slim.py TREE RULES GROUP...  prints GROUP, bytes and path of each thing taken out, with tabs between them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ELF = b"\x7fELF"
LARGE = 4 << 20  # bytes; smaller files hold no symbol table worth the work


def rules(text: str, groups: set[str]) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            group, pattern = line.split(maxsplit=1)
            if group in groups:
                yield group, pattern


def size(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(each.lstat().st_size for each in path.rglob("*") if not each.is_dir())
    return path.lstat().st_size


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def strip(tree: Path) -> Iterator[tuple[int, Path]]:
    """Symbol tables of TensorFlow's own libraries; others were patched after linking, and stay."""
    for path in sorted((tree / "tensorflow").rglob("*.so*")):
        before = path.stat().st_size
        if before < LARGE or path.is_symlink() or path.open("rb").read(4) != ELF:
            continue
        # eu-strip reads ELF files of every architecture. In place: the file keeps its mode.
        subprocess.run(["eu-strip", "--strip-debug", "--", str(path)], check=True)
        subprocess.run(["eu-strip", "--", str(path)], check=True)
        yield before - path.stat().st_size, path


def main() -> None:
    tree, groups = Path(sys.argv[1]), set(sys.argv[3:])
    for group, pattern in rules(Path(sys.argv[2]).read_text(encoding="utf-8"), groups):
        for path in sorted(tree.glob(pattern)):
            print(group, size(path), path.relative_to(tree), sep="\t")
            remove(path)
    if "symbols" in groups:
        for saved, path in strip(tree):
            print("symbols", saved, path.relative_to(tree), sep="\t")


main()
