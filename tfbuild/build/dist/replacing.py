"""What a build will put its result in the place of: said before, said after, refused where it is another's.

Looks at manifests of dist folders and labels of images; changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tfbuild.base.documents import Replaced
from tfbuild.base.errors import UsageError
from tfbuild.build.dist.ownership import MANIFEST, read_manifest
from tfbuild.engine.facts import ImageFacts
from tfbuild.plan.naming import Asked, read_asked
from tfbuild.plan.plan import BUILD_ID_LABEL, KEY_LABEL, Plan
from tfbuild.plan.several import IndexPlan


def replaced_folder(plan: Plan[Any], output: Path) -> Replaced | None:
    """The finished build in ``output`` that has another key than ``plan``.

    :raises UsageError: it is no other state of the same build, but another build whose name is the same.
    """
    manifest = read_manifest(output)
    if not manifest or manifest.get("key") == plan.key:
        return None
    if manifest.get("build_id") == plan.build_id:
        _require_same(plan, output, manifest)
    return Replaced(
        what="folder",
        name=str(output),
        build_id=manifest.get("build_id"),
        key=manifest.get("key"),
        date=_written(output / MANIFEST),
    )


def replaced_index(index: IndexPlan, output: Path) -> Replaced | None:
    """The finished index in ``output`` whose images are of other builds."""
    manifest = read_manifest(output)
    if not manifest:
        return None
    there = sorted(str(each.get("build_key")) for each in manifest.get("images", ()))
    if there == sorted(each.key for each in index.images):
        return None
    return Replaced(
        what="folder",
        name=str(output),
        build_id=manifest.get("id"),
        key=manifest.get("key"),
        date=_written(output / MANIFEST),
    )


def replaced_image(name: str, before: ImageFacts | None, image_id: str) -> Replaced | None:
    """The image that had ``name`` ``before`` the one with the id ``image_id``."""
    if before is None or before.id == image_id:
        return None
    build_id = before.labels.get(BUILD_ID_LABEL)
    return Replaced(
        what="image",
        name=name,
        build_id=build_id,
        key=before.labels.get(KEY_LABEL),
        # Images of ours have the day of their source.
        date=None if build_id else before.created or None,
    )


def replaced_text(each: Replaced) -> str:
    """One sentence without its subject: ``replaces ...``."""
    what = f"{each.build_id} " if each.build_id else ""
    when = f"of {each.date} " if each.date else ""
    key = f"with key {each.key[:12]}" if each.key else "with no key"
    if each.what == "folder":
        return f"replaces the build {what}{when}{key} in {each.name}"
    if not each.build_id:
        return f"takes the name {each.name} from an image {when}that this program did not build"
    return f"takes the name {each.name} from the image of {what}{when}{key}"


def _require_same(plan: Plan[Any], output: Path, manifest: Mapping[str, Any]) -> None:
    stored = read_asked(manifest.get("plan") or {})
    if stored is None or _placed(plan.asked).is_same_as(_placed(stored)):
        return
    raise UsageError(
        f"{output} already has the result of another build with the same name",
        details=(f"it is of: {_told(stored)}", f"asked for: {_told(plan.asked)}"),
        hint="--name WORD gives this build a name of its own; --output DIR writes it elsewhere",
    )


def _placed(asked: Asked) -> Asked:
    """Files and folders as this process finds them: two spellings of one place are one."""
    return replace(
        asked,
        beyond=tuple(
            replace(each, place=os.path.realpath(each.place)) if each.place else each for each in asked.beyond
        ),
    )


def _told(asked: Asked) -> str:
    more = (f"{each.key} {each.place or each.value}" for each in asked.beyond)
    name = (f"--name {asked.name}",) if asked.name else ()
    return ", ".join((f"--config {asked.config}", *name, *more))


def _written(path: Path) -> str:
    """When it was, as images tell it: RFC 3339."""
    return datetime.fromtimestamp(path.stat().st_mtime, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
