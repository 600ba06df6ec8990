"""Reads a wheel and judges it: its documents, its tag, and each of its libraries."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path

from tfbuild.artifacts.elf.facts import ElfFacts
from tfbuild.artifacts.examine import Beside, examine
from tfbuild.artifacts.platforms import load_platforms
from tfbuild.artifacts.wheel import Wheel, WheelFacts
from tfbuild.base.errors import UsageError, VerificationError
from tfbuild.base.project import PROJECT
from tfbuild.base.values import Finding
from tfbuild.verify.checks.elf import check_elf
from tfbuild.verify.checks.wheel import TagFacts, check_wheel, tag_facts
from tfbuild.verify.policy import Context, Findings, Policy


@dataclass(frozen=True)
class JudgedWheel:
    """Facts and findings; the names of the libraries are those in the wheel."""

    facts: WheelFacts
    elf: tuple[ElfFacts, ...]
    tag: TagFacts | None
    findings: tuple[Finding, ...]


def judge_wheel(path: Path, rules: Policy, context: Context, beside: Beside | None = None) -> JudgedWheel:
    """Raises UsageError for a zip file that is no wheel, VerificationError for a damaged one."""
    found = Findings(rules)
    files: list[ElfFacts] = []
    with Wheel(path) as wheel:
        facts = wheel.facts()
        for name in wheel.elf_names():
            try:
                files.append(examine(wheel.read(name), name, beside))
            except VerificationError as error:
                found.add("elf-damaged", error.message, error.details, error.hint)
            except UsageError:
                continue  # an object file: nothing that is loaded
    elf = tuple(files)
    platforms = load_platforms(PROJECT)
    tag = tag_facts(elf, platforms)
    judged = (
        finding
        for each in elf
        for finding in check_elf(each, rules, rules.role_for(posixpath.basename(each.path)), context)
    )
    return JudgedWheel(facts, elf, tag, (*found.all(), *check_wheel(facts, tag, platforms, rules), *judged))
