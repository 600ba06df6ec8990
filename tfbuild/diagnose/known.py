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

from tfbuild.base.text import did_you_mean
from tfbuild.config.binding import bound
from tfbuild.config.yaml_source import read_yaml
from tfbuild.diagnose.catalog import CATALOG, Diagnosis, Weight, diagnosis
from tfbuild.diagnose.facts import COMMAND_RUN
from tfbuild.diagnose.rules.modules import MISSING, join_requirements, module_fix, same_modules, usual_fix

TABLE = Path("build_configs", "diagnoses", "known_errors.yaml")
_QUOTED = 12  # lines of an unknown error: a short traceback
_MAX_LINE = 300
# Exit codes of processes that a signal ended: 128 and its number.
_SIGNALS = {132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 139: "SIGSEGV"}
_NOT_STARTED = frozenset({126, 127})
MISSING_MODULE = "module"  # the step of a probe
_RESTRICTED = "run-restricted"
_TRACEBACK = "Traceback (most recent call last):"
_CHAINED = (
    "During handling of the above exception",
    "The above exception was the direct cause",
)
_FRAME = re.compile(r'^  File "([^"]+)", line (\d+)')
_NOT_A_FILE = ("<", "/tfbuild-probe/")


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
    modules: dict[str, str] = Field(
        default_factory=dict, description="The package that brings a Python module, as pip takes it."
    )


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


def load_known_errors(root: Path) -> KnownErrors:
    """The table of the project in ``root``. Raises ConfigError with everything that is wrong in it."""
    return bound(read_yaml(root / TABLE, str(TABLE)), KnownErrors)


def known_errors_schema() -> dict[str, Any]:
    """JSON schema of the table; build_configs/diagnoses/schema.json is its copy."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **KnownErrors.model_json_schema(),
        "title": "Known errors of TensorFlow images",
    }


def explain(
    findings: Iterable[Diagnosis], outcomes: Iterable[RunOutcome], known: KnownErrors
) -> tuple[Diagnosis, ...]:
    """``findings`` together with what the runs showed; a finding that a run confirms becomes an error."""
    merged = list(findings)
    for outcome in outcomes:
        for seen in _seen(outcome, known):
            same = (i for i, each in enumerate(merged) if each.id == seen.id and same_modules(each, seen))
            place = next(same, None)
            if place is None:
                merged.append(seen)
            else:
                merged[place] = _merge(merged[place], seen)
    return join_requirements(merged, known.modules)


def _seen(outcome: RunOutcome, table: KnownErrors) -> Iterator[Diagnosis]:
    if outcome.skipped is not None or any(step.name == MISSING_MODULE for step in outcome.steps):
        return  # missing modules are told with the places where they are imported
    matched = tuple(_matches(outcome, table))
    yield from matched
    explained = any(d.severity is Weight.ERROR or d.id == _RESTRICTED for d in matched)
    if outcome.ok or explained:
        if not matched and outcome.name == COMMAND_RUN and any(_TRACEBACK in line for line in outcome.output):
            lines = (f"{outcome.name}: it went on, but printed an error", *tail(outcome.output))
            yield diagnosis("run-unknown-error", Weight.WARNING, *lines, title=_headline(outcome))
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
        if outcome.name == COMMAND_RUN:
            lines = (*lines, "it ran without network and capabilities, and with a root that is read only")
        yield diagnosis("run-unknown-error", Weight.ERROR, *lines, title=_headline(outcome))


def _matches(outcome: RunOutcome, table: KnownErrors) -> Iterator[Diagnosis]:
    """What was printed in a run that worked, or before what ended one, is a warning."""
    found: list[tuple[int, KnownError, re.Match[str]]] = []
    decides = _decisive(outcome.output)
    for row in table.errors:
        pattern = re.compile(row.pattern)
        taken = {number for number, *_ in found}
        lines = [
            (number, match)
            for number, line in enumerate(outcome.output)
            if number not in taken and (match := pattern.search(line))
        ]
        if lines:
            # The line that ended the run, where there are several.
            number, match = next((pair for pair in lines if pair[0] >= decides), lines[0])
            found.append((number, row, match))
    last = any(number >= decides for number, *_ in found)
    for number, row, match in found:
        fatal = not outcome.ok and (number >= decides or not last)
        yield _explained(outcome, number, row, match, fatal, table)


def _explained(
    outcome: RunOutcome, number: int, row: KnownError, match: re.Match[str], fatal: bool, table: KnownErrors
) -> Diagnosis:
    id, fix = row.finding, row.fix
    # What a run that works could not load is optional.
    if outcome.ok and id == "library-missing":
        id = "library-optional"
    if id == MISSING and fix is None:
        fix = module_fix(re.findall(r"No module named '([\w.]+)'", match[0]), table.modules)
    return diagnosis(
        id,
        Weight.ERROR if fatal and id != _RESTRICTED else Weight.WARNING,
        f"{outcome.name} printed: {outcome.output[number].strip()[:_MAX_LINE]}",
        *_place(outcome.output, number),
        title=match.groupdict().get("title"),
        cause=row.cause,
        fix=fix,
        threads=row.threads,
    )


def _decisive(lines: tuple[str, ...]) -> int:
    """Number of the line where the last traceback starts, together with those that led to it."""
    starts = [n for n, line in enumerate(lines) if line.startswith(_TRACEBACK)]
    while len(starts) > 1 and any(line.startswith(_CHAINED) for line in lines[starts[-2] : starts[-1]]):
        starts.pop()
    return starts[-1] if starts else 0


def _place(lines: tuple[str, ...], number: int) -> Iterator[str]:
    """Where the error of line ``number`` was raised, and from where that was reached."""
    above = lines[:number]
    start = max((n for n, line in enumerate(above) if line.startswith(_TRACEBACK)), default=None)
    if start is None:
        return
    frames = [m for line in above[start:] if (m := _FRAME.match(line)) and not m[1].startswith(_NOT_A_FILE)]
    if frames:
        first, last = f"{frames[0][1]}:{frames[0][2]}", f"{frames[-1][1]}:{frames[-1][2]}"
        yield f"at {last}" if first == last else f"at {last}, reached from {first}"


def _merge(before: Diagnosis, seen: Diagnosis) -> Diagnosis:
    """One finding; what a run showed to fail leads over what only might."""
    threads = tuple(dict.fromkeys((*before.threads, *seen.threads)))
    if seen.severity is Weight.ERROR and before.severity is Weight.WARNING:
        both = (*seen.evidence, *(line for line in before.evidence if line not in seen.evidence))
        fix = before.fix if usual_fix(seen) else seen.fix
        return replace(seen, evidence=both, fix=fix, threads=threads)
    return replace(before.with_evidence(*seen.evidence), threads=threads)


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
