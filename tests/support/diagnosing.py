"""Diagnoses of images that no engine has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.diagnosis import (
    AMD64,
    Case,
    speaking,
)
from tests.support.images import Image, docker_archive
from tests.support.plans import PROJECT
from tfbuild.diagnose.diagnose import DiagnoseEffects, DiagnoseReport, diagnose
from tfbuild.diagnose.host import TargetHost
from tfbuild.diagnose.known import load_known_errors
from tfbuild.diagnose.run import RunCase
from tfbuild.diagnose.run import run_image as run
from tfbuild.engine.facts import RunOptions, RunResult

KNOWN = load_known_errors(PROJECT)


def effects(host: TargetHost = AMD64, **others: Any) -> DiagnoseEffects:
    def no_engine(reference: str, path: Path) -> None:
        raise AssertionError(f"asked the engine for {reference}")

    usual: dict[str, Any] = {"save_image": no_engine, "run": None, "known": KNOWN, "project": PROJECT}
    return DiagnoseEffects(host=host, **{**usual, **others})


def diagnose_case(case: Case, folder: Path) -> DiagnoseReport:
    """As for an image of the engine with the case's tag."""

    def save(reference: str, path: Path) -> None:
        assert reference == f"example/app:{case.tag}"
        docker_archive(path, case.image())

    return diagnose(f"example/app:{case.tag}", effects(case.host, save_image=save))


class OneAnswer:
    """An engine whose containers all end in the same way."""

    def __init__(self, result: RunResult) -> None:
        self.result = result
        self.runs: list[tuple[str, tuple[str, ...], RunOptions]] = []

    def run_once(self, image: str, command: Any, options: RunOptions | None = None) -> RunResult:
        self.runs.append((image, tuple(command), options or RunOptions()))
        return self.result


def diagnosed(image: Image, result: RunResult, host: TargetHost = AMD64) -> tuple[DiagnoseReport, OneAnswer]:
    engine = OneAnswer(result)

    def save(reference: str, path: Path) -> None:
        docker_archive(path, image)

    def run_cases(reference: str, cases: tuple[RunCase, ...]) -> Any:
        return run(reference, cases, engine)  # type: ignore[arg-type]

    return diagnose("app:1.0", effects(host, save_image=save, run=run_cases)), engine


PYTHON = speaking("", "0")
