"""A dist folder as an artifact of a registry: each file a layer with its path as the title, as oras has it.

https://oras.land/docs/concepts/artifact/
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from tfbuild.base.errors import PackagingError, UsageError, VerificationError
from tfbuild.build.dist.folder import claim, is_intact, swap
from tfbuild.build.dist.ownership import (
    CHECKSUMS,
    MANIFEST,
    STAGING_MARK,
    content_of,
    owner_of,
    read_manifest,
)
from tfbuild.machine.files import hash_file
from tfbuild.registry.content import EMPTY, TITLE, Content, Descriptor, manifest_of
from tfbuild.registry.push import Publication
from tfbuild.verify.dist_folders import which_dist_folder

DIST_TYPE = "application/vnd.tfbuild.dist.v1"
_FILE_TYPE = "application/octet-stream"
# Of a layer: permissions and, of a link, where it points to. Of the manifest: the folder's place below dist/.
_MODE, _LINK, _PLACE = "vnd.tfbuild.mode", "vnd.tfbuild.link", "vnd.tfbuild.place"
_PARTS = 4  # PRODUCT/RELEASE/CONFIG/ARCH
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_MAX_FILES = 100_000


def publication_of_folder(folder: Path) -> Publication:
    """What to push of ``folder``: the files that its documents name, and nothing else that lies there.

    :raises UsageError: it is no dist folder.
    :raises VerificationError: its files are not those of its SHA256SUMS: that is never pushed.
    """
    owner = owner_of(read_manifest(folder))
    if not owner or not (folder / CHECKSUMS).is_file():
        raise UsageError(
            f"{folder} is not a dist folder: it has no {CHECKSUMS} and {MANIFEST} of tfbuild",
            hint=which_dist_folder(folder, ", or the name of an image"),
        )
    if not is_intact(folder):
        raise VerificationError(
            f"{folder} is not pushed: its files are not those of its {CHECKSUMS}",
            hint=f"invoke verify {folder} says which; build it again",
        )
    files = tuple(_file(folder, name) for name in content_of(folder).ours)
    place = "/".join(Path(os.path.abspath(folder)).parts[-_PARTS:])  # noqa: PTH100 - not where links lead
    top = manifest_of(
        [each.descriptor for each in files],
        name=owner,
        artifact_type=DIST_TYPE,
        annotations={"org.opencontainers.image.title": owner, _PLACE: place},
    )
    return Publication(top, (), (*files, EMPTY))


def _file(folder: Path, name: str) -> Content:
    path = folder / name
    annotations = {TITLE: PurePosixPath(name).as_posix()}
    if path.is_symlink():
        annotations[_LINK] = str(path.readlink())
    annotations[_MODE] = f"{stat.S_IMODE(path.stat().st_mode) & 0o755 | 0o444:04o}"
    descriptor = Descriptor(_FILE_TYPE, f"sha256:{hash_file(path)}", path.stat().st_size, annotations)
    return Content(descriptor, name, partial(_opened, path))


def _opened(path: Path) -> BinaryIO:
    return cast("BinaryIO", path.open("rb"))


@dataclass(frozen=True)
class File:
    """A file of an artifact: its path, relative to the folder, and what it is made of."""

    path: PurePosixPath
    blob: Descriptor
    mode: int
    link: str


@dataclass(frozen=True)
class Artifact:
    """What a manifest says of a dist folder; ``place`` is below dist/."""

    place: PurePosixPath
    files: tuple[File, ...]


def parse_artifact(document: Mapping[str, Any], name: str) -> Artifact | None:
    """The folder that a manifest describes; None where it is of something else, as an image.

    :raises VerificationError: it is of a folder, and says what no folder of ours is.
    """
    if document.get("artifactType") != DIST_TYPE:
        return None
    try:
        place = _place(str((document.get("annotations") or {})[_PLACE]))
        files = tuple(_parsed(each) for each in document["layers"][:_MAX_FILES])
        _require_tree([each.path for each in files])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise VerificationError(
            f"{name} is no dist folder that tfbuild has pushed",
            details=(str(error)[:300],),
            hint="do not use it; ask its publisher",
        ) from error
    return Artifact(place, files)


def _place(text: str) -> PurePosixPath:
    parts = text.split("/")
    if len(parts) != _PARTS or not all(_WORD.fullmatch(part) for part in parts):
        raise ValueError(f"its place is not PRODUCT/RELEASE/CONFIG/ARCH: {text}")
    return PurePosixPath(text)


def _parsed(layer: Any) -> File:
    blob = Descriptor.of(layer)
    path = _inside(blob.annotations[TITLE])
    mode = int(blob.annotations.get(_MODE, "0644"), 8) & 0o755 | 0o444
    link = blob.annotations.get(_LINK, "")
    if link:
        _inside(os.path.normpath(path.parent / link))
        if link.startswith("/"):
            raise ValueError(f"a link leaves the folder: {path}")
    return File(path, blob, mode, link)


def _inside(text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\0" in text or str(path) != text:
        raise ValueError(f"a path leaves the folder, or is no plain one: {text!r}")
    return path


def _require_tree(paths: list[PurePosixPath]) -> None:
    """No path twice, and none below a file or a link."""
    known = set(paths)
    if len(known) != len(paths):
        raise ValueError("a file is there twice")
    for path in paths:
        if bad := next((each for each in path.parents if each in known), None):
            raise ValueError(f"{bad} is a file and a folder")
    if not {PurePosixPath(MANIFEST), PurePosixPath(CHECKSUMS)} <= known:
        raise ValueError(f"it has no {MANIFEST} or no {CHECKSUMS}")


def receive(
    artifact: Artifact, root: Path, get: Callable[[Descriptor], Path], judge: Callable[[Path], None]
) -> tuple[Path, str]:
    """Make the folder below ``root``, complete or not at all; returns it, and whose it is.

    ``get`` gives a file with the bytes of a blob; ``judge`` looks at the folder before it gets its name, and
    raises what it has against it.

    :raises VerificationError: the files are not those of its own SHA256SUMS.
    :raises UsageError: what is in its place is not an earlier result of the same build.
    """
    target = root / artifact.place
    owner = _owner(artifact, get)
    with claim(target, owner) as staging:
        try:
            for each in artifact.files:
                _write(each, staging, get)
        except OSError as error:
            raise PackagingError(
                f"couldn't write {target}", details=(str(error),), hint="--output DIR"
            ) from error
        unlisted = tuple(_unlisted(staging))
        if unlisted or not is_intact(staging):
            raise VerificationError(
                f"{target} is not made: what was pulled is not what its own {CHECKSUMS} says",
                details=unlisted[:5],
                hint="do not use it; ask its publisher",
            )
        judge(staging)
        swap(staging, target, owner)
    return target, owner


def _owner(artifact: Artifact, get: Callable[[Descriptor], Path]) -> str:
    (manifest,) = [each for each in artifact.files if str(each.path) == MANIFEST]
    try:
        document = json.loads(get(manifest.blob).read_bytes())
    except (ValueError, RecursionError):
        document = None
    owner = owner_of(document if isinstance(document, dict) else None)
    if not owner:
        raise VerificationError(f"{artifact.place}: its {MANIFEST} is none of tfbuild", hint="do not use it")
    return owner


def _write(file: File, staging: Path, get: Callable[[Descriptor], Path]) -> None:
    path = staging / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if file.link:
        path.symlink_to(file.link)
        return
    shutil.copyfile(get(file.blob), path)
    path.chmod(file.mode)


def _unlisted(folder: Path) -> Iterator[str]:
    """Files that no document of the folder names: nobody vouches for them."""
    yield from (name for name in content_of(folder).foreign if name != STAGING_MARK)
