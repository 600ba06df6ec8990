"""Carries a finished build's plan out once more, apart from all that the first one left, and compares."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfbuild.base.errors import BuildError, HostError, TfBuildError
from tfbuild.build.again.compare import Difference, DistFolder, compare, compare_images, other_inputs
from tfbuild.build.again.first import First, parse_manifest, plan_again
from tfbuild.build.again.known import KnownCauses
from tfbuild.build.again.verdict import Rebuilt, Varied, known_causes
from tfbuild.build.dist.bill import bill_of
from tfbuild.build.dist.contents import Materials
from tfbuild.build.dist.manifest import Manifest
from tfbuild.build.dist.ownership import CHECKSUMS, read_manifest
from tfbuild.build.execute import execute
from tfbuild.build.layout import Layout
from tfbuild.build.run import Effects, Recipe
from tfbuild.machine.cache import prepare_cache
from tfbuild.machine.files import hash_file
from tfbuild.plan.plan import Plan
from tfbuild.trust.files import CYCLONEDX_FILE, SPDX_FILE

_DIFFOSCOPE_S = 1800


@dataclass(frozen=True)
class Apart:
    """What a second build needs besides the first: a folder of its own for all that it makes, the effects of
    a build of the changed plan, and what removes the caches that it left in the engine.

    ``keep_image``: the second image is saved even where it is the same, for an index of several.
    ``word`` names those caches and the machine that the build believes to be on; ``revision`` is the commit
    of this project. ``given`` is a cache with what a bundle brought, for a second build without a network.
    """

    folder: Path
    project: Path
    word: str
    effects: Callable[[Plan[Any], Path], Effects]
    forget: Callable[[str], None]
    parts: Iterable[type]
    known: KnownCauses
    jobs: int | None = None
    revision: str = ""
    keep_image: bool = False
    given: Path | None = None


@dataclass(frozen=True)
class Second:
    """The second build: its folder, and its image in an archive, which is there where somebody needs it."""

    folder: Path
    manifest: Manifest[Any]
    image: Path


def build_again(first: First, recipe: Recipe[Any], apart: Apart) -> tuple[Rebuilt, Second]:
    """Build what ``first`` is once more, and say what differs.

    What was made is left in ``apart.folder``. Raises the error of a step that fails.
    """
    began = time.monotonic()
    plan = plan_again(first, apart.folder / "dist", apart.jobs)
    effects = replace(apart.effects(plan, apart.folder), apart=apart.word)
    second = _build(plan, recipe, apart, effects, first.manifest.image.id)
    material = recipe.materials(plan.part)
    found = [
        *compare(DistFolder(first.folder), after := DistFolder(second.folder)),
        *_bills(first, second.manifest, material),
    ]
    image, of_image = _image(first, second, apart.folder, effects)
    found += of_image
    inputs = (*_revisions(plan, apart), *other_inputs(first.manifest, second.manifest))
    equal = not found and image == "same"
    rebuilt = Rebuilt(
        build_id=plan.build_id,
        key=plan.key,
        output=str(first.folder),
        sums_sha256=hash_file(first.folder / CHECKSUMS),
        image_id=first.manifest.image.id,
        equal=equal,
        files=len(after.entries),
        image=image,
        varied=_varied(first, second, apart),
        other_inputs=inputs,
        differences=tuple(found),
        causes=known_causes(inputs, found, apart.known),
        kept=None if equal else str(second.folder),
        report=None if equal else _diffoscope(first.folder, second.folder, apart.folder, effects),
        seconds=round(time.monotonic() - began, 1),
    )
    return rebuilt, second


def _build(plan: Plan[Any], recipe: Recipe[Any], apart: Apart, effects: Effects, image_id: str) -> Second:
    layout = Layout(apart.project, prepare_cache(apart.folder / "cache"), plan.build_id, plan.plain_id)
    output, archive = apart.folder / "dist", apart.folder / "image.tar"
    if apart.given:
        _take_given(plan, recipe, replace(layout, cache=apart.given), layout.cache)
    try:
        result = execute(plan, recipe, layout, output, effects)
        if apart.keep_image or result.image_id != image_id:
            effects.engine.save_image(plan.image.tag, archive)
    finally:
        with suppress(HostError):  # an engine that is gone must not hide what failed
            effects.engine.remove_image(plan.image.tag)
            apart.forget(apart.word)
    manifest = parse_manifest(read_manifest(output) or {}, apart.parts)
    if manifest is None:  # written a moment ago by this very program
        raise BuildError(
            f"the manifest in {output} cannot be read back", hint="this is a bug: please report it"
        )
    return Second(output, manifest, archive)


def _take_given(plan: Plan[Any], recipe: Recipe[Any], given: Layout, cache: Path) -> None:
    """What stands for the network: root filesystems, builders, and what Bazel downloads by its hash."""
    roots = [given.root(root) for root in (plan.root, plan.runtime_root) if root]
    builders = [given.builder(plan, stage) for stage in recipe.builders]
    for folder in (*roots, *builders, given.repositories):
        if folder.is_dir():
            # The cache of the second build lies in the first one's: nothing is copied.
            shutil.copytree(folder, cache / folder.relative_to(given.cache), copy_function=os.link)


def _bills(first: First, second: Manifest[Any], materials: Materials) -> list[Difference]:
    """The bills of materials, made of the second manifest for the first one's name of the image."""
    from tfbuild.trust.cyclonedx import cyclonedx_text
    from tfbuild.trust.spdx import spdx_text

    image = replace(second.image, name=first.manifest.image.name)
    bill = bill_of(replace(second, image=image, tfbuild=first.manifest.tfbuild), materials)
    texts = ((SPDX_FILE, spdx_text(bill)), (CYCLONEDX_FILE, cyclonedx_text(bill)))
    return [
        Difference(path=name, lines=_text_lines((first.folder / name).read_text(encoding="utf-8"), text))
        for name, text in texts
        if (first.folder / name).is_file() and (first.folder / name).read_text(encoding="utf-8") != text
    ]


def _text_lines(before: str, after: str) -> tuple[str, ...]:
    from tfbuild.artifacts.differences import describe_difference

    return describe_difference(before.encode(), after.encode())


def _image(
    first: First, second: Second, folder: Path, effects: Effects
) -> tuple[Any, tuple[Difference, ...]]:
    """Whether the images are the same, and how they differ as far as the engine still has the first."""
    mine, other = first.manifest.image, second.manifest.image
    if mine.id == other.id:
        return "same", ()
    there = effects.engine.image(mine.id)
    if there is None:
        lines = (
            f"{mine.id}, and {other.id}",
            "the engine no longer has the first: its layers cannot be compared",
        )
        return "not-compared", (Difference(path="image", lines=lines),)
    archive = folder / "first.tar"
    effects.engine.save_image(mine.id, archive)
    found = compare_images(archive, second.image, first.plan.image.platform)
    archive.unlink()
    if not found:
        # The same configuration and layers: the stores of two engines only name them in two ways.
        return "same", ()
    return "differs", found


def _revisions(plan: Plan[Any], apart: Apart) -> tuple[str, ...]:
    """The commits of this project, where they are known to be two: its recipes may be others."""
    if not plan.revision or not apart.revision or plan.revision == apart.revision:
        return ()
    return (f"revision of tfbuild: {plan.revision[:12]}, and {apart.revision[:12]}",)


def _varied(first: First, second: Second, apart: Apart) -> tuple[Varied, ...]:
    before, after = first.manifest, second.manifest
    roots = [
        Varied(what=f"root filesystem of the {role}", first=before.roots[role].sha256, second=root.sha256)
        for role, root in sorted(after.roots.items())
        if role in before.roots and before.roots[role].sha256 != root.sha256
    ]
    return (
        Varied(what="parallel jobs", first=str(before.jobs), second=str(after.jobs)),
        Varied(what="host name in the builder", first="buildkitsandbox", second=apart.word),
        Varied(what="folder of all that was made", first=str(first.folder), second=str(apart.folder)),
        Varied(what="build tree, ccache, Bazel's caches, layers", first="as they were", second="empty"),
        *roots,
    )


def _diffoscope(before: Path, after: Path, folder: Path, effects: Effects) -> str | None:
    """Where diffoscope's report is, which says more than we do; None where it is not installed, or fails."""
    report = folder / "diffoscope.txt"
    argv = ("diffoscope", "--text", str(report), "--exclude", "manifest.json", "--exclude", "*.log")
    with suppress(TfBuildError):
        done = effects.runner.run(
            (*argv, str(before), str(after)), log=folder / "diffoscope.log", timeout_s=_DIFFOSCOPE_S
        )
        return str(report) if done.returncode == 1 and report.exists() else None
    return None


def remove_again(folder: Path) -> None:
    """Remove what a second build made."""
    shutil.rmtree(folder, ignore_errors=True)
