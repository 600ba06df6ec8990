"""A finished build, read back from its manifest as the values that it was written from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tfbuild.base.documents import dump
from tfbuild.base.errors import NothingMatchesError, UsageError, VerificationError
from tfbuild.build.dist.folder import is_intact
from tfbuild.build.dist.manifest import Manifest
from tfbuild.build.dist.ownership import MANIFEST, owner_of, read_manifest
from tfbuild.plan.plan import Plan
from tfbuild.verify.dist_folders import which_dist_folder

REBUILT_IMAGE = "tfbuild/rebuilt"


@dataclass(frozen=True)
class First:
    """The folder of a finished build and its manifest, without what only reports need (``elf``)."""

    folder: Path
    manifest: Manifest[Any]

    @property
    def plan(self) -> Plan[Any]:
        return self.manifest.plan


def read_first(folder: Path, parts: Iterable[type]) -> First:
    """The build in ``folder``; ``parts`` are the types that plans of the products have.

    :raises UsageError: it is no dist folder, or another version of tfbuild wrote it.
    :raises VerificationError: its files are not those of its SHA256SUMS.
    """
    document = read_manifest(folder)
    if document is None or not isinstance(document.get("plan"), dict):
        raise UsageError(f"{folder} has no {MANIFEST} of a build", hint=which_dist_folder(folder))
    if not is_intact(folder):
        raise VerificationError(
            f"{folder} is not as it was built: there is nothing to compare with",
            hint=f"invoke verify {folder} says what was changed",
        )
    manifest = parse_manifest(document, parts)
    if manifest is None:
        raise UsageError(
            f"{folder / MANIFEST} was written by another version of tfbuild",
            details=(
                f"by {document.get('tfbuild')}, commit {document['plan'].get('revision') or 'unknown'}",
            ),
            hint="build it again with that version, or make a new build and compare: invoke build-...",
        )
    return First(folder, manifest)


def parse_manifest(document: Mapping[str, Any], parts: Iterable[type]) -> Manifest[Any] | None:
    """The manifest as a value; None where a value of today's types would be written in another way."""
    expected = {**document, "elf": []}
    for part in parts:
        # A generic dataclass is no type to mypy's eyes that pydantic could take.
        adapter: TypeAdapter[Manifest[Any]] = TypeAdapter(Manifest[part])  # type: ignore[valid-type]
        try:
            manifest = adapter.validate_python(expected)
        except ValidationError:
            continue
        if json.loads(json.dumps(dump(manifest))) == expected:
            return manifest
    return None


def other_jobs(jobs: int) -> int:
    """A number of parallel jobs other than ``jobs``, near it: what can do the one can do the other."""
    return jobs - 1 if jobs > 2 else jobs + 1


def plan_again(first: First, output: Path, jobs: int | None) -> Plan[Any]:
    """The same plan for another place, with another number of jobs. Equal in all that its keys cover."""
    plan = first.plan
    tag = f"{REBUILT_IMAGE}:{plan.build_id}"
    return replace(
        plan,
        jobs=jobs or other_jobs(first.manifest.jobs),
        output=str(output),
        layers=None,  # what it makes is compared with what was shared
        image=replace(plan.image, tag=tag),
    )


def folder_of_image(dist: Path, image_id: str, key: str) -> Path:
    """The dist folder below ``dist`` whose image has this id, or was made with this key.

    :raises NothingMatchesError: there is none.
    """
    there = [
        (path.parent, read_manifest(path.parent) or {}) for path in sorted(dist.glob(f"*/*/*/*/{MANIFEST}"))
    ]
    same = [folder for folder, found in there if found.get("image", {}) and _id_of(found) == image_id]
    same += [folder for folder, found in there if key and found.get("key") == key]
    if not same:
        raise NothingMatchesError(
            f"no result below {dist} is the one that this image was built with",
            details=(f"image {image_id}", f"key {key or 'none: it has no label of tfbuild'}"),
            hint="give its dist folder: the manifest says what it was built of",
        )
    return same[0]


def folder_of_build(dist: Path, build_id: str) -> Path | None:
    """The dist folder below ``dist`` of the build with this id, or of an index with it."""
    for path in sorted(dist.glob(f"*/*/*/*/{MANIFEST}")):
        if owner_of(read_manifest(path.parent)) == build_id:
            return path.parent
    return None


def _id_of(manifest: Mapping[str, Any]) -> str:
    image = manifest.get("image")
    return str(image.get("id", "")) if isinstance(image, dict) else ""
