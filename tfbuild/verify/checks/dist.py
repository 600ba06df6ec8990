"""Checks a dist folder against its SHA256SUMS (the format of coreutils' sha256sum)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfbuild.machine.files import hash_file
from tfbuild.trust.files import LATER_FILES
from tfbuild.verify.findings import Observation

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_REMAKE = "build again, or get the folder again: it is not what was built"


@dataclass(frozen=True)
class ChecksumFacts:
    """How many files SHA256SUMS names, and how many of them are as it says."""

    listed: int
    equal: int


def read_checksums(folder: Path) -> tuple[ChecksumFacts, tuple[Observation, ...]]:
    """Compares every file of ``folder`` with SHA256SUMS; an observation for each difference.

    No path outside the folder is read, whatever the list or a symbolic link says.
    """
    file = folder / SUMS
    try:
        text = file.read_bytes().decode("utf-8", errors="surrogateescape")
    except OSError as error:
        unread = Observation("dist-sums", f"{file} cannot be read: {error.strerror or error}", fix=_REMAKE)
        return ChecksumFacts(0, 0), (unread,)
    found: list[Observation] = []
    expected: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        match = _LINE.fullmatch(line)
        name = os.path.normpath(match[2]) if match else ""
        if match is None or name.startswith(("/", "..")) or expected.get(name, match[1]) != match[1]:
            message = f"{file}:{number} cannot be used: {_printable(line)}"
            found.append(Observation("dist-sums", message, fix=_REMAKE))
            continue
        expected[name] = match[1]
    different = [each for name in sorted(expected) if (each := _compare(folder, name, expected[name]))]
    unlisted = sorted(set(_files(folder)) - expected.keys() - {SUMS, *LATER_FILES})
    return ChecksumFacts(len(expected), len(expected) - len(different)), (
        *found,
        *different,
        *(
            Observation("dist-unlisted", f"{_printable(name)} is not in {SUMS}", fix=_REMAKE)
            for name in unlisted
        ),
    )


def _compare(folder: Path, name: str, expected: str) -> Observation | None:
    """How the file ``name`` differs from what is expected; None where it does not."""
    path = folder / name
    shown = _printable(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        return Observation("dist-checksum", f"{shown} is a link to a file outside the folder", fix=_REMAKE)
    try:
        actual = hash_file(path)
    except (FileNotFoundError, NotADirectoryError):
        return Observation("dist-missing", f"{shown} is in {SUMS} but not in the folder", fix=_REMAKE)
    except OSError as error:
        return Observation("dist-checksum", f"{shown} cannot be read: {error.strerror or error}", fix=_REMAKE)
    if actual == expected:
        return None
    evidence = (f"expected {expected}", f"actual   {actual}")
    return Observation("dist-checksum", f"{shown} is not the file that {SUMS} names", evidence, _REMAKE)


def _files(folder: Path) -> Iterator[str]:
    """Relative paths of all files and links; linked folders are not entered."""
    for base, folders, names in os.walk(folder):
        linked = [name for name in folders if Path(base, name).is_symlink()]
        for name in [*names, *linked]:
            yield os.path.relpath(Path(base, name), folder)


def _printable(text: str) -> str:
    return text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="backslashreplace")
