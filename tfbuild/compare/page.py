"""A comparison, and the report of one build, as one HTML file without scripts and without anything from
elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as Tree

from tfbuild.base.html import AUTHOR, page, text, written
from tfbuild.base.text import human_duration, human_size
from tfbuild.compare.charts import (
    COLOURS,
    purposes_chart,
    size_map,
    sizes_chart,
    spreads_chart,
    timeline_chart,
)
from tfbuild.compare.figures import Series, Spread
from tfbuild.compare.subject import ComparedFile, Subject
from tfbuild.compare.tables import Comparison, Table
from tfbuild.compare.text import letter

# Of the project; the first has what all pages have.
STYLES = (Path("build_configs", "diagnoses", "report.css"), Path("build_configs", "compare", "page.css"))
_FILES = 6  # of a chart; the largest
_FINDINGS = 40


def comparison_page(comparison: Comparison, style: str) -> str:
    """The page; ``style`` are the texts of :data:`STYLES`. Ends with a newline."""
    subjects = comparison.subjects
    names = " and ".join(each.name for each in subjects)
    root, main = page(f"Comparison of {names}", style)
    text(main, "h1", f"{len(subjects)} compared")
    listed = Tree.SubElement(main, "ol", {"class": "subjects"})
    for number, subject in enumerate(subjects):
        item = Tree.SubElement(listed, "li")
        text(item, "b", letter(number)).tail = subject.name
    _charts(main, comparison)
    for table in comparison.tables():
        _table(main, table, subjects)
    text(main, "footer", f"{AUTHOR}{_machine(subjects)}")
    return written(root)


def report_page(subject: Subject, style: str, plain: Subject | None = None) -> str:
    """The page of one build; as :func:`comparison_page`. ``plain`` is that of its configuration alone."""
    root, main = page(f"Report of {subject.name}", style)
    text(main, "h1", subject.name)
    errors = [each for each in subject.findings if each.severity == "error"]
    state = "bad" if errors else "warn" if subject.findings else "good"
    seconds = sum(each.seconds for each in subject.steps)
    took = f", built in {human_duration(seconds)}" if subject.steps else ""
    told = f"{len(errors)} errors, {len(subject.findings) - len(errors)} warnings"
    text(main, "p", f"{human_size(subject.size)} of code{took}; {told}", f"verdict {state}")
    charts = Tree.SubElement(main, "div", {"class": "charts"})
    if subject.steps:
        _figure(charts, "Timeline of the steps", timeline_chart(subject.steps))
    if subject.files:
        _figure(charts, "Size by file and purpose", size_map(subject))
    comparison = Comparison(subjects=(subject,))
    _speed_charts(charts, comparison)
    for table in comparison.tables():
        _table(main, table, ())
    if plain:
        pair = Comparison(subjects=(plain, subject))
        text(main, "p", f"A is {plain.name}, the plain build of this configuration; B is this one.", "note")
        for table in pair.sizes_and_exports():
            _table(main, replace(table, title=f"{table.title}, beside the plain build"), pair.subjects)
    _flags(main, subject)
    _smoke(main, subject)
    _findings(main, subject)
    text(main, "footer", f"{AUTHOR}{_machine((subject,))}")
    return written(root)


def _charts(main: Tree.Element, comparison: Comparison) -> None:
    subjects = comparison.subjects[:COLOURS]
    charts = Tree.SubElement(main, "div", {"class": "charts"})
    if files := comparison.files()[:_FILES]:
        sizes = (
            (letter(i), [_size(comparison.file(each, name)) for name in files])
            for i, each in enumerate(subjects)
        )
        _figure(charts, "Size of libraries and programs", sizes_chart(files, sizes))
        purposes = [(letter(i), each.sizes) for i, each in enumerate(subjects)]
        _figure(charts, "Size by purpose", purposes_chart(purposes))
    _speed_charts(charts, comparison)


def _speed_charts(charts: Tree.Element, comparison: Comparison) -> None:
    measured = comparison.measured()
    if not measured:
        return
    subjects = comparison.subjects[:COLOURS]
    titles = [title for title, _ in measured]
    for name, what, unit in (
        ("latency", "Latency", "ms"),
        ("load", "Time to load the model", "ms"),
        ("memory", "Memory of model and inferences", "MiB"),
    ):
        rows = [(letter(i), [_spread(found[i], name) for _, found in measured]) for i in range(len(subjects))]
        if any(spread for _, spreads in rows for spread in spreads):
            caption = f"{what}, {unit}: median, and from the least to the most"
            _figure(charts, caption, spreads_chart(name, f"{what} in {unit}", titles, rows))


def _size(file: ComparedFile | None) -> int | None:
    return file.size if file else None


def _spread(series: Series | None, name: str) -> Spread | None:
    if series is None:
        return None
    return {"latency": series.latency_ms, "load": series.load_ms, "memory": series.memory_mib}[name]


def _figure(parent: Tree.Element, caption: str, chart: Tree.Element) -> None:
    figure = Tree.SubElement(parent, "figure")
    text(figure, "figcaption", caption)
    figure.append(chart)


def _table(main: Tree.Element, table: Table, subjects: Sequence[Subject]) -> None:
    heads = [letter(number) for number in range(len(subjects))]
    rows = ((row.label, row.cells, not row.differs and len(subjects) > 1) for row in table.rows)
    _grid(main, table.title, heads, rows, table.note)


def _grid(
    main: Tree.Element,
    title: str,
    heads: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str], bool]],
    note: str = "",
) -> None:
    text(main, "h2", title)
    if note:
        text(main, "p", note, "note")
    # Focusable, so that a keyboard scrolls it too: https://www.w3.org/WAI/tutorials/tables/
    wide = Tree.SubElement(
        main, "div", {"class": "wide", "tabindex": "0", "role": "region", "aria-label": title}
    )
    table = Tree.SubElement(wide, "table")
    if heads:
        head = Tree.SubElement(Tree.SubElement(table, "thead"), "tr")
        Tree.SubElement(head, "td")
        for each in heads:
            text(head, "th", each).set("scope", "col")
    body = Tree.SubElement(table, "tbody")
    for label, cells, same in rows:
        line = Tree.SubElement(body, "tr", {"class": "same"} if same else {})
        text(line, "th", label).set("scope", "row")
        for cell in cells:
            text(line, "td", cell)


def _flags(main: Tree.Element, subject: Subject) -> None:
    if subject.flags:
        rows = ((each.text, (each.target, each.origin, each.reason), False) for each in subject.flags)
        _grid(main, "Flags with their origin", ("for", "from", "why"), rows)


def _smoke(main: Tree.Element, subject: Subject) -> None:
    if not subject.smoke:
        return
    rows = (
        (
            each.case,
            (
                "ended well" if each.exit_code == 0 else f"exit code {each.exit_code}",
                "" if each.delegated is None else str(each.delegated),
            ),
            False,
        )
        for each in subject.smoke
    )
    _grid(main, "Smoke test", ("result", "delegated"), rows)


def _findings(main: Tree.Element, subject: Subject) -> None:
    if not subject.findings:
        return
    text(main, "h2", "Findings")
    for each in subject.findings[:_FINDINGS]:
        card = Tree.SubElement(main, "section", {"class": "bad" if each.severity == "error" else "warn"})
        text(card, "h3", each.message)
        text(card, "code", each.id, "id")
        if each.evidence:
            listed = Tree.SubElement(card, "ul")
            for line in each.evidence:
                text(listed, "li", line)
        if each.fix:
            text(card, "p", each.fix)


def _machine(subjects: Sequence[Subject]) -> str:
    found = dict.fromkeys(each.figures.machine for each in subjects if each.figures)
    return f"; measured on {', '.join(found)}" if found else ""
