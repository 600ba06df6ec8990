"""Reads the texts that decide about a lock: build files out of archives and git repositories."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.errors import ArchiveError, DownloadError
from tfbuild.downloads.archive.readers import BROKEN, Kind, Limits, read_members
from tfbuild.downloads.git import GitSources
from tfbuild.products.tflite.lock.declared import (
    BAZEL_FILES,
    MODULES,
    OWN_DOWNLOADS,
    UpstreamSourceError,
    wanted_sources,
)
from tfbuild.products.tflite.release import LITE, UpstreamBuildFiles
from tfbuild.releases.dependency import Declared

# A build file is some KiB; XNNPACK's lists of kernels are the largest.
_MAX_TEXT = 4 << 20


def source_texts(archive: Path, prefix: str, folder: str = LITE) -> dict[str, str]:
    """The texts of a release's source that say what its build downloads, by their paths below ``prefix``;
    ``folder`` is where TFLite lies in it."""
    return texts_in(archive, prefix, lambda name: _is_asked(name, folder))


def build_file_texts(
    place: UpstreamBuildFiles, git: GitSources, scratch: Path, folder: str = LITE
) -> dict[str, str]:
    """The same from another repository, by the paths that they have in the source.

    :raises DownloadError: the repository is out of reach.
    """
    made = scratch / "build-files.tar"
    git.folder(place.repository, place.commit, place.folder, "files", made)

    def own(name: str) -> str:
        return f"{folder}/{name.removeprefix(f'{place.folder}/')}"

    found = texts_in(made, "files", lambda name: _is_asked(own(name), folder))
    return {own(name): text for name, text in found.items()}


def texts_in(archive: Path, prefix: str, is_asked: Callable[[str], bool]) -> dict[str, str]:
    """The texts in ``archive`` whose path below the folder ``prefix`` is asked for."""
    found: dict[str, str] = {}
    inside = False
    try:
        for member in read_members(archive, Limits()):
            top, _, name = member.name.removeprefix("./").partition("/")
            inside = inside or top == prefix
            if top == prefix and member.kind is Kind.FILE and is_asked(name) and member.size <= _MAX_TEXT:
                with member.open() as file:
                    found[name] = file.read().decode("utf-8", "replace")
    except BROKEN as error:
        raise ArchiveError(f"the archive {archive.name} is damaged: {error}") from error
    if not inside:
        raise ArchiveError(f"the archive {archive.name} has no folder {prefix}")
    return found


def require_declared(
    archive: Path,
    prefix: str,
    arch: Arch,
    expected: Iterable[Declared],
    *,
    lock: str,
    again: str,
    repinned: Iterable[str],
    folder: str = LITE,
) -> None:
    """Compare a lock that was read elsewhere (``expected``) with the source itself, for ``arch``.

    ``again`` is the command that makes the lock from the source. ``repinned`` names what the release file
    pins to something else than the source; it is not compared.

    :raises DownloadError: the source asks for something else; all differences at once.
    """
    try:
        wanted = wanted_sources(source_texts(archive, prefix, folder), (arch,), {}, folder)
    except UpstreamSourceError as error:
        differences = [str(error)]
    else:
        left = set(repinned)
        own = {Declared(each.name, each.repository, each.ref) for each in wanted if each.arches}
        differences = list(_differences(set(expected), {each for each in own if each.name not in left}))
    if differences:
        raise DownloadError(
            f"{lock} is not what the source asks for; it was read from other files",
            details=tuple(differences),
            hint=f"{again} makes it again from the source",
        )


def _differences(expected: set[Declared], actual: set[Declared]) -> Iterable[str]:
    for each in sorted(actual - expected):
        yield f"{each.name}: the source asks for {each.repository} {each.ref}"
    for each in sorted(expected - actual):
        yield f"{each.name}: the lock has {each.repository} {each.ref}"


def _is_asked(name: str, folder: str) -> bool:
    if name.startswith(BAZEL_FILES):
        return name.endswith(".bzl")
    return name.startswith((f"{folder}/{MODULES}", f"{folder}/{OWN_DOWNLOADS}")) and name.endswith(".cmake")
