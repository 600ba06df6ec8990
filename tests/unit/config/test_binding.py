"""What is said of values that do not fit a model."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field

from tfbuild.config.binding import bind
from tfbuild.config.yaml_source import parse_yaml


class Shelf(BaseModel):
    model_config = ConfigDict(extra="forbid")

    jars: tuple[Annotated[str, Field(pattern="^[a-z]+$")], ...] = Field(default=("a",), min_length=1)
    pairs: tuple[int, ...] = Field(default=(1, 2), min_length=2)
    sure: bool = True
    name: str = Field(default="shelf", min_length=3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jars: []", ["1:7: expected at least 1 item, found none"]),
        ("jars: [A1]", ["1:8: 'A1' does not match ^[a-z]+$"]),
        ("pairs: [1]", ["1:8: expected at least 2 items, found 1"]),
        ("pairs: [x, 1]", ["1:9: expected a whole number, found 'x'"]),
        ("sure: maybe", ["1:7: expected true or false, found 'maybe'"]),
        ("name: ab", ["1:7: expected text of 3 or more characters, found 'ab'"]),
    ],
)
def test_each_complaint_is_said_once_and_in_words_of_the_file(text: str, said: list[str]) -> None:
    found, problems = bind(parse_yaml(text, "shelf.yaml"), Shelf)
    assert found is None
    assert [f"{each.line}:{each.column}: {each.message}" for each in problems] == said
