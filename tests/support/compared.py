"""Things to compare, made of the small ELF files in tests/data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.support.plans import PROJECT
from tfbuild.base.values import Finding
from tfbuild.build.trial import Sample
from tfbuild.compare.figures import Figures, series_of
from tfbuild.compare.page import STYLES
from tfbuild.compare.read import read_subject
from tfbuild.compare.subject import ComparedFlag, SmokeResult, StepTime, Subject
from tfbuild.verify.verify import load_policy

ELF = PROJECT / "tests" / "data" / "elf" / "x86_64"
IMAGE = "sha256:" + "a" * 64
STYLE = "".join((PROJECT / each).read_text(encoding="utf-8") for each in STYLES)


def no_image(reference: str, path: Path) -> None:
    raise AssertionError(f"{reference} is no image")


def subject(name: str = "isa-old.so", cache: Path = Path("/nowhere")) -> Subject:
    """A library of tests/data."""
    return read_subject(name, ELF / name, load_policy(PROJECT), no_image, cache)


def figures(factor: float = 1.0, image: str = IMAGE) -> Figures:
    """A model on one and two threads, in three rounds."""
    return Figures(
        image=image,
        machine="A processor, 2 CPUs",
        series=tuple(
            series_of(
                "mobilenet.tflite",
                "b" * 64,
                threads,
                [Sample(factor * (4 + i) / threads, 10.0 + i, 20.0) for i in range(3)],
            )
            for threads in (1, 2)
        ),
    )


def built(name: str = "isa-new.so", factor: float = 1.0) -> Subject:
    """The same as a build would tell of it."""
    return replace(
        subject(name),
        name=f"tflite-2.14.1-debian-{name.partition('.')[0]}-amd64",
        march="x86-64-v3",
        flags=(
            ComparedFlag(target="compile", text="-march=x86-64-v3", origin="opt.yaml:3:10", reason="the CPU"),
            ComparedFlag(target="compile", text="-O3", origin="built-in", reason=""),
        ),
        steps=tuple(StepTime(id=i, title=i, seconds=s) for i, s in (("fetch", 2), ("compile", 200))),
        smoke=(SmokeResult(case="add, c", exit_code=0, version="2.14.1", delegated=1),),
        findings=(Finding("elf-x", "warning", "a <b>bold</b> thing", ("line",), "mend it"),),
        image_size=20_000_000,
        figures=figures(factor),
    )
