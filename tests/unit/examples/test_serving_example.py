"""The parts of examples/serving that ask nobody."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

FOLDER = Path(__file__).resolve().parents[3] / "examples" / "serving"


@pytest.fixture(scope="module")
def load() -> Iterator[ModuleType]:
    """The program, imported as it is when it runs."""
    sys.path.insert(0, str(FOLDER))
    try:
        yield importlib.import_module("load")
    finally:
        sys.path.remove(str(FOLDER))
        for name in ("load", "client"):
            sys.modules.pop(name, None)


def test_a_server_is_named_with_its_ports(load: ModuleType) -> None:
    assert load.server("on=10.0.0.1:8500,8501") == load.Server("on", "10.0.0.1", 8500, 8501)


@pytest.mark.parametrize("text", ["", "localhost:8500", "a=b", "a=b:1", "a=b:1,x", "=b:1,2", "a=:1,2"])
def test_a_server_of_another_form_is_refused(load: ModuleType, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not NAME=HOST:GRPC-PORT,REST-PORT"):
        load.server(text)


@given(values=st.lists(st.floats(0, 1), min_size=1), share=st.floats(0.01, 1))
def test_a_percentile_is_one_of_the_values_and_not_exceeded_by_its_share(
    load: ModuleType, values: list[float], share: float
) -> None:
    found = load.percentile(values, share)
    assert found in values
    assert sum(each <= found for each in values) >= share * len(values) - 1e-9


def test_a_line_counts_what_failed_and_times_what_was_answered(load: ModuleType) -> None:
    heard = [load.Heard([0.001, 0.002]), load.Heard([0.004], ["refused"])]
    server: Any = load.Server("one", "localhost", 8500, 8501)
    assert load.row(server, "rest", heard, 2.0, 1.0) == (
        "one", "rest", "2", "3", "1", "2", "2.00", "4.00", "50",
    )  # fmt: skip
    assert load.row(server, "rest", [load.Heard()], 2.0, 1.0)[6:8] == ("-", "-")


def _compare(folder: Path, rest: str, grpc: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.syspath_prepend(str(FOLDER))
    (folder / "trained").write_text("accuracy 0.998\nanswers 0.012345 0.900000\nsaved /tmp/model.keras\n")
    (folder / "answered").write_text(f"rest {rest}\ngrpc {grpc}\n")
    monkeypatch.setattr(sys, "argv", ["same_answers.py", str(folder / "trained"), str(folder / "answered")])
    return int(importlib.import_module("same_answers").main())


def test_the_answers_of_both_ways_to_ask_are_compared_with_those_of_keras(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest, grpc = "[[0.0123452], [0.9000001]]", '{"output_0": [[0.0123452], [0.9000001]]}'
    assert _compare(tmp_path, rest, grpc, monkeypatch) == 0
    assert _compare(tmp_path, rest, grpc.replace("0.90", "0.91"), monkeypatch) == 1
    assert _compare(tmp_path, "[[0.0123452]]", grpc, monkeypatch) == 1
    assert _compare(tmp_path, "[]", "[]", monkeypatch) == 1
