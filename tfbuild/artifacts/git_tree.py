"""The git tree id of a folder: the same for every archive of one commit, however it was compressed.

Format: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects and ``fsck_tree`` in git's ``fsck.c``.
Reads files and nothing else. It is the id of what lies there: names, bytes, whether a file is executable,
and the targets of symbolic links. Times, owners and empty folders do not count; submodules cannot be told.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tfbuild.base.errors import ArchiveError, UsageError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class TreeEntry:
    """A line of a tree object; ``mode`` as git writes it, ``object_id`` in hex."""

    mode: str  # 100644, 100755, 120000 (link), 40000 (tree)
    name: bytes
    object_id: str

    @property
    def sort_key(self) -> bytes:
        """Git sorts a folder as if its name ended in a slash (``base_name_compare`` in git's ``tree.c``)."""
        return self.name + b"/" if self.mode == "40000" else self.name


def object_id(kind: str, content: bytes) -> str:
    """The SHA-1 id of an object (``blob`` or ``tree``) with this content."""
    return _hash(kind, len(content), (content,))


def entries_id(entries: Iterable[TreeEntry]) -> str:
    """The id of the tree object that has these entries, in any order."""
    lines = sorted(entries, key=lambda entry: entry.sort_key)
    return object_id("tree", b"".join(_line(entry) for entry in lines))


def tree_id(folder: Path) -> str:
    """The id that ``git write-tree`` would print for what is below ``folder``.

    :raises ArchiveError: there is something that no commit can hold, such as a socket.
    """
    return entries_id(_entries(os.fsencode(folder)))


def typed_tree_id(folder: Path) -> str:
    """:func:`tree_id` of a folder that a user named.

    :raises UsageError: there is something in it that no image can get, such as a pipe.
    """
    try:
        return tree_id(folder)
    except ArchiveError as error:
        raise UsageError(error.message, hint=f"take it out of {folder}") from error


def require_git_id(path: Path, expected: str, what: str) -> None:
    """A user's file or folder still is what the plan was made of: its git id is ``expected``.

    :raises UsageError: it is another one, or is gone.
    """
    try:
        if (typed_tree_id(path) if path.is_dir() else object_id("blob", path.read_bytes())) == expected:
            return
        message = f"{what} at {path} is not the one that the plan was made of: it was changed"
    except OSError as error:
        message = f"{what} at {path} cannot be read: {error.strerror or error}"
    raise UsageError(
        message,
        details=(f"Expected: git id {expected}",),
        hint="put it back unchanged, or build again",
    )


def _entries(folder: bytes) -> Iterable[TreeEntry]:
    with os.scandir(folder) as found:
        for each in found:
            if each.is_symlink():
                yield TreeEntry("120000", each.name, object_id("blob", _target(each.path)))
            elif each.is_dir():
                # Git knows no empty folders.
                if below := list(_entries(each.path)):
                    yield TreeEntry("40000", each.name, entries_id(below))
            elif each.is_file():
                yield _file(each.path, each.name)
            else:
                raise ArchiveError(f"neither file, folder nor link: {os.fsdecode(each.path)}")


def _target(path: bytes) -> bytes:
    return os.readlink(path)  # noqa: PTH115 - bytes, since a target need not be text


def _file(path: bytes, name: bytes) -> TreeEntry:
    with open(path, "rb") as file:  # noqa: PTH123 - bytes, since a name need not be text
        status = os.fstat(file.fileno())
        content = _hash("blob", status.st_size, iter(lambda: file.read(_CHUNK), b""))
    # Git looks at the owner's bit only: ce_permissions in git's read-cache.h.
    return TreeEntry("100755" if status.st_mode & stat.S_IXUSR else "100644", name, content)


def _hash(kind: str, size: int, chunks: Iterable[bytes]) -> str:
    digest = hashlib.sha1(f"{kind} {size}\0".encode(), usedforsecurity=False)
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def _line(entry: TreeEntry) -> bytes:
    return entry.mode.encode() + b" " + entry.name + b"\0" + bytes.fromhex(entry.object_id)
