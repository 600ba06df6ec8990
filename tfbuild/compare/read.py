"""Reads what is compared: files, dist folders, images. Starts nothing."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tfbuild.artifacts.image.archive import ImageArchive
from tfbuild.artifacts.image.facts import FileType
from tfbuild.base.errors import UsageError
from tfbuild.base.values import SaveImage
from tfbuild.build.dist.ownership import MANIFEST, VERIFY_REPORT, owner_of, read_manifest
from tfbuild.compare.figures import read_figures
from tfbuild.compare.subject import Subject, subject_of
from tfbuild.plan.naming import Asked, read_asked
from tfbuild.verify.report import NamedPolicy, SubjectKind, VerifyFacts
from tfbuild.verify.verify import verify_path

# dist/PRODUCT/RELEASE/CONFIG/ARCH/manifest.json
_MANIFESTS = f"*/*/*/*/{MANIFEST}"


def builds_in(dist: Path) -> Iterator[tuple[str, Path]]:
    """The id of each build in the folder ``dist``, and its own folder."""
    for file in sorted(dist.glob(_MANIFESTS)):
        if owner := owner_of(read_manifest(file.parent)):
            yield owner, file.parent


def find_build(word: str, dist: Path) -> Path | None:
    """The folder of a build: ``word`` is that folder, or the build's id; None where there is none."""
    folder = Path(word)
    if read_manifest(folder) is not None:
        return folder
    return next((path for owner, path in builds_in(dist) if owner == word), None)


def plain_build(folder: Path, dist: Path) -> Path | None:
    """The build of the same release, configuration and architecture without what was asked beyond these.

    None where nothing was, or where that build is not in ``dist``.
    """
    mine = _asked(folder)
    if mine is None or not mine[1].beyond:
        return None
    for _, other in builds_in(dist):
        found = _asked(other)
        same = found and found[0] == mine[0] and found[1].config == mine[1].config
        if found and same and not found[1].beyond:
            return other
    return None


def _asked(folder: Path) -> tuple[tuple[str, ...], Asked] | None:
    """Product, release and architecture of a build, and what it was asked for."""
    plan = (read_manifest(folder) or {}).get("plan")
    if not isinstance(plan, dict):
        return None
    asked = read_asked(plan)
    return (tuple(str(plan.get(key)) for key in ("product", "release", "arch")), asked) if asked else None


def read_subject(
    word: str, target: Path | str, policy: NamedPolicy, save_image: SaveImage, cache: Path, image_id: str = ""
) -> Subject:
    """What is known of ``target``, a path or the name of an image, which the user called ``word``.

    ``image_id`` is the image's. Raises as :func:`tfbuild.verify.verify.verify`.
    """
    if isinstance(target, str):
        with tempfile.TemporaryDirectory(prefix="tfbuild-compare-") as folder:
            file = Path(folder) / "image.tar"
            save_image(target, file)
            found = _read(word, word, file, policy, cache, image_id)
            return replace(found, kind=str(SubjectKind.IMAGE))
    return _read(word, target.name, target, policy, cache, image_id)


def _read(word: str, name: str, target: Path, policy: NamedPolicy, cache: Path, image_id: str) -> Subject:
    manifest = read_manifest(target)
    report = verify_path(target, policy)
    if report.kind is SubjectKind.INDEX:
        held = ", ".join(each.platform for each in report.platforms)
        raise UsageError(
            f"{word} holds images of several platforms: {held}", hint="compare the build of one platform"
        )
    if report.kind is SubjectKind.ARCHIVE:
        report = replace(report, facts=_with_libraries(target, report.facts))
    told = (manifest or {}).get("image")
    image_id = image_id or (str(told.get("id", "")) if isinstance(told, dict) else "")
    figures = read_figures(cache, image_id) if image_id else None
    found = subject_of(owner_of(manifest) or name, word, report, manifest, figures, image_id)
    return replace(found, image_size=_image_size(target)) if manifest else found


def _with_libraries(archive: Path, facts: VerifyFacts) -> VerifyFacts:
    """A verification looks at what an image starts; here all of its files with code count, by their
    headers."""
    known = {each.path for each in facts.elf}
    with ImageArchive(archive) as image:
        names = [each.path for each in image.facts.files if each.type is FileType.FILE]
        found = image.elf_facts([name for name in names if name not in known])
        more = (replace(each, path=name) for name, each in sorted(found.items()))
    return replace(facts, elf=(*facts.elf, *more))


def _image_size(folder: Path) -> int | None:
    """Bytes of the layers of the build's image, as its verification read them: the engine counts in ways of
    its own."""
    try:
        document = json.loads((folder / VERIFY_REPORT).read_text(encoding="utf-8"))
        images = [each["facts"]["image"] for each in document["reports"]]
        return sum(int(layer["size"]) for image in images if image for layer in image["layers"]) or None
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
