"""Charts as SVG, by pygal: it draws in pure Python, needs no script and no network in the page, and is kept
up. Plotly, Bokeh, Altair and Vega bring megabytes of JavaScript, Matplotlib brings numpy.

Colours are variables of the page's style, so that a chart is light or dark as its page. Each chart has a name
for readers of screens; the numbers stand in the table beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from math import isqrt
from xml.etree import ElementTree as Tree

import pygal
from pygal.style import Style

from tfbuild.base.printable import printable
from tfbuild.base.text import human_duration, human_size
from tfbuild.compare.figures import Spread
from tfbuild.compare.subject import PURPOSES, StepTime, Subject

COLOURS = 8  # that the page's style has
_SVG = "{http://www.w3.org/2000/svg}"
# Small: a picture that is made for 400 points is sharp on a telephone, and a wide page has room for two.
_WIDTH = 460
_MAP_HEIGHT = 260
_LONGEST = 24  # characters of a label
_UNSEEN, _FIRST_COLOUR = "fill: none; stroke: none", "fill: var(--chart-1); stroke: none"


class _PageStyle(Style):  # type: ignore[misc]
    background = "transparent"
    plot_background = "transparent"
    foreground = "var(--text)"
    foreground_strong = "var(--text)"
    foreground_subtle = "var(--soft)"
    guide_stroke_color = "var(--line)"
    major_guide_stroke_color = "var(--line)"
    opacity = "1"
    opacity_hover = "1"
    transition = "0s"
    font_family = "inherit"
    label_font_size = 12
    major_label_font_size = 12
    legend_font_size = 13
    value_font_size = 12
    colors = tuple(f"var(--chart-{number})" for number in range(1, COLOURS + 1))


def sizes_chart(files: Sequence[str], rows: Iterable[tuple[str, Sequence[int | None]]]) -> Tree.Element:
    """A group of bars for each file, a bar for each row."""
    found = list(rows)
    chart = pygal.HorizontalBar(**_options(len(files) * len(found), human_size, legend=len(found)))
    chart.x_labels = _labels(files)
    for row, sizes in found:
        chart.add(_short(row), list(reversed(sizes)))
    return _element(chart, "sizes", f"Size of {', '.join(files)} in {', '.join(name for name, _ in found)}")


def purposes_chart(rows: Sequence[tuple[str, Mapping[str, int]]]) -> Tree.Element:
    """A bar for each row, in parts by purpose."""
    chart = pygal.HorizontalStackedBar(**_options(len(rows), human_size, legend=len(PURPOSES)))
    chart.x_labels = _labels([name for name, _ in rows])
    for purpose in PURPOSES:
        values = [sizes.get(purpose, 0) for _, sizes in reversed(rows)]
        if any(values):
            chart.add(purpose, values)
    return _element(chart, "purposes", f"Size of {', '.join(name for name, _ in rows)} by purpose")


def spreads_chart(
    name: str, title: str, labels: Sequence[str], rows: Iterable[tuple[str, Sequence[Spread | None]]]
) -> Tree.Element:
    """A group of bars for each label, a bar for each row, whose line goes from the least to the most."""
    found = list(rows)
    chart = pygal.HorizontalBar(**_options(len(labels) * len(found), _number, legend=len(found)))
    chart.x_labels = _labels(labels)
    # pygal makes room for the bars, and not for the lines on them.
    chart.range = (0, max((each.most for _, spreads in found for each in spreads if each), default=1))
    for row, spreads in found:
        chart.add(_short(row), [_with_spread(each) if each else None for each in reversed(spreads)])
    return _element(chart, name, title)


def timeline_chart(steps: Sequence[StepTime]) -> Tree.Element:
    """A bar for each step, which begins where the one before ends."""
    chart = pygal.HorizontalStackedBar(**_options(len(steps), human_duration, legend=0))
    ends = list(accumulate(each.seconds for each in steps))
    chart.x_labels = _labels([each.id for each in steps])
    chart.add("", [{"value": end, "style": _UNSEEN} for end in reversed([0.0, *ends[:-1]])])
    chart.add("seconds", [{"value": each.seconds, "style": _FIRST_COLOUR} for each in reversed(steps)])
    return _element(chart, "timeline", "When each step of the build began and ended")


def size_map(subject: Subject) -> Tree.Element:
    """An area for each purpose of each file."""
    files = subject.files[:COLOURS]
    options = {**_options(8, human_size, legend=0), "show_legend": True, "legend_at_bottom_columns": 1}
    chart = pygal.Treemap(**{**options, "height": _MAP_HEIGHT + 20 * len(files)})
    for file in files:
        parts = [{"value": size, "label": purpose} for purpose, size in file.sizes.items() if size]
        chart.add(_short(file.name), parts)
    return _element(chart, "map", f"What takes how much of the size of {subject.name}")


def _options(bars: int, tell: Callable[[float], str], *, legend: int) -> dict[str, object]:
    """``bars`` that need room, and entries of the ``legend``."""
    rows = isqrt(max(0, legend - 1)) + 1  # as pygal makes them: as many columns
    return {
        "style": _PageStyle,
        "js": [],
        "width": _WIDTH,
        "height": 60 + 22 * max(2, bars) + (20 + 20 * rows if legend > 1 else 0),
        "margin": 4,
        "margin_right": 20,
        "legend_at_bottom": True,
        "show_legend": legend > 1,
        "value_formatter": tell,
        "truncate_legend": -1,
        "truncate_label": -1,
        "max_scale": 4,
        "disable_xml_declaration": True,
        "spacing": 6,
    }


def _labels(names: Sequence[str]) -> list[str]:
    """The first one at the top: pygal begins at the bottom."""
    return [_short(name) for name in reversed(names)]


def _number(value: float) -> str:
    return f"{value:g}"


def _with_spread(spread: Spread) -> dict[str, object]:
    return {"value": spread.median, "ci": {"low": spread.least, "high": spread.most}}


def _short(text: str) -> str:
    told = printable(text)
    return told if len(told) <= _LONGEST else f"{told[: _LONGEST // 2]}…{told[-_LONGEST // 2 + 1 :]}"


def _element(chart: object, name: str, title: str) -> Tree.Element:
    """The chart as an element of a page: no script, no comment, a name, and the same bytes each time."""
    chart.uuid = name  # type: ignore[attr-defined]
    chart.title = None  # type: ignore[attr-defined]
    text = chart.render(is_unicode=True)  # type: ignore[attr-defined]
    root = Tree.fromstring(text)  # noqa: S314 - made above
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag == f"{_SVG}script" or "tooltip-overlay" in child.get("class", ""):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
    if (caption := root.find("title")) is not None:
        caption.text = printable(title)
    root.set("role", "img")
    root.set("aria-label", printable(title))
    return root
