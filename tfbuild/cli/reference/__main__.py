"""Writes ``docs/reference/``; ``--check`` exits 1 where a stored page is out of date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tfbuild.base.project import PROJECT
from tfbuild.cli.reference.pages import pages
from tfbuild.machine.terminal import write_lines


def main(arguments: Sequence[str]) -> int:
    from tfbuild import tasks  # the commands; they import this package's folder themselves

    parser = argparse.ArgumentParser(prog="python -m tfbuild.cli.reference", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when out of date")
    check = parser.parse_args(arguments).check
    made = pages(PROJECT, tasks.ns)
    stale = []
    for path, text in made.items():
        file = PROJECT / path
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        stale.append(path)
        if check:
            write_lines([f"{path} is out of date: python -m tfbuild.cli.reference"], sys.stderr)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            write_lines([f"wrote {path}"], sys.stderr)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
