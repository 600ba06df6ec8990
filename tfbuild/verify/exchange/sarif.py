"""Findings as SARIF 2.1.0, which GitHub's code scanning and many editors read. Pure.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; which properties GitHub reads:
https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

from urllib.parse import quote

from sarif_pydantic import (
    ArtifactLocation,
    Level,
    Location,
    Message,
    PhysicalLocation,
    ReportingDescriptor,
    Result,
    Run,
    Sarif,
    Tool,
    ToolDriver,
)

from tfbuild.base.printable import printable
from tfbuild.base.values import Finding
from tfbuild.verify.findings import FINDINGS, Kind
from tfbuild.verify.report import VerifyReport

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
DRIVER = "tfbuild"


def sarif_text(report: VerifyReport, version: str) -> str:
    """The log of one run with a result for each finding; ``version`` is this program's.

    Ends with a newline.
    """
    ids = sorted({each.id for each in report.findings})
    driver = ToolDriver(name=DRIVER, version=version, rules=[_rule(each) for each in ids])
    results = [_result(each, ids.index(each.id), report.subject) for each in report.findings]
    log = Sarif(
        schema_uri=_SCHEMA,
        version="2.1.0",
        runs=[Run(tool=Tool(driver=driver), results=results)],
    )
    text: str = log.model_dump_json(indent=2, exclude_none=True, by_alias=True)
    return f"{text}\n"


def _rule(finding: str) -> ReportingDescriptor:
    kind = FINDINGS.get(finding, Kind(finding, finding))
    return ReportingDescriptor(
        id=finding,
        short_description=Message(text=kind.means),
        help=Message(text=kind.remedy),
    )


def _result(finding: Finding, index: int, subject: str) -> Result:
    fix = [f"fix: {finding.fix}"] if finding.fix else []
    lines = map(printable, [finding.message, *finding.evidence, *fix])
    # A result without a place is not shown. The name of an image is none, but tells which image.
    place = PhysicalLocation(artifact_location=ArtifactLocation(uri=quote(subject, errors="surrogateescape")))
    return Result(
        rule_id=finding.id,
        rule_index=index,
        level=Level.ERROR if finding.severity == "error" else Level.WARNING,
        message=Message(text="\n".join(lines)),
        locations=[Location(physical_location=place)],
    )
