"""What is pushed for the name of an image: the image out of the engine, the documents out of dist folders."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfbuild.base.errors import NothingMatchesError, VerificationError
from tfbuild.base.values import SaveImage
from tfbuild.build.dist.folder import is_intact
from tfbuild.build.dist.ownership import CHECKSUMS, owner_of, read_manifest
from tfbuild.build.oci_index import SavedImage, read_images, read_saved, shared_labels
from tfbuild.build.publish.image import ATTACHED, Described, publication_of_image
from tfbuild.registry.push import Publication
from tfbuild.verify.verify import INDEX_ARCHIVE

_PLACES = "*/*/*/*"  # PRODUCT/RELEASE/CONFIG/ARCH


@dataclass(frozen=True)
class Result:
    """A dist folder and its manifest."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def image(self) -> str:
        """The name that the build gave."""
        image = self.manifest.get("image")
        return str(image.get("name") if isinstance(image, dict) else image or "")


def results_below(root: Path) -> Iterator[Result]:
    """The dist folders below ``root``."""
    for folder in sorted(root.glob(_PLACES)):
        manifest = read_manifest(folder)
        if manifest is not None and owner_of(manifest):
            yield Result(folder, manifest)


def result_of_image(name: str, root: Path) -> Result:
    """The dist folder of the build that made the image ``name``.

    :raises NothingMatchesError: none below ``root`` is.
    """
    for each in results_below(root):
        if name in {each.image, f"{each.image}:latest"}:
            return each
    raise NothingMatchesError(
        f"no dist folder below {root} is of an image {name}",
        details=("its bill of materials and its provenance are in that folder, and are pushed with it",),
        hint="invoke push IMAGE REF --output DIR, where the build wrote to; or push the folder itself",
    )


def image_publication(result: Result, root: Path, save_image: SaveImage, scratch: Path) -> Publication:
    """What to push of the image of ``result``; of one for several platforms, their dist folders are below
    ``root``. ``scratch`` is a folder for large files, which must stay until all is pushed.

    :raises VerificationError: a folder has other files than it says, or the engine another image.
    :raises NothingMatchesError: the folder of a platform is missing.
    """
    if "build_id" in result.manifest:
        described = [_alone(result, save_image, scratch)]
    else:
        described = list(_platforms(result, root))
    labels = shared_labels([each.image for each in described])
    return publication_of_image(described, labels)


def _alone(result: Result, save_image: SaveImage, scratch: Path) -> Described:
    documents = _documents(result)
    archive = scratch / "image.tar"
    save_image(result.image, archive)
    image = read_saved(archive)
    expected = result.manifest["image"]["id"]
    if expected not in image.ids:
        raise _another(result, expected, image)
    return Described(image, result.image, documents)


def _platforms(result: Result, root: Path) -> Iterator[Described]:
    _require_intact(result)
    there = {(each.manifest.get("build_id"), each.manifest.get("key")): each for each in results_below(root)}
    images = {each.manifest.digest: each for each in read_images(result.folder / INDEX_ARCHIVE)}
    for entry in result.manifest["images"]:
        part = there.get((entry["build_id"], entry["build_key"]))
        if part is None:
            raise NothingMatchesError(
                f"{result.image} has an image of {entry['build_id']}, whose dist folder is missing",
                details=(f"looked for below {root}",),
                hint="run the build again: what is there is not built again",
            )
        if (image := images.get(entry["digest"])) is None:
            raise VerificationError(f"{result.folder / INDEX_ARCHIVE} has no image {entry['digest']}")
        yield Described(image, entry["image"], _documents(part))


def _documents(result: Result) -> dict[str, bytes]:
    _require_intact(result)
    files = {name: result.folder / name for name in ATTACHED}
    return {name: path.read_bytes() for name, path in files.items() if path.is_file()}


def _require_intact(result: Result) -> None:
    if not is_intact(result.folder):
        raise VerificationError(
            f"the image of {result.folder} is not pushed: its files are not those of its {CHECKSUMS}",
            hint=f"invoke verify {result.folder} says which; build it again",
        )


def _another(result: Result, expected: str, image: SavedImage) -> VerificationError:
    return VerificationError(
        f"the engine's image {result.image} is not the one that {result.folder} is about",
        details=(f"folder: {expected}", f"engine: {', '.join(sorted(image.ids))}"),
        hint="run the build again, which gives it its name back; or name the folder: --output DIR",
    )


def root_of(folder: Path) -> Path:
    """Where builds wrote to, of one of their folders."""
    return Path(os.path.abspath(folder)).parents[3]  # noqa: PTH100 - not where links lead
