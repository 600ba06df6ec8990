"""Reports for other programs: SARIF and JUnit XML."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from tfbuild.base.values import Finding
from tfbuild.verify.exchange.junit import junit_text
from tfbuild.verify.exchange.sarif import sarif_text
from tfbuild.verify.findings import FINDINGS
from tfbuild.verify.report import SubjectKind, VerifyFacts, VerifyReport

FOUND = (
    Finding("elf-relro", "error", "a.so: no RELRO", ("PT_GNU_RELRO is missing",), "link with -z relro"),
    Finding("isa-unclear", "warning", "a.so: perhaps AVX"),
    Finding("elf-relro", "error", "b.so: no RELRO"),
)


def report(*findings: Finding, subject: str = "dist/tflite/x") -> VerifyReport:
    facts = VerifyFacts(elf=())
    return VerifyReport(
        subject=subject, kind=SubjectKind.DIST, policy="default", facts=facts, findings=findings
    )


def test_sarif_has_a_rule_for_each_id_and_a_result_for_each_finding() -> None:
    document = json.loads(sarif_text(report(*FOUND, subject="dist/a b"), "1.2.3"))
    assert document["version"] == "2.1.0"
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("tfbuild", "1.2.3")
    assert [each["id"] for each in driver["rules"]] == ["elf-relro", "isa-unclear"]
    assert driver["rules"][0]["shortDescription"]["text"] == FINDINGS["elf-relro"].means
    levels = [(each["ruleId"], each["ruleIndex"], each["level"]) for each in run["results"]]
    assert levels == [("elf-relro", 0, "error"), ("isa-unclear", 1, "warning"), ("elf-relro", 0, "error")]
    first = run["results"][0]
    text = "a.so: no RELRO\nPT_GNU_RELRO is missing\nfix: link with -z relro"
    assert first["message"]["text"] == text
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "dist/a%20b"


def test_junit_fails_for_errors_and_tells_warnings() -> None:
    root = ElementTree.fromstring(junit_text(report(*FOUND)))
    assert {name: root.attrib[name] for name in ("tests", "failures", "errors")} == {
        "tests": "4",
        "failures": "3",
        "errors": "0",
    }
    whole, relro, unclear, _ = root.findall(".//testcase")
    assert whole.find("failure") is not None
    failure = relro.find("failure")
    assert failure is not None
    assert failure.text == "PT_GNU_RELRO is missing\nfix: link with -z relro"
    assert unclear.find("failure") is None
    assert unclear.findtext("system-out") == "warning: a.so: perhaps AVX"


def test_where_nothing_is_wrong_one_case_passes() -> None:
    root = ElementTree.fromstring(junit_text(report()))
    assert (root.attrib["tests"], root.attrib["failures"]) == ("1", "0")
    assert json.loads(sarif_text(report(), "1"))["runs"][0]["results"] == []


@given(st.text() | st.just("x\udcff"), st.text(), st.sampled_from(["error", "warning"]))
def test_any_text_makes_a_document_that_can_be_read(subject: str, message: str, severity: str) -> None:
    """Names in archives may hold anything, and XML has no way to write most control characters."""
    made = report(Finding("elf-damaged", severity, message, (message,), message), subject=subject)
    assert len(ElementTree.fromstring(junit_text(made)).findall(".//testcase")) == 2
    assert len(json.loads(sarif_text(made, "1"))["runs"][0]["results"]) == 1
