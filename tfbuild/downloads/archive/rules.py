"""Which names and links an archive may hold. Pure: no file is touched."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from posixpath import normpath

from tfbuild.base.errors import ArchiveError
from tfbuild.downloads.archive.readers import Kind, Member

# As the kernel: MAXSYMLINKS in include/linux/namei.h
_MAX_LINKS = 40
# Bytes; include/uapi/linux/limits.h, with room for the destination's own path.
_NAME_MAX = 255
_PATH_MAX = 2048


def name_problem(name: str) -> str | None:
    """Why ``name`` must not be a member's name, or None."""
    if not name:
        return "it is empty"
    try:
        raw = name.encode("utf-8")
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if len(raw) > _PATH_MAX or any(len(part) > _NAME_MAX for part in raw.split(b"/")):
        return "it is too long"
    if not name.isprintable() and any(unicodedata.category(char) == "Cc" for char in name):
        return "it holds control characters"
    if name.startswith("/"):
        return "it is absolute"
    if ".." in name.split("/"):
        return "it leads out of the folder"
    return None


def resolve_link(path: str, target: str, links: Mapping[str, str]) -> str | None:
    """Where the symbolic link ``path`` -> ``target`` ends, or None if it leaves the tree or never ends.

    Paths are relative to the tree's root (empty: the root itself); ``links`` are all symbolic links in
    the tree. As the kernel does it: ``..`` after a link is the parent of the link's target.
    """
    here = [part for part in path.split("/")[:-1] if part]
    todo = target.split("/")[::-1]
    if target.startswith("/"):
        return None
    budget = _MAX_LINKS
    while todo:
        part = todo.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            if not here:
                return None
            here.pop()
            continue
        following = links.get("/".join([*here, part]))
        if following is None:
            here.append(part)
            continue
        budget -= 1
        if budget < 0 or following.startswith("/"):
            return None
        todo.extend(following.split("/")[::-1])
    return "/".join(here)


class Names:
    """The names seen so far in one archive, and which of them are wanted.

    ``prefix`` is the folder in the archive that becomes the destination (empty: all of it), ``subtrees``
    the paths below it that are wanted (empty: all).
    """

    def __init__(self, prefix: str, subtrees: tuple[str, ...]) -> None:
        self._prefix = prefix
        self._subtrees = subtrees
        self._missing = set(subtrees)
        self._kinds: dict[str, Kind] = {}
        self._folders: set[str] = set()  # those named, and those that only other names imply
        self._spellings: dict[str, str] = {}
        self._links: dict[str, Member] = {}
        self._hard_links: list[Member] = []
        self._below_prefix = False

    def check(self, member: Member) -> str | None:
        """The path to write ``member`` at, below the destination (empty: the destination itself).

        None when it is not wanted. Links have to pass :meth:`check_links` as well, at the end.

        :raises ArchiveError: the member must not be extracted.
        """
        problem = name_problem(member.name)
        if problem is not None:
            raise refused(member, problem)
        path = normpath(member.name)
        if path == ".":
            return None
        self._check_clash(member, path)
        self._kinds[path] = member.kind
        if member.kind is Kind.SYMLINK:
            self._links[path] = member
        elif member.kind is Kind.HARD_LINK:
            self._hard_links.append(member)
        return self._wanted(path)

    def check_links(self) -> None:
        """Judge the links, once all members are known.

        :raises ArchiveError: a link leaves the tree, or a wanted path was not in the archive.
        """
        self._check_symlinks("")
        if self._prefix:
            self._check_symlinks(self._prefix + "/")
        for member in self._hard_links:
            problem = name_problem(member.link)
            if problem is not None:
                raise refused(member, f"it links to {member.link!r}, and {problem}")
            if self._kinds.get(normpath(member.link)) is not Kind.FILE:
                raise refused(member, f"it links to {member.link!r}, which is not a file in the archive")
        if self._prefix and not self._below_prefix:
            raise ArchiveError(f"nothing in the archive is below {self._prefix!r}")
        if self._missing:
            raise ArchiveError(f"not in the archive: {', '.join(sorted(self._missing))}")

    def written(self, link: str) -> str | None:
        """Where the target of a hard link was written, or None if it was not wanted."""
        return self._wanted(normpath(link))

    def _check_symlinks(self, root: str) -> None:
        inside = {path[len(root) :]: m for path, m in self._links.items() if path.startswith(root)}
        targets = {path: member.link for path, member in inside.items()}
        for path, member in inside.items():
            problem = link_problem(member.link)
            if problem is not None:
                raise refused(member, f"its target is bad: {problem}")
            if resolve_link(path, member.link, targets) is None:
                raise refused(member, f"it links to {member.link!r}, outside of the archive or to itself")

    def _check_clash(self, member: Member, path: str) -> None:
        self._check_spelling(member, path)
        earlier = self._kinds.get(path)
        is_folder = member.kind is Kind.FOLDER
        if earlier is not None and not (is_folder and earlier is Kind.FOLDER):
            raise refused(member, "it is there twice")
        if not is_folder and path in self._folders:
            raise refused(member, "it is a folder as well")
        if is_folder:
            self._folders.add(path)
        for parent in _new_parents(path, self._folders):
            if self._kinds.get(parent, Kind.FOLDER) is not Kind.FOLDER:
                raise refused(member, f"it lies below {parent!r}, which is not a folder")
            self._check_spelling(member, parent)
            self._folders.add(parent)

    def _check_spelling(self, member: Member, path: str) -> None:
        # On some file systems these are one file: the second would overwrite the first.
        folded = unicodedata.normalize("NFC", path).casefold()
        if self._spellings.setdefault(folded, path) != path:
            raise refused(member, f"it differs from {self._spellings[folded]!r} in case only")

    def _wanted(self, path: str) -> str | None:
        if self._prefix:
            if path == self._prefix:
                self._below_prefix = True
                return None if self._subtrees else ""
            if not path.startswith(self._prefix + "/"):
                return None
            self._below_prefix = True
            path = path[len(self._prefix) + 1 :]
        if not self._subtrees:
            return path
        for tree in self._subtrees:
            if path == tree or path.startswith(tree + "/"):
                self._missing.discard(tree)
                return path
        return None


def link_problem(target: str) -> str | None:
    """Why ``target`` must not be a symbolic link's target, as far as its text alone says; or None."""
    problem = name_problem(target)
    # Upwards is fine as long as it stays inside, which only the whole tree can tell.
    return None if problem == "it leads out of the folder" else problem


def refused(member: Member, why: str) -> ArchiveError:
    """The error for a member that must not be extracted."""
    return ArchiveError(f"the archive holds {member.name!r}, which is not extracted: {why}")


def _new_parents(path: str, known: set[str]) -> list[str]:
    parents: list[str] = []
    parent = path.rpartition("/")[0]
    while parent and parent not in known:
        parents.append(parent)
        parent = parent.rpartition("/")[0]
    return parents
