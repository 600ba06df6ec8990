"""Checks a dist folder against its SHA256SUMS (the format of coreutils' sha256sum)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfbuild.verify.policy import Findings

SUMS = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_REMAKE = "build again, or get the folder again: it is not what was built"


@dataclass(frozen=True)
class ChecksumFacts:
    """How many files SHA256SUMS names, and how many of them are as it says."""

    listed: int
    equal: int


def read_checksums(folder: Path, found: Findings) -> ChecksumFacts:
    """Compares every file of ``folder`` with SHA256SUMS, and adds a finding for each difference.

    No path outside the folder is read, whatever the list or a symbolic link says.
    """
    file = folder / SUMS
    try:
        text = file.read_bytes().decode("utf-8", errors="surrogateescape")
    except OSError as error:
        found.add("dist-sums", f"{file} cannot be read: {error.strerror or error}", fix=_REMAKE)
        return ChecksumFacts(0, 0)
    expected: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line:
            continue
        match = _LINE.fullmatch(line)
        name = os.path.normpath(match[2]) if match else ""
        if match is None or name.startswith(("/", "..")) or expected.get(name, match[1]) != match[1]:
            found.add("dist-sums", f"{file}:{number} cannot be used: {_printable(line)}", fix=_REMAKE)
            continue
        expected[name] = match[1]
    equal = sum(_compare(folder, name, digest, found) for name, digest in sorted(expected.items()))
    for name in sorted(set(_files(folder)) - expected.keys() - {SUMS}):
        found.add("dist-unlisted", f"{_printable(name)} is not in {SUMS}", fix=_REMAKE)
    return ChecksumFacts(len(expected), equal)


def _compare(folder: Path, name: str, expected: str, found: Findings) -> bool:
    path = folder / name
    shown = _printable(name)
    if not path.resolve().is_relative_to(folder.resolve()):
        found.add("dist-checksum", f"{shown} is a link to a file outside the folder", fix=_REMAKE)
        return False
    try:
        actual = _sha256(path)
    except (FileNotFoundError, NotADirectoryError):
        found.add("dist-missing", f"{shown} is in {SUMS} but not in the folder", fix=_REMAKE)
        return False
    except OSError as error:
        found.add("dist-checksum", f"{shown} cannot be read: {error.strerror or error}", fix=_REMAKE)
        return False
    if actual != expected:
        evidence = (f"expected {expected}", f"actual   {actual}")
        found.add("dist-checksum", f"{shown} is not the file that {SUMS} names", evidence, _REMAKE)
    return actual == expected


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[str]:
    """Relative paths of all files and links; linked folders are not entered."""
    for base, folders, names in os.walk(folder):
        linked = [name for name in folders if Path(base, name).is_symlink()]
        for name in [*names, *linked]:
            yield os.path.relpath(Path(base, name), folder)


def _printable(text: str) -> str:
    return text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="backslashreplace")
