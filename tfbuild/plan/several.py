"""Builds for several architectures as one request, and the multi-platform image that they become; pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Generic, Literal

from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump, fingerprint
from tfbuild.base.errors import UsageError
from tfbuild.base.image_names import parse_tag
from tfbuild.base.printable import joined
from tfbuild.plan.naming import common_word
from tfbuild.plan.plan import Part, Plan, PlanDocument
from tfbuild.plan.words import Words, parse_arch

INDEX_FOLDER = "index"  # beside those of the architectures


@dataclass(frozen=True)
class PlannedImage:
    """One platform's image; ``key`` is that of its build."""

    arch: Arch
    platform: str
    image: str
    build_id: str
    key: str
    policy: str


@dataclass(frozen=True)
class IndexPlan:
    """The image of all platforms: its name, and the folder of its archive."""

    id: str
    name: str
    output: str
    images: tuple[PlannedImage, ...]

    def key(self, image_ids: Sequence[str]) -> str:
        """Equal keys mean an equal index; ``image_ids`` are the engine's, in the order of the images."""
        return fingerprint([self, tuple(image_ids)])


@dataclass(frozen=True, kw_only=True)
class IndexPlanDocument(Generic[Part]):
    """``--dry-run --json`` for several architectures."""

    version: Literal[1] = 1
    index: IndexPlan
    plans: tuple[PlanDocument[Part], ...]


def split_arches(words: Words) -> tuple[Words, ...]:
    """The words of one build for each architecture that ``--arch A,B`` names, in the order of :class:`Arch`.

    A ``--tag`` becomes that of the image of all platforms; the others get the architecture behind it.
    """
    names = [name.strip() for name in words.arch.split(",")]
    if len(names) == 1:
        return (words,)
    if not all(names):
        raise UsageError(f"--arch '{words.arch}' has an empty item", hint="for example --arch amd64,arm64")
    arches = [parse_arch(name, Arch.AMD64) for name in names]
    twice = next((arch for arch in arches if arches.count(arch) > 1), None)
    if twice:
        raise UsageError(f"--arch '{words.arch}' names {twice} twice", hint="for example --arch amd64,arm64")
    tag = parse_tag(words.tag)
    return tuple(
        replace(words, arch=str(arch), tag=f"{_with_version(tag)}-{arch}" if tag else "")
        for arch in Arch
        if arch in arches
    )


def _with_version(name: str) -> str:
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def make_plans(words: Words, make: Callable[[Words], Plan[Any]]) -> tuple[Plan[Any], ...]:
    """One plan for each architecture. Raises what ``make`` raises, before anything is built."""
    return tuple(make(each) for each in split_arches(words))


def index_plan(plans: Sequence[Plan[Any]]) -> IndexPlan:
    """The index of the images that ``plans`` make; they differ in nothing but their architecture."""
    first, word = plans[0], common_word([plan.asked for plan in plans])
    names = {plan.image.tag.removesuffix(f"-{plan.arch}") for plan in plans}
    return IndexPlan(
        id=f"{first.product}-{first.release}-{word}",
        name=names.pop() if len(names) == 1 else f"tfbuild/{first.product}:{first.release}-{word}",
        output=str(PurePosixPath(first.output).parents[1] / word / INDEX_FOLDER),
        images=tuple(
            PlannedImage(plan.arch, plan.image.platform, plan.image.tag, plan.build_id, plan.key, plan.policy)
            for plan in plans
        ),
    )


def index_text(index: IndexPlan, replaces: str = "") -> str:
    """What ``--dry-run`` prints behind the plans of the builds."""
    lines = [
        f"{index.id}, an image of several platforms",
        f"  image     {index.name} (where the engine's image store can hold an index)",
        f"  output    {index.output}",
        *([f"  place     {replaces}"] if replaces else []),
        *(f"  platform  {each.platform}, {each.image}  [{each.key[:12]}]" for each in index.images),
    ]
    return joined(lines)


def index_json(index: IndexPlan, plans: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The document of ``--dry-run --json``; ``plans`` are the documents of the builds."""
    return {"version": 1, "index": dump(index), "plans": list(plans)}
