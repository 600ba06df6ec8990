"""Findings as JUnit XML, which GitLab, Jenkins and most other CI services show. Pure.

There is no schema that all of them hold to; this is what https://docs.gitlab.com/ci/testing/unit_test_reports/
and https://github.com/jenkinsci/xunit-plugin read.
"""

from __future__ import annotations

from junitparser import Failure, JUnitXml, TestCase, TestSuite

from tfbuild.base.printable import printable
from tfbuild.base.values import Finding
from tfbuild.verify.report import VerifyReport

NAME = "tfbuild verify"


def junit_text(report: VerifyReport) -> str:
    """A case for each finding, and one for the whole, which fails where an error was found.

    A warning is a case that passes and says what it has to say. Checks that found nothing have no case: which
    of them applied to this file is not recorded. Ends with a newline.
    """
    suite = TestSuite(printable(report.subject))
    suite.add_testcase(_whole(report))
    for finding in report.findings:
        suite.add_testcase(_case(finding, report.subject))
    document = JUnitXml(NAME)
    document.add_testsuite(suite)
    document.update_statistics()
    text: bytes = document.tostring()
    return text.decode("utf-8").rstrip() + "\n"


def _whole(report: VerifyReport) -> TestCase:
    case = TestCase(f"policy {report.policy}", classname=printable(report.subject))
    case.system_out = f"ELF files: {len(report.facts.elf)}; findings: {len(report.findings)}"
    if report.errors:
        ids = ", ".join(dict.fromkeys(each.id for each in report.errors))
        case.result = [Failure(f"errors: {ids}", "policy")]
    return case


def _case(finding: Finding, subject: str) -> TestCase:
    # XML has no way to write a control character.
    message = printable(finding.message)
    case = TestCase(f"{finding.id}: {message}", classname=printable(subject))
    fix = [f"fix: {finding.fix}"] if finding.fix else []
    details = "\n".join(map(printable, [*finding.evidence, *fix]))
    if finding.severity == "error":
        failure = Failure(message, finding.id)
        failure.text = details
        case.result = [failure]
    else:
        case.system_out = f"warning: {message}\n{details}".rstrip()
    return case
