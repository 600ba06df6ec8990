"""A matrix before anything is built: the table of ``--dry-run``, and its document; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from tfbuild.base.arch import Arch
from tfbuild.base.documents import Bytes, HexDigest
from tfbuild.base.printable import printable
from tfbuild.base.text import human_duration, human_size
from tfbuild.plan.matrix.plan import MatrixPlan, PlannedBuild
from tfbuild.plan.needs import Estimates
from tfbuild.plan.show.brief import There

State = Literal["up-to-date", "to-build", "not-locked"]


@dataclass(frozen=True)
class Outlook:
    """What can be said of one build before it begins. ``disk``: bytes that its engine needs free."""

    build: PlannedBuild
    there: There
    disk: int
    needs: Estimates | None = None

    @property
    def state(self) -> State:
        if self.build.plan.unlocked:
            return "not-locked"
        return "up-to-date" if self.there.is_finished else "to-build"


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    """A build; ``done`` are the steps that have nothing to do, ``seconds`` what it took last."""

    name: str
    build_id: str
    key: HexDigest
    product: str
    release: str
    config: str
    arch: Arch
    build_arch: Arch
    image: str
    output: str
    state: State
    done: tuple[str, ...]
    disk: Bytes
    seconds: Annotated[float, Field(ge=0)] | None


@dataclass(frozen=True, kw_only=True)
class MatrixPlanDocument:
    """``build-all --dry-run --json``.

    ``downloads`` counts each pinned file once, ``missing`` those of them that are not here, where their size
    is known; ``disk`` is for all builds that are not up to date, if nothing of them is there yet.
    """

    version: Literal[1] = 1
    builds: tuple[PlannedRow, ...]
    steps: int
    different_steps: int
    files: int
    downloads: Bytes
    missing_files: int
    missing: Bytes
    disk: Bytes


def matrix_document(
    plan: MatrixPlan, outlooks: Sequence[Outlook], missing: Sequence[Any]
) -> MatrixPlanDocument:
    """The document; ``missing`` are the pins that are not in the cache."""
    return MatrixPlanDocument(
        builds=tuple(map(_row, outlooks)),
        steps=plan.steps,
        different_steps=plan.different_steps,
        files=len(plan.pins),
        downloads=sum(pin.size or 0 for pin in plan.pins),
        missing_files=len(missing),
        missing=sum(pin.size or 0 for pin in missing),
        disk=sum(each.disk for each in outlooks if each.state == "to-build"),
    )


def _row(outlook: Outlook) -> PlannedRow:
    plan = outlook.build.plan
    every = tuple(step.id for step in plan.steps)
    done = every if outlook.there.is_finished else tuple(id for id in every if id in outlook.there.done)
    return PlannedRow(
        name=outlook.build.label,
        build_id=plan.build_id,
        key=plan.key,
        product=plan.product,
        release=plan.release,
        config=plan.config,
        arch=plan.arch,
        build_arch=plan.root.arch,
        image=plan.image.tag,
        output=plan.output,
        state=outlook.state,
        done=done,
        disk=outlook.disk,
        seconds=outlook.there.seconds,
    )


def matrix_lines(document: MatrixPlanDocument, outlooks: Sequence[Outlook]) -> list[str]:
    """The table, and the totals below it."""
    cells: list[tuple[str, ...]] = [("build", "on", "state", "downloads", "disk", "time")]
    cells += [_cells(row, outlook) for row, outlook in zip(document.builds, outlooks, strict=True)]
    return [*aligned(cells), "", *_totals(document, outlooks)]


def _cells(row: PlannedRow, outlook: Outlook) -> tuple[str, ...]:
    plan, there = outlook.build.plan, outlook.there
    alias = f" ({row.build_id})" if row.name != row.build_id else ""
    state = row.state.replace("-", " ")
    if row.state == "to-build" and row.done:
        state += f" ({', '.join(row.done)} done)"
    files = len(plan.pins) + (plan.unhashed is not None)
    took = "" if row.seconds is None else human_duration(row.seconds)
    if row.seconds is None and outlook.needs:
        hours = outlook.needs.cpu_hours
        took = f"about {hours} CPU hour{'s' if hours > 1 else ''}"
    here = "all here" if there.files >= files else f"{there.files} of {files} files here"
    return (f"{row.name}{alias}", str(row.build_arch), state, here, human_size(row.disk), took or "not known")


def _totals(document: MatrixPlanDocument, outlooks: Sequence[Outlook]) -> list[str]:
    states = [row.state for row in document.builds]
    told = [f"{states.count('to-build')} to build", f"{states.count('up-to-date')} up to date"]
    if count := states.count("not-locked"):
        told.append(f"{count} not locked: they cannot be built")
    total = human_size(document.downloads)
    missing = f"{document.missing_files} of them, {human_size(document.missing)} where the size is known"
    more = sum(each.needs.download_gib for each in outlooks if each.needs and each.state == "to-build")
    beyond = f", and about {more} GiB that build tools fetch" if more else ""
    return [
        f"builds     {len(states)}: {', '.join(told)}",
        f"steps      {document.steps}, {document.different_steps} different: "
        "downloads, root filesystems and builders are made once",
        f"downloads  {document.files} files, {total}; to fetch: {missing}{beyond}",
        f"disk       at most {human_size(document.disk)} in the engine, if nothing of it is there yet",
    ]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, the cells of a column one below the other."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in shown) for column in range(len(shown[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in shown
    ]
