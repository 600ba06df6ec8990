"""A reporter that remembers what it was told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class ListReporter:
    """Each call as a tuple, its name first."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of ``name``."""
        return [event[1:] for event in self.events if event[0] == name]

    def expect(self, seconds: Mapping[int, float]) -> None:
        self.events.append(("expect", dict(seconds)))

    def step_started(self, index: int, total: int, title: str) -> None:
        self.events.append(("step_started", index, total, title))

    def step_finished(self, status: str, detail: str = "", log: Path | None = None) -> None:
        self.events.append(("step_finished", status, detail, log))

    def progress(self, done: int, total: int, current: str = "") -> None:
        self.events.append(("progress", done, total, current))

    def transfer(self, name: str, done: int, total: int | None) -> None:
        self.events.append(("transfer", name, done, total))

    def note(self, text: str) -> None:
        self.events.append(("note", text))

    def warn(self, text: str) -> None:
        self.events.append(("warn", text))


class SilentReporter:
    """Reports nothing."""

    def expect(self, seconds: Mapping[int, float]) -> None:
        del seconds

    def step_started(self, index: int, total: int, title: str) -> None:
        del index, total, title

    def step_finished(self, status: str, detail: str = "", log: Path | None = None) -> None:
        del status, detail, log

    def progress(self, done: int, total: int, current: str = "") -> None:
        del done, total, current

    def transfer(self, name: str, done: int, total: int | None) -> None:
        del name, done, total

    def note(self, text: str) -> None:
        del text

    def warn(self, text: str) -> None:
        del text
