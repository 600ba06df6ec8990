"""Where configurations and policies are looked for: a user's folders first, then this project's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = "build_configs"


@dataclass(frozen=True)
class UserPlaces:
    """The folder that a command is typed in, and ``$XDG_CONFIG_HOME/tfbuild``; absolute.

    None: not looked at.
    """

    current: Path | None = None
    personal: Path | None = None


NOWHERE = UserPlaces()


@dataclass(frozen=True)
class NamedFile:
    """A file with the name that it is asked for by; ``shown`` is what messages and plans call it."""

    name: str
    file: Path
    shown: str


@dataclass(frozen=True)
class Place:
    """A folder that is searched; ``shown`` is its name in messages."""

    folder: Path
    shown: str

    def files(self) -> tuple[NamedFile, ...]:
        """Its YAML files, by name."""
        found = (path for path in self.folder.glob("*.yaml") if path.is_file())
        return tuple(NamedFile(path.stem, path, f"{self.shown}/{path.name}") for path in sorted(found))


@dataclass(frozen=True)
class SearchPath:
    """The places in which a name is looked up; the first one that has it counts. ``root`` is the project."""

    root: Path
    user: UserPlaces
    places: tuple[Place, ...]

    def names(self) -> tuple[str, ...]:
        """What can be asked for."""
        return tuple(sorted({each.name for place in self.places for each in place.files()}))

    def files(self) -> tuple[NamedFile, ...]:
        """What each name stands for, by name."""
        first = {each.name: each for place in reversed(self.places) for each in place.files()}
        return tuple(first[name] for name in sorted(first))

    def named(self, name: str) -> tuple[NamedFile, ...]:
        """The files of this name, first come first; none where nobody has it."""
        return tuple(each for place in self.places for each in place.files() if each.name == name)

    def no_files(self, name: str) -> tuple[str, ...]:
        """What has this name and is no file that could be read: a folder, a pipe, a link to nothing."""
        found = ((place, place.folder / f"{name}.yaml") for place in self.places)
        return tuple(
            f"{place.shown}/{path.name}"
            for place, path in found
            if os.path.lexists(path) and not path.is_file()
        )

    def at(self, word: str, folder: Path | None) -> NamedFile:
        """The file at the path ``word``, which is relative to ``folder``; it need not be there."""
        file = Path(os.path.normpath((folder or self.root) / word))
        for place in self.places:
            if file.parent == place.folder:
                return NamedFile(file.stem, file, f"{place.shown}/{file.name}")
        return NamedFile(file.stem, file, self.shown(file))

    def shown(self, file: Path) -> str:
        """``file`` as it is called in messages: from the project, from the current folder, or absolute."""
        if file.is_relative_to(root := Path(os.path.normpath(self.root))):
            return file.relative_to(root).as_posix()
        if self.user.current and file.is_relative_to(self.user.current):
            return f"./{file.relative_to(self.user.current).as_posix()}"
        return file.as_posix()

    @property
    def looked_in(self) -> str:
        """The places, for a message about what is nowhere; empty where there is one alone."""
        own = "tfbuild's own"
        shown = [own if each.folder == self.places[-1].folder else each.shown for each in self.places]
        return f"looked in: {', '.join(shown)}" if len(shown) > 1 else ""


def is_path(word: str) -> bool:
    """Whether ``word`` is the path of a file, and not a name."""
    return word.endswith(".yaml")


def search_path(root: Path, user: UserPlaces, inside: str = "") -> SearchPath:
    """The current folder's ``build_configs``, the user's own folder, those of the project in ``root``.

    Of each the folder ``inside``, if one is given. The project's own folder is there once.
    """
    own = Place(root / FOLDER / inside, "/".join(filter(None, (FOLDER, inside))))
    theirs: list[Place] = []
    if user.current:
        theirs.append(Place(user.current / FOLDER / inside, f"./{own.shown}"))
    if user.personal:
        folder = user.personal / inside
        theirs.append(Place(folder, folder.as_posix()))
    return SearchPath(root, user, (*_others(theirs, own), own))


def _others(theirs: Sequence[Place], own: Place) -> Sequence[Place]:
    real = os.path.realpath(own.folder)
    return [each for each in theirs if os.path.realpath(each.folder) != real]
