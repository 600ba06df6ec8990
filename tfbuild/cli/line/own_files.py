"""Files of a user's that the command line names, as paths that mean the same in every folder."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from tfbuild.base.errors import UsageError
from tfbuild.base.places import UserPlaces, is_path, search_path
from tfbuild.base.project import IS_INSTALLED
from tfbuild.machine.path_words import expanded, input_path, input_word


def release_word(word: str, root: Path) -> str:
    """``--release``: a name as it is; the path of a file from ``root``, the project, or absolute outside it.

    A path is relative to the current folder, or else to the project.

    :raises UsageError: there is something that cannot be read.
    """
    if not word.endswith(".yaml"):
        return word
    path = expanded(word, "--release")
    here = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the user's links
    input_path(str(here), "--release")
    input_path(str(root / path), "--release")
    if not here.is_file():
        return str(path)
    return here.relative_to(root).as_posix() if here.is_relative_to(root) else str(here)


def config_word(word: str, option: str = "--config") -> str:
    """The name of a configuration as it is; in the path of a file ``~`` is replaced.

    :raises UsageError: there is something that cannot be read.
    """
    return input_word(word, option) if is_path(word) else word


def user_places() -> UserPlaces:
    """The current folder, and the user's own (``$XDG_CONFIG_HOME/tfbuild``)."""
    return UserPlaces(
        current=Path(os.path.abspath(".")),  # noqa: PTH100 - resolve() would follow the user's links
        personal=Path(os.path.abspath(platformdirs.user_config_path("tfbuild", appauthor=False))),  # noqa: PTH100
    )


def policy_word(word: str, root: Path) -> str:
    """``--policy``: the name of a policy of the project's, or the absolute path of a file.

    A name is looked for in the current folder's build_configs/policies and in the user's own first.
    """
    if word.endswith((".yaml", ".yml")):
        input_path(word, "--policy")
        return os.path.abspath(expanded(word, "--policy"))  # noqa: PTH100 - as above
    policies = search_path(root, user_places(), "policies")
    found = policies.named(word)
    if not found or found[0].file.parent == policies.places[-1].folder:
        return word
    return str(found[0].file)


def require_checkout(what: str, hint: str, *, installed: bool = IS_INSTALLED) -> None:
    """Raises :class:`UsageError` where the project's own files are those of an installed package."""
    if installed:
        raise UsageError(f"{what} a checkout of tfbuild, and this is an installed package", hint=hint)
