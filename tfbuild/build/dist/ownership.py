"""What in an output folder is ours. Nothing else is ever removed or replaced.

A folder is ours when its ``manifest.json`` is one of tfbuild for this build; a file in it is, when SHA256SUMS
or the manifest names it. Links are not followed: what they point to belongs to somebody.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.base.errors import UsageError
from tfbuild.base.text import first_lines
from tfbuild.trust.files import LATER_FILES

CHECKSUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
VERIFY_REPORT = "verify.json"
# In a folder that is being put together, until its own documents say whose it is.
STAGING_MARK = ".tfbuild-staging"
_LINE = re.compile(r"[0-9a-f]{64} [ *](.+)")
_KEY = re.compile(r"[0-9a-f]{64}")
_NAMED = 5  # of what is in the way; the folder has the rest


@dataclass(frozen=True)
class Content:
    """The files of a folder, relative to it.

    ``owner`` is the build id (or the id of an index) in its manifest, or empty; ``ours`` are the files that
    its documents name, ``foreign`` all others, links to folders too.
    """

    owner: str
    ours: tuple[str, ...]
    foreign: tuple[str, ...]


def read_manifest(target: Path) -> dict[str, Any] | None:
    """The manifest of a finished build in ``target``, or None."""
    try:
        document = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and document.get("version") == 1 else None


def owner_of(manifest: Mapping[str, Any] | None) -> str:
    """The build id, or the id of an index; empty where ``manifest`` is not one of tfbuild.

    Only what every version of tfbuild writes is looked at: an older result is ours too.
    """
    if manifest is None or not isinstance(manifest.get("tfbuild"), str):
        return ""
    if not _KEY.fullmatch(str(manifest.get("key"))):
        return ""
    return str(manifest.get("build_id") or manifest.get("id") or "")


def content_of(folder: Path) -> Content:
    """:raises OSError: ``folder`` cannot be listed."""
    manifest = read_manifest(folder)
    owner = owner_of(manifest)
    known: set[str] = set()
    if owner:
        known = {CHECKSUMS, MANIFEST, VERIFY_REPORT, *LATER_FILES, *_listed(folder), *_artifacts(manifest)}
    files = sorted(files_below(folder))
    return Content(
        owner,
        tuple(name for name in files if name in known),
        tuple(name for name in files if name not in known),
    )


def obstacle(target: Path, owner: str) -> tuple[str, ...]:
    """Why ``target`` must not be replaced by a result of ``owner``, in lines; none where it may.

    A folder without any file is nobody's.

    :raises OSError: it cannot be looked at.
    """
    if target.is_symlink():
        return (f"it is a link to {target.readlink()}",)
    if not target.exists():
        return ()
    if not target.is_dir():
        return ("it is a file, not a folder",)
    content = content_of(target)
    if not content.owner:
        return (f"it has no {MANIFEST} of tfbuild", *_names(content.foreign)) if content.foreign else ()
    if content.owner != owner:
        return (f"its {MANIFEST} is that of {content.owner}",)
    if content.foreign:
        return (f"not of the build, by its {CHECKSUMS}:", *_names(content.foreign))
    return ()


def require_replaceable(target: Path, owner: str) -> None:
    """Raises :class:`UsageError`, which names what is in the way, unless ``target`` is a result of ``owner``
    with nothing else in it, or nothing."""
    if lines := obstacle(target, owner):
        raise UsageError(
            f"{target} holds what {owner} did not write: nothing is replaced",
            details=lines,
            hint="move it away, or choose another place: --output DIR",
        )


def remove_own(folder: Path) -> tuple[str, ...]:
    """Remove the files of ``folder`` that are ours, and the folders that are then empty.

    Returns what could not be removed, each with the reason; a foreign file is left without a word.
    """
    failed: list[str] = []
    for name in sorted(content_of(folder).ours, key=lambda each: each in {MANIFEST, CHECKSUMS}):
        # The documents last: as long as they are there, the rest is known as ours.
        try:
            if not (failed and name in {MANIFEST, CHECKSUMS}):
                (folder / name).unlink(missing_ok=True)
        except OSError as error:
            failed.append(f"{folder / name}: {error.strerror}")
    for base, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # not empty
            Path(base).rmdir()
    return tuple(failed)


def files_below(folder: Path) -> Iterator[str]:
    """Relative paths of all that is no folder; a linked folder counts as a file and is not entered.

    :raises OSError: a folder cannot be listed.
    """
    for base, folders, names in os.walk(folder, onerror=_raise):
        linked = [name for name in folders if Path(base, name).is_symlink()]
        for name in [*names, *linked]:
            yield os.path.relpath(Path(base, name), folder)


def _raise(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):  # it vanished meanwhile
        raise error


def _listed(folder: Path) -> Iterator[str]:
    try:
        lines = (folder / CHECKSUMS).read_bytes().decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return
    for line in lines:
        if match := _LINE.fullmatch(line):
            yield os.path.normpath(match[1])


def _artifacts(manifest: Mapping[str, Any] | None) -> Iterator[str]:
    """The main results, which the manifest of a build or an index names."""
    if manifest is None:
        return
    several = manifest.get("artifacts")
    for each in (*(several if isinstance(several, list) else ()), manifest.get("archive")):
        if isinstance(each, dict) and isinstance(each.get("path"), str):
            yield os.path.normpath(each["path"])


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"  {line}" for line in first_lines(names, _NAMED))
