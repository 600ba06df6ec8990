"""What building again showed: printed, and kept beside the manifest until the build is another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from tfbuild.base.documents import HexDigest
from tfbuild.build.again.compare import Difference
from tfbuild.build.again.known import KnownCauses, causes_of


@dataclass(frozen=True, kw_only=True)
class Varied:
    """Something that was not the same in the second build, on purpose."""

    what: str
    first: str
    second: str


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A known reason for differences, by its id in build_configs/diagnoses/differences.yaml."""

    id: str
    cause: str
    fix: str
    threads: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """One build, built again. ``image_id`` is that of the first one's image.

    ``files`` is how many paths were compared; ``image`` is ``not-compared`` where the engine no longer has
    the first image and the second has another id. ``other_inputs`` are packages and tools of another version.
    ``report`` is where diffoscope's text is, null without one.
    """

    build_id: str
    key: HexDigest
    output: str
    sums_sha256: HexDigest
    image_id: str
    equal: bool
    files: int
    image: Literal["same", "differs", "not-compared"]
    varied: tuple[Varied, ...]
    other_inputs: tuple[str, ...]
    differences: tuple[Difference, ...]
    causes: tuple[Cause, ...]
    kept: str | None = None
    report: str | None = None
    seconds: Annotated[float, Field(ge=0)] = 0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """``reproducible.json`` of a dist folder, and ``invoke reproduce --json``.

    ``sums_sha256`` is the hash of the folder's SHA256SUMS, so that the verdict is of these files and no
    others; ``archive`` is what became of an image of several platforms, null for one build.
    """

    version: Literal[1] = 1
    equal: bool
    sums_sha256: HexDigest
    tfbuild: str
    revision: str
    made: str
    builds: tuple[Rebuilt, ...]
    archive: Literal["same", "differs"] | None = None


def known_causes(
    inputs: Iterable[str], differences: Iterable[Difference], known: KnownCauses
) -> tuple[Cause, ...]:
    """The reasons in the table for what differs; none where nothing does."""
    found = tuple(differences)
    if not found:
        return ()
    lines = [*inputs, *(f"{each.path}: {line}" for each in found for line in (*each.lines, each.path))]
    return tuple(
        Cause(id=row.id, cause=row.cause, fix=row.fix, threads=row.threads) for row in causes_of(lines, known)
    )


def verdict_lines(verdict: Verdict) -> list[str]:
    """The verdict as text."""
    lines: list[str] = []
    for each in verdict.builds:
        lines += _build_lines(each)
    if verdict.archive:
        lines.append(
            f"image of all platforms: {'the same bytes' if verdict.archive == 'same' else 'other bytes'}"
        )
    return lines


_SHOWN = 12


def _build_lines(each: Rebuilt) -> list[str]:
    lines = [
        f"{each.build_id}: {'the same bytes' if each.equal else f'{len(each.differences)} differences'}",
        f"  files     {each.files} compared",
        f"  image     {each.image_id} ({each.image})",
        *(f"  varied    {one.what}: {one.first} -> {one.second}" for one in each.varied),
        *(f"  other     {one}" for one in each.other_inputs[:_SHOWN]),
    ]
    for one in each.differences[:_SHOWN]:
        lines += [f"  differs   {one.path}", *(f"              {line}" for line in one.lines[:_SHOWN])]
    if len(each.differences) > _SHOWN:
        lines.append(f"  differs   and {len(each.differences) - _SHOWN} more: --json has all")
    for cause in each.causes:
        lines += [
            f"  perhaps   {cause.id}: {cause.cause}",
            f"              fix: {cause.fix}",
            f"              {cause.threads[0]}",
        ]
    if each.kept:
        lines.append(f"  kept      {each.kept}")
    if each.report:
        lines.append(f"  report    {each.report}")
    return lines
