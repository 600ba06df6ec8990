"""Errors that a user can meet, each with the exit code that scripts may rely on.

An error says what happened, where, why, and what to do next; ``tasks.py`` is the only place that
prints one. Anything that is not a :class:`TfBuildError` is a bug in this program (exit code 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import MappingProxyType

from tfbuild.base.printable import printable


class ExitCode(IntEnum):
    """Exit codes of every command. They are part of the interface and never change meaning."""

    OK = 0
    BUG = 1
    USAGE = 2
    NOTHING_MATCHES = 3
    HOST_NOT_READY = 4
    DOWNLOAD = 5
    BUILD_FAILED = 6
    VERIFICATION_FAILED = 7
    PACKAGING_FAILED = 8
    LOCKED = 9
    INTERRUPTED = 130


@dataclass(frozen=True)
class Meaning:
    """What an exit code says, and what a user does next; both for the documentation."""

    says: str
    then: str


MEANINGS: Mapping[ExitCode, Meaning] = MappingProxyType(
    {
        ExitCode.OK: Meaning("done", ""),
        ExitCode.BUG: Meaning("a bug in this program", "report it, with the traceback"),
        ExitCode.USAGE: Meaning(
            "wrong usage or configuration", "the message names the option, or the file with line and column"
        ),
        ExitCode.NOTHING_MATCHES: Meaning(
            "nothing matches the request", "`invoke list-releases`, `invoke list-configs`"
        ),
        ExitCode.HOST_NOT_READY: Meaning("the host is not ready", "`invoke doctor`"),
        ExitCode.DOWNLOAD: Meaning(
            "a download failed, or its checksum is wrong",
            "the message names each address and its answer; `TFBUILD_MIRRORS` names a mirror",
        ),
        ExitCode.BUILD_FAILED: Meaning(
            "the build failed",
            "the log that the message names is complete; `--jobs 1` when memory ran out",
        ),
        ExitCode.VERIFICATION_FAILED: Meaning(
            "verification failed", "`verify.json` beside the logs; of `diagnose`, each finding has its fix"
        ),
        ExitCode.PACKAGING_FAILED: Meaning(
            "packaging or a push failed",
            "the log that the message names; free disk space; `docker login`; a push continues",
        ),
        ExitCode.LOCKED: Meaning(
            "another build holds the lock", "wait for it; `TFBUILD_LOCK_WAIT` says how long"
        ),
        ExitCode.INTERRUPTED: Meaning("interrupted", "the same command continues"),
    }
)


class TfBuildError(Exception):
    """Base of all expected failures.

    ``message`` is one line without a full stop; ``details`` are further lines (facts, excerpts);
    ``hint`` is the next step, ideally a command; ``log`` is the complete log of the failed step.
    """

    exit_code = ExitCode.BUG

    def __init__(
        self,
        message: str,
        *,
        details: tuple[str, ...] = (),
        hint: str | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = details
        self.hint = hint
        self.log = log


class UsageError(TfBuildError):
    """A wrong argument or configuration."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, order=True)
class ConfigProblem:
    """One thing wrong in a configuration; ``line`` and ``column`` count from 1.

    Line 0 says that ``path`` is no file but an argument, which is its own place.
    """

    path: str
    line: int
    column: int
    message: str
    snippet: str = ""

    def __str__(self) -> str:
        if not self.line:
            return printable(f"{self.path}: {self.message}")
        text = printable(f"{self.path}:{self.line}:{self.column}: {self.message}")
        if not self.snippet:
            return text
        gutter = f"  {self.line} | "
        caret = " " * (len(gutter) - 2 + self.column - 1) + "  ^"
        return f"{text}\n{gutter}{self.snippet}\n{caret}"


class ConfigError(UsageError):
    """All problems of the configuration at once."""

    def __init__(self, problems: tuple[ConfigProblem, ...], *, hint: str | None = None) -> None:
        ordered = tuple(sorted(problems))
        count = f"{len(ordered)} problem{'s' if len(ordered) != 1 else ''} in the configuration"
        super().__init__(count, details=tuple(str(p) for p in ordered), hint=hint)
        self.problems = ordered


class NothingMatchesError(TfBuildError):
    """An unknown release, config, arch or product, or a combination that does not exist."""

    exit_code = ExitCode.NOTHING_MATCHES


class HostError(TfBuildError):
    """The host is not ready: no engine, too old, no permission, no disk space."""

    exit_code = ExitCode.HOST_NOT_READY


class DownloadError(TfBuildError):
    """A download failed on every mirror."""

    exit_code = ExitCode.DOWNLOAD


class ChecksumError(DownloadError):
    """Bytes arrived that are not the pinned ones; they have been thrown away."""


class ArchiveError(DownloadError):
    """An archive holds a member that must not be extracted."""


class BuildError(TfBuildError):
    """The compile, or something that prepares it, failed."""

    exit_code = ExitCode.BUILD_FAILED


class VerificationError(TfBuildError):
    """The result exists but is not what it should be."""

    exit_code = ExitCode.VERIFICATION_FAILED


class PackagingError(TfBuildError):
    """The runtime image or the dist folder could not be made."""

    exit_code = ExitCode.PACKAGING_FAILED


class LockedError(TfBuildError):
    """Another process holds the lock."""

    exit_code = ExitCode.LOCKED


class Interrupted(TfBuildError):
    """SIGINT or SIGTERM arrived; everything that was started has been stopped."""

    exit_code = ExitCode.INTERRUPTED
