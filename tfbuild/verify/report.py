"""What a verification results in: one report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from tfbuild.artifacts.elf.facts import ElfFacts
from tfbuild.artifacts.foreign import ForeignFiles
from tfbuild.artifacts.image.closure import Closure
from tfbuild.artifacts.image.facts import ImageFacts
from tfbuild.artifacts.runs_on import RunsOn
from tfbuild.artifacts.static_archive import ArchiveFacts
from tfbuild.artifacts.wheel import WheelFacts
from tfbuild.base.errors import ExitCode
from tfbuild.base.text import TextEnum
from tfbuild.base.values import Finding
from tfbuild.verify.checks.dist import ChecksumFacts
from tfbuild.verify.checks.trust import TrustFacts
from tfbuild.verify.checks.wheel import TagFacts
from tfbuild.verify.findings import Observation
from tfbuild.verify.policy import Policy


class SubjectKind(TextEnum):
    """What was verified."""

    LIBRARY = "shared library"
    PROGRAM = "program"
    DEBUG = "separate debug information"
    DIST = "dist folder"
    STATIC = "static archive"
    WHEEL = "wheel"
    ARCHIVE = "image archive"
    IMAGE = "image"
    INDEX = "image of several platforms"
    PACKAGE = "zip archive with libraries"


@dataclass(frozen=True)
class NamedPolicy:
    """A policy with the name that reports give it."""

    name: str
    policy: Policy


@dataclass(frozen=True, kw_only=True)
class VerifyFacts:
    """Everything that was read. What does not apply to the kind of subject is None."""

    elf: tuple[ElfFacts, ...]
    image: ImageFacts | None = None
    closure: Closure | None = None
    checksums: ChecksumFacts | None = None
    static: ArchiveFacts | None = None
    wheel: WheelFacts | None = None
    tag: TagFacts | None = None
    runs_on: RunsOn | None = None
    foreign: tuple[ForeignFiles, ...] = ()  # what was not examined
    trust: TrustFacts | None = None  # where somebody asked for it


@dataclass(frozen=True, kw_only=True)
class PlatformReport:
    """The facts of one platform's image."""

    platform: str
    facts: VerifyFacts


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """The result of one verification."""

    version: Literal[1] = 1  # of the JSON document
    subject: str
    kind: SubjectKind
    policy: str
    facts: VerifyFacts
    platforms: tuple[PlatformReport, ...] = ()  # where the subject holds several images
    findings: tuple[Finding, ...]

    @classmethod
    def of(
        cls,
        subject: str,
        kind: SubjectKind,
        policy: NamedPolicy,
        facts: VerifyFacts,
        found: Iterable[Observation],
    ) -> VerifyReport:
        """The end of every verification: here, and only here, the policy weighs what the checks found."""
        findings = policy.policy.weigh(found)
        return cls(subject=subject, kind=kind, policy=policy.name, facts=facts, findings=findings)

    def with_more(
        self, policy: NamedPolicy, facts: VerifyFacts, found: Iterable[Observation]
    ) -> VerifyReport:
        """The same with ``facts``, and what another check found of the subject; told first."""
        return replace(self, facts=facts, findings=(*policy.policy.weigh(found), *self.findings))

    @classmethod
    def of_platforms(cls, subject: str, reports: Mapping[str, VerifyReport]) -> VerifyReport:
        """One report of those on each platform's image; findings say which they are about."""
        policies = dict.fromkeys(report.policy for report in reports.values())
        return cls(
            subject=subject,
            kind=SubjectKind.INDEX,
            policy=", ".join(policies),
            facts=VerifyFacts(elf=()),
            platforms=tuple(
                PlatformReport(platform=platform, facts=report.facts) for platform, report in reports.items()
            ),
            findings=tuple(
                replace(finding, message=f"{platform}: {finding.message}")
                for platform, report in reports.items()
                for finding in report.findings
            ),
        )

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(f for f in self.findings if f.severity == "error")

    @property
    def exit_code(self) -> ExitCode:
        """7 with at least one error; warnings do not fail."""
        return ExitCode.VERIFICATION_FAILED if self.errors else ExitCode.OK
