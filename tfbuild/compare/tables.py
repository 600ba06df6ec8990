"""A comparison as tables of words, for text and for pages alike; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tfbuild.base.text import human_duration, human_size
from tfbuild.compare.figures import Series, Spread
from tfbuild.compare.subject import PURPOSES, ComparedFile, Subject

NONE = "-"
_FILES = 12  # of a table; the largest first


@dataclass(frozen=True)
class Row:
    """A line of a table: what it is about, and a cell for each subject."""

    label: str
    cells: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.cells)) > 1


@dataclass(frozen=True)
class Table:
    """``note`` says what the numbers mean."""

    title: str
    rows: tuple[Row, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared, the first being what the others are measured against."""

    subjects: tuple[Subject, ...]

    def tables(self) -> tuple[Table, ...]:
        """Those that have something to tell."""
        against = "percentages are against the first" if len(self.subjects) > 1 else ""
        made = (
            Table("What", tuple(self._what())),
            Table("Size", tuple(self._sizes()), against),
            Table("Size by purpose", tuple(self._purposes()), "bytes of all files, by their sections"),
            Table("Libraries and programs", tuple(self._files())),
            Table("Instruction sets and flags", tuple(self._instructions())),
            Table("What it needs", tuple(self._needs())),
            Table("Speed", tuple(self._speed()), "median (least to most) of the rounds, each a new process"),
            Table("Seconds of the build", tuple(self._steps())),
        )
        return tuple(table for table in made if table.rows)

    def sizes_and_exports(self) -> tuple[Table, ...]:
        """Two tables: what a variant of a build is worth, beside the plain one."""
        rows = tuple(row for row in self._files() if row.label.endswith(": exports"))
        sizes = Table("Size", tuple(self._sizes()), "percentages are against the plain build")
        return (sizes, Table("Exports", rows)) if rows else (sizes,)

    @property
    def are_single(self) -> bool:
        """Whether each is one file, so that these are compared whatever they are called."""
        return len(self.subjects) > 1 and all(len(each.files) == 1 for each in self.subjects)

    def file(self, subject: Subject, name: str) -> ComparedFile | None:
        """The file of ``subject`` that stands in the row ``name`` of :meth:`files`."""
        return subject.files[0] if self.are_single else subject.file(name)

    def files(self) -> tuple[str, ...]:
        """The names of all files with code, by the most that one of them has."""
        if self.are_single:
            return ("the file",)
        sizes: dict[str, int] = {}
        for file in (file for each in self.subjects for file in each.files):
            sizes[file.name] = max(sizes.get(file.name, 0), file.size)
        return tuple(sorted(sizes, key=lambda name: (-sizes[name], name)))

    def measured(self) -> tuple[tuple[str, tuple[Series | None, ...]], ...]:
        """Each model with each number of threads, and what each subject has of it."""
        keys = {s.key: s.title for each in self.subjects for s in _series(each)}
        return tuple(
            (
                keys[key],
                tuple(next((s for s in _series(each) if s.key == key), None) for each in self.subjects),
            )
            for key in sorted(keys)
        )

    def _row(self, label: str, of: Callable[[Subject], str]) -> Row:
        return Row(label, tuple(of(each) or NONE for each in self.subjects))

    def _sized(self, label: str, values: Sequence[int | None]) -> Row:
        return Row(label, tuple(_against(values[0], value) for value in values))

    def _what(self) -> Iterator[Row]:
        yield self._row("kind", lambda s: s.kind)
        yield self._row("for", lambda s: s.arch or "")
        yield self._row("march", lambda s: s.march or "")
        yield self._row("findings", _findings)

    def _sizes(self) -> Iterator[Row]:
        yield self._sized("files with code", [s.size for s in self.subjects])
        if any(s.image_size for s in self.subjects):
            yield self._sized("image", [s.image_size for s in self.subjects])
        for name in self.files()[:_FILES]:
            found = [self.file(s, name) for s in self.subjects]
            yield self._sized(name, [each.size if each else None for each in found])
        if (rest := len(self.files()) - _FILES) > 0:
            yield Row(f"and {rest} more", tuple("" for _ in self.subjects))

    def _purposes(self) -> Iterator[Row]:
        for purpose in PURPOSES:
            sizes = [s.sizes.get(purpose) for s in self.subjects]
            if any(sizes):
                yield self._sized(purpose, sizes)
        yield self._sized("memory only (bss)", [sum(f.bss for f in s.files) for s in self.subjects])

    def _files(self) -> Iterator[Row]:
        for name in self.files()[:_FILES]:
            found = tuple(self.file(s, name) for s in self.subjects)
            yield Row(f"{name}: exports", tuple(_of(each, lambda f: str(f.exports)) for each in found))
            yield Row(f"{name}: needs", tuple(_of(each, lambda f: ", ".join(f.needed)) for each in found))

    def _instructions(self) -> Iterator[Row]:
        yield self._row("always needed", lambda s: ", ".join(s.always))
        yield self._row("least CPU", lambda s: s.cpus)
        for name in self.files()[:_FILES]:
            found = tuple(self.file(s, name) for s in self.subjects)
            if any(each and each.level for each in found):
                yield Row(f"{name}: level", tuple(_of(each, lambda f: f.level or "") for each in found))
        texts = [[flag.text for flag in s.flags] for s in self.subjects]
        if any(texts):
            shared = set.intersection(*(set(each) for each in texts)) if all(texts) else set[str]()
            if shared:
                yield Row("flags of all", tuple(f"{len(shared)}" for _ in texts))
            yield Row(
                "own flags", tuple(" ".join(t for t in each if t not in shared) or NONE for each in texts)
            )

    def _needs(self) -> Iterator[Row]:
        families = sorted({family for s in self.subjects for family in s.floors})
        for family in families:
            yield self._row(
                "glibc at least" if family == "GLIBC" else f"{family} at least",
                lambda s, family=family: s.floors.get(family, ""),  # type: ignore[misc]
            )
        yield self._row("libraries", lambda s: ", ".join(s.dependencies))
        yield self._row("packages in the image", lambda s: "" if s.packages is None else str(s.packages))

    def _speed(self) -> Iterator[Row]:
        for title, found in self.measured():
            yield Row(f"{title}: ms", _spreads([s.latency_ms if s else None for s in found]))
            if any(s and s.load_ms for s in found):
                yield Row(f"{title}: load, ms", _spreads([s.load_ms if s else None for s in found]))
            if any(s and s.memory_mib for s in found):
                yield Row(f"{title}: memory, MiB", _spreads([s.memory_mib if s else None for s in found]))
        machines = [each.figures.machine if each.figures else "" for each in self.subjects]
        if len(set(filter(None, machines))) > 1:
            yield Row("measured on", tuple(machines))

    def _steps(self) -> Iterator[Row]:
        for step in dict.fromkeys(step.id for s in self.subjects for step in s.steps):
            found = [next((t.seconds for t in s.steps if t.id == step), None) for s in self.subjects]
            yield Row(step, tuple(NONE if each is None else human_duration(each) for each in found))


def _series(subject: Subject) -> tuple[Series, ...]:
    return subject.figures.series if subject.figures else ()


def _find(found: Sequence[Series], key: tuple[str, str, int]) -> Series | None:
    return next((each for each in found if each.key == key), None)


def _of(file: ComparedFile | None, tell: Callable[[ComparedFile], str]) -> str:
    return (tell(file) or NONE) if file else NONE


def _findings(subject: Subject) -> str:
    errors = sum(each.severity == "error" for each in subject.findings)
    warnings = len(subject.findings) - errors
    return f"{errors} errors, {warnings} warnings" if subject.findings else "none"


def _against(first: float | None, value: float | None) -> str:
    """A size, and how much more or less than the first that is."""
    if value is None:
        return NONE
    return f"{human_size(value)}{_change(first, value)}"


def _change(first: float | None, value: float) -> str:
    if not first or value == first:
        return ""
    percent = (value / first - 1) * 100
    return f" ({percent:+.1f} %)" if abs(percent) < 1000 else f" ({value / first:.0f} times)"


def _spreads(found: Sequence[Spread | None]) -> tuple[str, ...]:
    first = found[0].median if found[0] else None
    return tuple(f"{each.text()}{_change(first, each.median)}" if each else NONE for each in found)
