"""A diagnosis as one HTML file, without scripts and without anything from elsewhere.

The page is a tree of elements, so nothing that an image says can become markup; its style is the static
file beside the known errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as Tree

from tfbuild.base.html import AUTHOR, page, text, written
from tfbuild.base.printable import joined, printable
from tfbuild.diagnose.catalog import Diagnosis, Weight
from tfbuild.diagnose.diagnose import DiagnoseReport
from tfbuild.diagnose.report import host_rows, image_rows, run_rows, summary

STYLE = Path("build_configs", "diagnoses", "report.css")


def render_html(report: DiagnoseReport, style: str) -> str:
    """The page; ``style`` is the text of :data:`STYLE`. Ends with a newline."""
    root, main = page(f"Diagnosis of {report.subject}", style)
    text(main, "h1", report.subject)
    state = "bad" if report.errors else "warn" if report.warnings else "good"
    text(main, "p", summary(report), f"verdict {state}")
    _facts(main, (*image_rows(report.image), *host_rows(report.host), *run_rows(report.runs)))
    for title, findings in (("Will fail", report.errors), ("Warnings", report.warnings)):
        if findings:
            text(main, "h2", title)
            for finding in findings:
                _finding(main, finding)
    for run in report.runs:
        if not run.ok and run.output:
            details = Tree.SubElement(main, "details")
            text(details, "summary", f"What “{run.name}” printed ({len(run.output)} lines)")
            text(details, "pre", "").text = joined(run.output)
    text(main, "footer", f"{AUTHOR}; the machine's clock: {report.host.clock:%Y-%m-%d %H:%M} UTC")
    return written(root)


def _facts(parent: Tree.Element, rows: Iterable[tuple[str, str]]) -> None:
    table = Tree.SubElement(parent, "table")
    for label, value in rows:
        row = Tree.SubElement(table, "tr")
        text(row, "th", label).set("scope", "row")
        text(row, "td", value)


def _finding(parent: Tree.Element, finding: Diagnosis) -> None:
    kind = "bad" if finding.severity is Weight.ERROR else "warn"
    card = Tree.SubElement(parent, "section", {"class": kind, "id": printable(finding.id)})
    text(card, "h3", finding.title)
    text(card, "code", finding.id, "id")
    evidence = Tree.SubElement(card, "ul")
    for line in finding.evidence:
        text(evidence, "li", line)
    words = Tree.SubElement(card, "dl")
    for label, value in (("Cause", finding.cause), ("Fix", finding.fix)):
        text(words, "dt", label)
        text(words, "dd", value)
    if finding.threads:
        text(words, "dt", "See")
        links = Tree.SubElement(words, "dd")
        for url in finding.threads:
            text(Tree.SubElement(links, "div"), "a", url.removeprefix("https://")).set("href", printable(url))
