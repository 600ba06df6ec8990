"""Pages of ``compare`` and ``report`` in a real browser: readable on a telephone, in light and dark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.browser import look
from tests.support.compared import STYLE, built, subject
from tfbuild.compare.page import comparison_page, report_page
from tfbuild.compare.tables import Comparison


@pytest.fixture(scope="module", params=["comparison", "report"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    long = replace(
        built("isa-old.so", 1.5), name="registry.example/" + "a-very-long-name-of-a-team/" * 3 + "x:1.4"
    )
    text = (
        comparison_page(Comparison(subjects=(built(), long, subject())), STYLE)
        if request.param == "comparison"
        else report_page(long, STYLE)
    )
    path = tmp_path_factory.mktemp("pages") / f"{request.param}.html"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("width", "dark"), [(400, True), (400, False), (1200, True), (1200, False)])
def test_a_page_can_be_read(page: Path, width: int, dark: bool) -> None:
    seen = look(page, width, dark=dark)
    assert seen["window"] == width
    assert seen["page"] <= width  # nothing has to be scrolled sideways but wide tables, in their own frame
    assert seen["requests"] == []
    assert seen["texts"] > 50
    assert seen["faint"] == []
    brightness = sum(map(int, seen["background"].strip("rgb()").split(",")[:3]))
    assert brightness < 150 if dark else brightness > 600
    assert len(seen["charts"]) >= 4
    for chart in seen["charts"]:
        assert chart["role"] == "img"
        assert chart["name"]
        assert chart["outside"] == []
        assert chart["width"] > 250
        assert chart["height"] > 60
        assert chart["smallest"] >= 9  # CSS pixels of a line of text
