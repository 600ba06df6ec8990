"""What became of a matrix: the table at the end, its document, and JUnit XML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from pydantic import Field

from tfbuild.base.documents import Bytes, HexDigest
from tfbuild.base.errors import ExitCode
from tfbuild.base.printable import printable
from tfbuild.base.text import human_duration, human_size
from tfbuild.build.dist.folder import Artifact
from tfbuild.build.matrix.hits import CacheHits
from tfbuild.build.matrix.run import Outcome, worst
from tfbuild.plan.matrix.plan import PlannedBuild
from tfbuild.plan.matrix.show import aligned

NAME = "tfbuild build-all"
Verdict = Literal["built", "up-to-date", "failed", "not-started"]


@dataclass(frozen=True, kw_only=True)
class BuiltRow:
    """One build. ``node`` is the docker context that built it, null: the engine that is used without one;
    ``moves`` are those that failed it before, each with the reason. ``size`` is that of all artifacts."""

    name: str
    build_id: str
    key: HexDigest
    verdict: Verdict
    exit_code: int | None
    node: str | None
    seconds: Annotated[float, Field(ge=0)]
    size: Bytes
    artifacts: tuple[Artifact, ...]
    cache: CacheHits | None
    image: str
    output: str
    moves: tuple[str, ...]
    message: str | None
    hint: str | None
    log: str | None


@dataclass(frozen=True, kw_only=True)
class BuildAllDocument:
    """``invoke build-all --json``; ``exit_code`` is that of the worst build, and of the command."""

    version: Literal[1] = 1
    exit_code: int
    seconds: Annotated[float, Field(ge=0)]
    builds: tuple[BuiltRow, ...]


def build_all_document(
    builds: Sequence[PlannedBuild],
    outcomes: Sequence[Outcome],
    hits: Sequence[CacheHits | None],
    seconds: float,
) -> BuildAllDocument:
    """The document; ``outcomes`` and ``hits`` are in the order of ``builds``."""
    rows = (_row(*each) for each in zip(builds, outcomes, hits, strict=True))
    return BuildAllDocument(exit_code=worst(outcomes), seconds=round(seconds, 1), builds=tuple(rows))


def _row(build: PlannedBuild, outcome: Outcome, hits: CacheHits | None) -> BuiltRow:
    ended = outcome.ended
    plan = build.plan_on(outcome.node.arch) if outcome.node else build.plan
    result: Mapping[str, Any] = (ended.result if ended else None) or {}
    artifacts = tuple(Artifact(**each) for each in result.get("artifacts", ()))
    return BuiltRow(
        name=build.label,
        build_id=plan.build_id,
        key=plan.key,
        verdict=_verdict(outcome),
        exit_code=ended.code if ended else None,
        node=(outcome.node.name or None) if outcome.node else None,
        seconds=round(ended.seconds, 1) if ended else 0.0,
        size=sum(each.size for each in artifacts),
        artifacts=artifacts,
        cache=hits,
        image=plan.image.tag,
        output=str(result.get("output", plan.output)),
        moves=outcome.moves,
        message=ended.message or None if ended else None,
        hint=ended.hint or None if ended else None,
        log=ended.log or None if ended else None,
    )


def _verdict(outcome: Outcome) -> Verdict:
    if outcome.ended is None:
        return "not-started"
    if outcome.ended.code:
        return "failed"
    return "built" if (outcome.ended.result or {}).get("status") == "built" else "up-to-date"


def table(document: BuildAllDocument) -> list[str]:
    """The table at the end, and a line that counts."""
    cells: list[tuple[str, ...]] = [("build", "artifacts", "size", "time", "cached", "on", "verdict")]
    cells += [_cells(row) for row in document.builds]
    verdicts = [row.verdict for row in document.builds]
    kinds: tuple[Verdict, ...] = ("built", "up-to-date", "failed", "not-started")
    counts = [f"{verdicts.count(kind)} {kind.replace('-', ' ')}" for kind in kinds if kind in verdicts]
    return [*aligned(cells), "", f"{', '.join(counts)} in {human_duration(document.seconds)}"]


def _cells(row: BuiltRow) -> tuple[str, ...]:
    verdict = row.verdict.replace("-", " ")
    if row.verdict == "failed":
        verdict += f" ({row.exit_code})"
    cached = row.cache.text if row.cache else "-"
    first = Path(row.artifacts[0].path).name if row.artifacts else "-"
    more = f" and {len(row.artifacts) - 1} more" if len(row.artifacts) > 1 else ""
    size = human_size(row.size) if row.artifacts else "-"
    return (row.name, first + more, size, human_duration(row.seconds), cached, row.node or "here", verdict)


def junit_text(document: BuildAllDocument) -> str:
    """A case for each build, as CI services read JUnit XML; ends with a newline."""
    suite = TestSuite(NAME)
    for row in document.builds:
        suite.add_testcase(_case(row))
    report = JUnitXml(NAME)
    report.add_testsuite(suite)
    report.update_statistics()
    text: bytes = report.tostring()
    return text.decode("utf-8").rstrip() + "\n"


def _case(row: BuiltRow) -> TestCase:
    case = TestCase(row.name, classname=NAME, time=row.seconds)
    case.system_out = printable(f"{row.verdict}, {row.build_id}, {row.output}")
    if row.verdict == "not-started":
        case.result = [Skipped("not started: another build had failed")]
    elif row.verdict == "failed":
        kind = Error if row.exit_code == ExitCode.BUG else Failure
        found = kind(printable(row.message or "failed"), f"exit code {row.exit_code}")
        found.text = "\n".join(printable(each) for each in (*row.moves, row.hint, row.log) if each)
        case.result = [found]
    return case
