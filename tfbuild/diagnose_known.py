"""The table of known error texts, and what a run means in its light. Pure but for reading the table.

The table is ``build_configs/diagnoses/known_errors.yaml``: patterns, findings, and the threads that they
are from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tfbuild.binding import bind
from tfbuild.diagnosis import CATALOG, Diagnosis, Weight, diagnosis
from tfbuild.errors import ConfigError
from tfbuild.suggest import did_you_mean
from tfbuild.yaml_source import read_yaml

TABLE = Path("build_configs", "diagnoses", "known_errors.yaml")
_QUOTED = 12  # lines of an unknown error: a short traceback
_MAX_LINE = 300
# Exit codes of processes that a signal ended: 128 and its number.
_SIGNALS = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 139: "SIGSEGV"}
_NOT_STARTED = frozenset({126, 127})


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class KnownError(_Model):
    """One row of the table."""

    pattern: str = Field(min_length=3, description="A regular expression, searched in what a run printed.")
    finding: str = Field(description="Id of the finding.", json_schema_extra={"enum": [*sorted(CATALOG)]})
    cause: str | None = Field(default=None, description="Instead of the finding's usual cause.")
    fix: str | None = Field(default=None, description="Instead of the finding's usual fix.")
    threads: tuple[str, ...] = Field(min_length=1, description="Where people met it.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"no regular expression: {error}") from error
        return value

    @field_validator("finding")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in CATALOG:
            raise ValueError(f"there is no finding '{value}'{did_you_mean(value, CATALOG)}")
        return value


class KnownErrors(_Model):
    """The file."""

    errors: tuple[KnownError, ...]


@dataclass(frozen=True, kw_only=True)
class Step:
    """What the probe said of one step."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, kw_only=True)
class RunOutcome:
    """One run of the image, or why there was none (``skipped``)."""

    name: str
    command: str
    ok: bool
    exit_code: int | None
    steps: tuple[Step, ...]
    output: tuple[str, ...]  # lines of both streams, stdout first
    loaded: tuple[str, ...] = ()  # libraries in memory at the end, as far as the probe told
    timed_out: bool = False
    out_of_memory: bool = False
    skipped: str | None = None


def load_known_errors(root: Path) -> tuple[KnownError, ...]:
    """The table of the project in ``root``. Raises ConfigError with everything that is wrong in it."""
    document = read_yaml(root / TABLE, str(TABLE))
    table, problems = bind(document, KnownErrors)
    if table is None or document.problems:
        raise ConfigError((*document.problems, *(() if document.problems else problems)))
    return table.errors


def known_errors_schema() -> dict[str, Any]:
    """JSON schema of the table; build_configs/diagnoses/schema.json is its copy."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **KnownErrors.model_json_schema(),
        "title": "Known errors of TensorFlow images",
    }


def explain(
    findings: Iterable[Diagnosis], outcomes: Iterable[RunOutcome], known: Iterable[KnownError]
) -> tuple[Diagnosis, ...]:
    """``findings`` together with what the runs showed; a finding that a run confirms becomes an error."""
    table = tuple(known)
    merged = list(findings)
    for outcome in outcomes:
        for seen in _seen(outcome, table):
            place = next((i for i, each in enumerate(merged) if each.id == seen.id), None)
            if place is None:
                merged.append(seen)
            else:
                merged[place] = _merge(merged[place], seen)
    return tuple(merged)


def _seen(outcome: RunOutcome, table: tuple[KnownError, ...]) -> Iterator[Diagnosis]:
    if outcome.skipped is not None:
        return
    matched = tuple(_matches(outcome, table))
    yield from matched
    if outcome.ok or any(d.severity is Weight.ERROR for d in matched):
        return
    where = f"{outcome.name}: {outcome.command}"
    quoted = tail(outcome.output)
    signal = _SIGNALS.get(outcome.exit_code or 0)
    if outcome.out_of_memory:
        yield diagnosis("run-out-of-memory", Weight.ERROR, where, *quoted)
    elif outcome.timed_out:
        yield diagnosis("run-timeout", Weight.WARNING, where, *quoted)
    elif signal == "SIGILL":
        yield diagnosis("cpu-instructions", Weight.ERROR, f"{where}: ended by SIGILL", *quoted)
    elif signal:
        yield diagnosis("run-crash", Weight.ERROR, f"{where}: ended by {signal}", *quoted)
    elif outcome.exit_code in _NOT_STARTED:
        yield diagnosis("run-not-started", Weight.ERROR, where, *quoted)
    else:
        lines = (f"{where}: exit code {outcome.exit_code}", *quoted)
        yield diagnosis("run-unknown-error", Weight.ERROR, *lines, title=_headline(outcome))


def _matches(outcome: RunOutcome, table: tuple[KnownError, ...]) -> Iterator[Diagnosis]:
    """What was printed in a run that worked is a warning."""
    weight = Weight.WARNING if outcome.ok else Weight.ERROR
    for row in table:
        pattern = re.compile(row.pattern)
        line = next((line for line in outcome.output if pattern.search(line)), None)
        if line is not None:
            shown = f"{outcome.name} printed: {line.strip()[:_MAX_LINE]}"
            yield diagnosis(row.finding, weight, shown, cause=row.cause, fix=row.fix, threads=row.threads)


def _merge(before: Diagnosis, seen: Diagnosis) -> Diagnosis:
    worst = Weight.ERROR if Weight.ERROR in (before.severity, seen.severity) else Weight.WARNING
    threads = tuple(dict.fromkeys((*before.threads, *seen.threads)))
    return replace(before.with_evidence(*seen.evidence), severity=worst, threads=threads)


def tail(lines: tuple[str, ...]) -> tuple[str, ...]:
    """The last lines that say something, as they were printed."""
    said = [line.rstrip()[:_MAX_LINE] for line in lines if line.strip()]
    return tuple(said[-_QUOTED:])


def _headline(outcome: RunOutcome) -> str | None:
    """The exception's own line, where there is one."""
    for line in reversed(outcome.output):
        if re.match(r"^[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit)\b", line):
            return line.strip()[:200]
    return None
