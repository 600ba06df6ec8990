"""Whether a folder is a model that the server will load. Reads files, starts nothing.

The server looks below its base path for folders whose name is a number, the version, and takes the largest
(``tensorflow_serving/sources/storage_path/file_system_storage_path_source.cc``); in it must be a
SavedModel (``tensorflow/cc/saved_model/constants.h``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tfbuild.artifacts.git_tree import typed_tree_id
from tfbuild.base.errors import UsageError

# ParseInt64 upstream: a version is a number that fits into 63 bits.
_VERSION = re.compile(r"[0-9]{1,18}")
# ModelSpec.name ends up in URLs: /v1/models/NAME:predict.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_SAVED_MODEL = ("saved_model.pb", "saved_model.pbtxt")
_LAYOUT = "a model folder looks like MODEL/1/saved_model.pb, with MODEL/1/variables/ where it has weights"
# Field 2 of SavedModel, length-delimited: meta_graphs (tensorflow/core/protobuf/saved_model.proto).
_META_GRAPHS = 0x12
_SCHEMA_VERSION = 0x08


@dataclass(frozen=True)
class ModelFolder:
    """A model to put into the image; ``tree`` is the git tree id of its content, so of every byte."""

    path: str
    name: str
    versions: tuple[int, ...]
    tree: str


def read_model(folder: Path, name: str = "") -> ModelFolder:
    """The model in ``folder``, called ``name``, else as the folder is.

    :raises UsageError: it is none; the message says what is missing where.
    """
    where = str(folder)
    if not folder.is_dir():
        raise UsageError(f"--model takes a folder, and there is none at {where}", hint=_LAYOUT)
    if any((folder / each).is_file() for each in _SAVED_MODEL):
        raise UsageError(
            f"{where} is a SavedModel, but the server needs it in a numbered folder",
            hint=f"mkdir MODEL, copy {where} to MODEL/1, and --model MODEL",
        )
    versions = sorted(
        int(each.name) for each in folder.iterdir() if each.is_dir() and _VERSION.fullmatch(each.name)
    )
    if not versions:
        found = ", ".join(sorted(each.name for each in folder.iterdir())[:5]) or "nothing"
        raise UsageError(
            f"{where} has no numbered version folder", details=(f"it holds: {found}",), hint=_LAYOUT
        )
    for each in sorted(folder.iterdir()):
        if each.is_dir() and _VERSION.fullmatch(each.name):
            _check_version(each)
    name = name or folder.resolve().name
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' cannot be the name of a model: it is part of its URL",
            hint="letters, digits, '_', '.', '-': rename the folder",
        )
    return ModelFolder(where, name, tuple(versions), typed_tree_id(folder))


def _check_version(folder: Path) -> None:
    found = next((folder / each for each in _SAVED_MODEL if (folder / each).is_file()), None)
    if found is None:
        held = ", ".join(sorted(each.name for each in folder.iterdir())[:5]) or "nothing"
        raise UsageError(f"{folder} has no saved_model.pb", details=(f"it holds: {held}",), hint=_LAYOUT)
    if found.suffix == ".pb":
        with found.open("rb") as file:
            problem = saved_model_problem(file.read(64))
        if problem:
            raise UsageError(
                f"{found} is not a SavedModel: {problem}", hint="save it once more: tf.saved_model.save"
            )
    index, data = folder / "variables" / "variables.index", list(folder.glob("variables/variables.data-*"))
    if index.is_file() != bool(data):
        missing = "variables.data-*" if index.is_file() else "variables.index"
        raise UsageError(f"{folder / 'variables'} lacks {missing}", hint="copy the whole folder of the model")


def saved_model_problem(head: bytes) -> str | None:
    """What the first bytes of a saved_model.pb say against it, or None."""
    if not head:
        return "it is empty"
    if head.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS, not the file: git lfs pull"
    if head[0] == _SCHEMA_VERSION:
        rest = head[1:].lstrip(bytes(range(0x80, 0x100)))[
            1:
        ]  # the varint's bytes, the last of them below 0x80
        head = rest or bytes([_META_GRAPHS])
    if head[0] != _META_GRAPHS:
        return "it does not begin as that message does"
    return None
