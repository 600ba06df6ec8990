"""``invoke explain``: the words of reports, each with what it means and what to do.

Findings and exit codes have their texts where they are made; those of states are here. The reference pages
are made from the same tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tfbuild.base.documents import dump
from tfbuild.base.errors import MEANINGS, ExitCode, NothingMatchesError
from tfbuild.base.text import did_you_mean
from tfbuild.cli.guide.smoke_findings import SMOKE_FINDINGS
from tfbuild.diagnose.catalog import CATALOG
from tfbuild.machine.terminal import write_json, write_lines
from tfbuild.verify.findings import FINDINGS


@dataclass(frozen=True, kw_only=True)
class Explained:
    """A word of a report; ``then`` is what to do, empty where there is nothing to do."""

    word: str
    kind: str
    means: str
    cause: str = ""
    then: str = ""


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """``invoke explain --json``; more than one where a word is used twice."""

    version: Literal[1] = 1
    found: tuple[Explained, ...]


def _state(of: str, word: str, means: str, then: str = "") -> Explained:
    return Explained(word=word, kind=f"state of a {of}", means=means, then=then)


RELEASE, LOCK, SEVERITY, CHECK = "release", "lock", "finding", "check of doctor"
STATES: tuple[Explained, ...] = (
    _state(RELEASE, "built", "this project has compiled (or made of wheels) and verified the release"),
    _state(
        RELEASE,
        "pinned",
        "the hashes of the release are known; this project has not built it as it is",
        "try the build first with --dry-run; invoke verify judges the result",
    ),
    _state(LOCK, "not-needed", "the release file has everything that a build downloads"),
    _state(LOCK, "none", "what a build downloads besides the source has no hash yet", "invoke lock"),
    _state(LOCK, "stale", "the lock was made from another state of the release file", "invoke lock"),
    _state(
        LOCK,
        "incomplete",
        "the lock lacks a source that not every build needs",
        "invoke list-releases names it; a build that needs it is refused by its plan",
    ),
    _state(LOCK, "complete", "everything that a build downloads has a hash"),
    _state(SEVERITY, "error", "verify and diagnose end with exit code 7", "each finding has its fix"),
    _state(
        SEVERITY, "warning", "it is reported, and fails nothing", "a policy's severities can make it an error"
    ),
    _state(SEVERITY, "ignore", "a policy leaves the finding out"),
    _state(CHECK, "ok", "the check found what a build needs"),
    _state(CHECK, "warning", "a part of a build may not work", "the command beside it"),
    _state(CHECK, "fatal", "a build cannot work; doctor ends with exit code 4", "the command beside it"),
)


def explain(word: str, *, as_json: bool) -> int:
    """``invoke explain``"""
    found = explanations(word)
    if as_json:
        write_json(dump(Explanations(found=found)))
    else:
        write_lines(explained_lines(found))
    return ExitCode.OK


def explanations(word: str) -> tuple[Explained, ...]:
    """What ``word`` means in each report that has it.

    :raises NothingMatchesError: it is in none; the nearest words are told.
    """
    known = tuple(everything())
    found = tuple(each for each in known if each.word == word.strip().lower())
    if not found:
        names = sorted({each.word for each in known if not each.word.isdigit()})
        raise NothingMatchesError(
            f"'{word}' is no finding, exit code or state{did_you_mean(word, names)}",
            details=(f"exit codes: {', '.join(str(int(each)) for each in ExitCode)}",),
            hint="the ids of findings are in docs/reference/verify-findings.md and diagnose-findings.md",
        )
    return found


def everything() -> Iterator[Explained]:
    """All words that reports have."""
    for id, kind in FINDINGS.items():
        yield Explained(word=id, kind="finding of verify", means=kind.means, then=kind.remedy)
    for id, (means, then) in SMOKE_FINDINGS.items():
        yield Explained(word=id, kind="finding of a build's own test", means=means, then=then)
    for id, each in CATALOG.items():
        yield Explained(
            word=id, kind="finding of diagnose", means=each.title, cause=each.cause, then=each.fix
        )
    for code in ExitCode:
        said = MEANINGS[code]
        yield Explained(
            word=str(int(code)), kind="exit code", means=said.says, then=said.then.replace("`", "")
        )
    yield from STATES


def explained_lines(found: Sequence[Explained]) -> Iterator[str]:
    """A paragraph for each."""
    for number, each in enumerate(found):
        if number:
            yield ""
        yield f"{each.word}: {each.kind}"
        yield f"  meaning  {each.means}"
        if each.cause:
            yield f"  cause    {each.cause}"
        if each.then:
            yield f"  to do    {each.then}"
