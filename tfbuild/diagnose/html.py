"""A diagnosis as one HTML file, without scripts and without anything from elsewhere.

The page is a tree of elements, so nothing that an image says can become markup; its style is the static
file beside the known errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as Tree

from tfbuild.base.printable import joined, printable
from tfbuild.diagnose.catalog import Diagnosis, Weight
from tfbuild.diagnose.diagnose import DiagnoseReport
from tfbuild.diagnose.report import host_rows, image_rows, run_rows, summary
from tfbuild.machine.user_files import require_replaceable_file

_DOCTYPE = "<!doctype html>"
_AUTHOR = "Written by tfbuild"
STYLE = Path("build_configs", "diagnoses", "report.css")


def render_html(report: DiagnoseReport, style: str) -> str:
    """The page; ``style`` is the text of :data:`STYLE`. Ends with a newline."""
    page = Tree.Element("html", {"lang": "en"})
    head = Tree.SubElement(page, "head")
    Tree.SubElement(head, "meta", {"charset": "utf-8"})
    Tree.SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    _text(head, "title", f"Diagnosis of {report.subject}")
    Tree.SubElement(head, "style").text = style
    body = Tree.SubElement(page, "body")
    main = Tree.SubElement(body, "main")
    _text(main, "h1", report.subject)
    state = "bad" if report.errors else "warn" if report.warnings else "good"
    _text(main, "p", summary(report), f"verdict {state}")
    _facts(main, (*image_rows(report.image), *host_rows(report.host), *run_rows(report.runs)))
    for title, findings in (("Will fail", report.errors), ("Warnings", report.warnings)):
        if findings:
            _text(main, "h2", title)
            for finding in findings:
                _finding(main, finding)
    for run in report.runs:
        if not run.ok and run.output:
            details = Tree.SubElement(main, "details")
            _text(details, "summary", f"What “{run.name}” printed ({len(run.output)} lines)")
            _text(details, "pre", "").text = joined(run.output)
    _text(main, "footer", f"{_AUTHOR}; the machine's clock: {report.host.clock:%Y-%m-%d %H:%M} UTC")
    text = Tree.tostring(page, encoding="unicode", method="html")
    return f"{_DOCTYPE}\n{text}\n"


def require_page_place(path: Path) -> None:
    """Raises :class:`tfbuild.base.errors.UsageError` where the page cannot be written, or something else
    is."""
    require_replaceable_file(path, _is_page, "a page", "another name: --html FILE")


def _is_page(path: Path) -> bool:
    with path.open("rb") as file:
        begins = file.read(len(_DOCTYPE)) == _DOCTYPE.encode()
        file.seek(max(0, path.stat().st_size - 1000))
        return begins and f"<footer>{_AUTHOR}".encode() in file.read()


def _facts(parent: Tree.Element, rows: Iterable[tuple[str, str]]) -> None:
    table = Tree.SubElement(parent, "table")
    for label, value in rows:
        row = Tree.SubElement(table, "tr")
        _text(row, "th", label).set("scope", "row")
        _text(row, "td", value)


def _finding(parent: Tree.Element, finding: Diagnosis) -> None:
    kind = "bad" if finding.severity is Weight.ERROR else "warn"
    card = Tree.SubElement(parent, "section", {"class": kind, "id": printable(finding.id)})
    _text(card, "h3", finding.title)
    _text(card, "code", finding.id, "id")
    evidence = Tree.SubElement(card, "ul")
    for line in finding.evidence:
        _text(evidence, "li", line)
    words = Tree.SubElement(card, "dl")
    for label, value in (("Cause", finding.cause), ("Fix", finding.fix)):
        _text(words, "dt", label)
        _text(words, "dd", value)
    if finding.threads:
        _text(words, "dt", "See")
        links = Tree.SubElement(words, "dd")
        for url in finding.threads:
            _text(Tree.SubElement(links, "div"), "a", url.removeprefix("https://")).set(
                "href", printable(url)
            )


def _text(parent: Tree.Element, name: str, text: str, kind: str = "") -> Tree.Element:
    element = Tree.SubElement(parent, name, {"class": kind} if kind else {})
    element.text = printable(text)
    return element
