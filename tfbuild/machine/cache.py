"""The cache folder: where it is, what is in it, and how it is emptied without harm to anything else."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from tfbuild.base.arch import Arch
from tfbuild.base.errors import HostError, TfBuildError, UsageError
from tfbuild.machine.path_words import expanded

# https://bford.info/cachedir/ : backup programs leave out a folder with this file.
TAG_NAME = "CACHEDIR.TAG"
_DRAFT = f".{TAG_NAME}."
_SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55"
_OWNER = "# This folder is a cache of tfbuild."
_TAG_TEXT = f"{_SIGNATURE}\n{_OWNER} It may be deleted: invoke clean --cache\n"

# What this program puts into each sub folder; a name of another form is somebody else's.
# PRODUCT-RELEASE-CONFIG-ARCH, whatever products there are; a release begins with its version.
_BUILD = rf"[a-z][a-z0-9_-]*-[0-9]+(?:\.[0-9]+)+.*-(?:{'|'.join(Arch)})"
_NAMES = {
    "downloads": r"(?:sha256|tree)-.+",
    "sources": r"\.?(?:(?:sha256|tree)-)?[0-9a-f]{40,64}(?:\.(?:complete|lock|lock\.holder|partial|old))?",
    "bases": r".+-[0-9a-f]{16}",
    "builders": r".+-[0-9a-f]{16}",
    "repositories": _BUILD,
    "locks": r".+\.lock(?:\.holder)?",
    "rebuilds": _BUILD,
    "benchmarks": r"\.?[0-9a-f]{1,64}\.json(?:\.[0-9]+\.part)?",
    "facts": r"\.?[0-9a-f]{64}\.json(?:\.[0-9]+\.part)?",
    "state": rf"{_BUILD}|setup|bundle|registry|lock-.+",
}
SUBFOLDERS = tuple(_NAMES)


def cache_root(env: Mapping[str, str]) -> Path:
    """The cache folder: ``TFBUILD_CACHE_DIR``, else the user's cache folder. Nothing is created.

    :func:`prepare_cache` makes it. An empty variable counts as not set, as everywhere in the XDG rules.
    """
    own = env.get("TFBUILD_CACHE_DIR", "").strip()
    if own:
        return expanded(own, "TFBUILD_CACHE_DIR").absolute()
    xdg = env.get("XDG_CACHE_HOME", "").strip()
    if xdg and Path(xdg).is_absolute():
        return Path(xdg) / "tfbuild"
    return platformdirs.user_cache_path("tfbuild", appauthor=False)


def prepare_cache(root: Path) -> Path:
    """Make ``root`` with its tag and sub folders; a second call changes nothing. Returns ``root``.

    :raises UsageError: ``root`` holds something that is not ours, which ``clean --cache`` could hurt.
    :raises HostError: ``root`` cannot be written.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not _is_ours(root):
            _refuse_foreign_content(root)
            _write_tag(root)
        for name in SUBFOLDERS:
            (root / name).mkdir(exist_ok=True)
    except OSError as error:
        raise _unusable(root, error) from error
    if not os.access(root, os.W_OK | os.X_OK):
        raise _unusable(root, PermissionError(13, "Permission denied"))
    return root


def cache_problem(root: Path) -> TfBuildError | None:
    """Why :func:`prepare_cache` would not take ``root``; None where it would. Changes nothing."""
    try:
        if root.exists() and not _is_ours(root):
            _refuse_foreign_content(root)
    except UsageError as error:
        return error
    except OSError as error:
        return _unusable(root, error)
    return None


def clear_cache(root: Path) -> int:
    """Delete everything that this program keeps in ``root``; returns the bytes that this freed.

    Only our sub folders and the tag go; anything else in the folder stays.

    :raises UsageError: as :func:`require_clearable`.
    :raises HostError: something in it cannot be deleted.
    """
    if not root.exists():
        return 0
    require_clearable(root)
    freed = sum(_delete(root, root / name) for name in SUBFOLDERS)
    (root / TAG_NAME).unlink()
    if not any(root.iterdir()):
        root.rmdir()
    return freed


def require_clearable(root: Path) -> None:
    """Raises :class:`UsageError` where ``root`` does not carry our tag, or holds in our sub folders what we
    did not put there; links are not followed."""
    if not _is_ours(root):
        raise UsageError(
            f"{root} is not a cache of tfbuild: nothing deleted",
            details=(f"it has no {TAG_NAME} written by tfbuild",),
            hint="check TFBUILD_CACHE_DIR",
        )
    if foreign := [name for folder in SUBFOLDERS for name in _foreign_in(root, folder)]:
        raise UsageError(
            f"the cache {root} holds what tfbuild did not put there: nothing deleted",
            details=tuple(foreign[:10]),
            hint="move it away, then the same command again",
        )


def _foreign_in(root: Path, name: str) -> list[str]:
    folder = root / name
    if folder.is_symlink():
        return [f"{name}, a link to {folder.readlink()}"]
    if not os.path.lexists(folder):
        return []
    if not folder.is_dir():
        return [name]
    return sorted(
        f"{name}/{each.name}"
        for each in folder.iterdir()
        if each.is_symlink() or not re.fullmatch(_NAMES[name], each.name)
    )


def _delete(root: Path, folder: Path) -> int:
    size = bytes_below(folder)
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return 0
    except OSError as error:
        raise HostError(
            f"cannot delete everything in {root}",
            details=(f"{error.filename}: {error.strerror}",),
            hint=f"does it belong to another user? sudo rm -r {folder}",
        ) from error
    return size


def _is_ours(root: Path) -> bool:
    try:
        text = (root / TAG_NAME).read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return False
    return text.startswith(_SIGNATURE) and _OWNER in text


def _write_tag(root: Path) -> None:
    # In one step: another process must never see a tag without its text.
    draft = root / f"{_DRAFT}{os.getpid()}.{threading.get_ident()}"
    draft.write_text(_TAG_TEXT, encoding="utf-8")
    draft.replace(root / TAG_NAME)


def _refuse_foreign_content(root: Path) -> None:
    names = sorted(entry.name for entry in root.iterdir())
    foreign = [name for name in names if name not in SUBFOLDERS and not name.startswith(_DRAFT)]
    # A folder called downloads may be anybody's.
    foreign += [inner for name in SUBFOLDERS for inner in _foreign_in(root, name)]
    # Asked again: another process may have written the tag just now.
    if foreign and not _is_ours(root):
        raise UsageError(
            f"{root} cannot be the cache: it holds other things",
            details=("found: " + ", ".join(foreign[:5]),),
            hint="set TFBUILD_CACHE_DIR to an empty or new folder",
        )


def bytes_below(folder: Path) -> int:
    """The sizes of all files, without following a link."""
    total = 0
    for parent, _folders, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(parent) / name).lstat().st_size
            except OSError:  # vanished meanwhile, or unreadable: only a number in a message
                continue
    return total


def _unusable(root: Path, error: OSError) -> HostError:
    return HostError(
        f"the cache folder {root} cannot be written: {error.strerror or error}",
        hint="make it writable, or set TFBUILD_CACHE_DIR to another folder",
    )
