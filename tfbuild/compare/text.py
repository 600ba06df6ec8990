"""A comparison as text for a terminal; pure."""

from __future__ import annotations

from collections.abc import Sequence

from tfbuild.base.printable import joined
from tfbuild.compare.subject import Subject
from tfbuild.compare.tables import Comparison, Row, Table

_WIDEST = 46  # characters of a cell that stands in a column; longer ones get lines of their own


def render_report(subject: Subject, plain: Subject | None) -> str:
    """All that is known of a build, and its sizes beside those of the plain build of its configuration."""
    found = render(Comparison(subjects=(subject,)))
    if plain is None:
        return found
    pair = Comparison(subjects=(plain, subject))
    return f"{found}\nBeside the plain build\n{_rendered(pair, pair.sizes_and_exports())}"


def render(comparison: Comparison) -> str:
    """All tables, with the subjects as columns A, B, …; ends with a newline."""
    return _rendered(comparison, comparison.tables())


def _rendered(comparison: Comparison, tables: Sequence[Table]) -> str:
    letters = [letter(number) for number in range(len(comparison.subjects))]
    lines = [f"{mark}  {subject.name}" for mark, subject in zip(letters, comparison.subjects, strict=True)]
    for table in tables:
        lines += ["", table.title + (f" ({table.note})" if table.note else ""), *_lines(table, letters)]
    return joined(lines)


def letter(number: int) -> str:
    """A, B, …, Z, then 27 and so on."""
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _lines(table: Table, letters: Sequence[str]) -> list[str]:
    narrow = [row for row in table.rows if _fits(row)]
    label = max((len(row.label) for row in narrow), default=0)
    widths = [
        max(len(mark), *(len(row.cells[i]) for row in narrow)) if narrow else len(mark)
        for i, mark in enumerate(letters)
    ]
    lines = [_columns("", letters, label, widths)] if narrow and len(letters) > 1 else []
    for row in table.rows:
        if _fits(row):
            lines.append(_columns(row.label, row.cells, label, widths))
        elif not row.differs:
            lines += [f"  {row.label}", f"    {'all' if len(letters) > 1 else ''}  {row.cells[0]}"]
        else:
            lines.append(f"  {row.label}")
            lines += [f"    {mark}  {cell}" for mark, cell in zip(letters, row.cells, strict=True)]
    return lines


def _fits(row: Row) -> bool:
    return all(len(cell) <= _WIDEST for cell in row.cells)


def _columns(first: str, cells: Sequence[str], label: int, widths: Sequence[int]) -> str:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
    return f"  {first:<{label}}  {'  '.join(padded)}".rstrip()
