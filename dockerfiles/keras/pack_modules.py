"""Puts the bytecode of packages' modules into one file, for quick_start.py: pack_modules.py ROOT FOLDER.

FOLDER is that of the packages in the image whose files lie below ROOT. The .pyc files that are packed are
removed: a module is imported from one place. Top-level modules stay as they are, so that others may stand in
front of them.
"""

import marshal
import sys
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER, cache_from_source
from pathlib import Path

HEADER = (
    16  # bytes of a .pyc before the code: https://docs.python.org/3/reference/import.html#pyc-invalidation
)


def modules(tree: Path) -> Iterator[tuple[str, Path]]:
    """Names and files of all modules in regular packages, but those at the top."""
    for package in sorted(path.parent for path in tree.glob("*/__init__.py")):
        for path in sorted(package.rglob("*.py")):
            parts = path.relative_to(tree).with_suffix("").parts
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            regular = all((tree.joinpath(*parts[:n]) / "__init__.py").is_file() for n in range(1, len(parts)))
            if len(parts) > 1 and regular and all(part.isidentifier() for part in parts):
                yield ".".join(parts), path


def main() -> None:
    root, folder = Path(sys.argv[1]), sys.argv[2]
    tree = root / folder.lstrip("/")
    index: dict[str, tuple[str, str, bool, int, int]] = {}
    size = 0
    with (tree / "modules.bin").open("wb") as packed:
        for name, path in modules(tree):
            cached = Path(cache_from_source(str(path)))
            if not cached.is_file() or not cached.read_bytes().startswith(MAGIC_NUMBER):
                continue
            code = cached.read_bytes()[HEADER:]
            is_package = path.name == "__init__.py"
            inside = "/" / path.relative_to(root)
            parent = inside.parent.parent if is_package else inside.parent
            index[name] = (str(parent), str(inside), is_package, size, len(code))
            size += packed.write(code)
            cached.unlink()
    (tree / "modules.index").write_bytes(marshal.dumps((MAGIC_NUMBER, index)))
    print(f"packed {len(index)} modules, {size} bytes")


main()
