"""A plan in ten seconds: what ``--dry-run`` prints without ``--verbose``, in at most fifteen lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tfbuild.base.printable import printable
from tfbuild.base.text import human_duration, human_size
from tfbuild.plan.flags import Target
from tfbuild.plan.needs import Estimates
from tfbuild.plan.plan import RELEASE_PATCH, Plan
from tfbuild.plan.several import IndexPlan

LONGEST = 15  # lines
_WIDEST = 120  # characters of a text; a terminal wraps it
_NOTES = 3
_SHOWN = frozenset({Target.COMPILE, Target.C, Target.CXX, Target.OPTIMISE, Target.LINK})
_FIRST = ("-m", "-O", "-flto")
# They change no instruction, only what debug information calls a file.
_SAME_RESULT = ("-ffile-prefix-map=",)
# Notes of a plan that another line tells already.
_TOLD = ("this project has not ", "estimate: ", "cannot be built: ")
# Options of Bazel that hand a flag to the compiler or the linker.
_OF_BAZEL = ("--copt=", "--cxxopt=", "--linkopt=")


@dataclass(frozen=True)
class There:
    """What of a build is on this machine already; the engine was not asked.

    ``files`` and ``bytes`` count the pinned downloads that are here, ``done`` are the ids of steps that have
    nothing to do. ``free`` are the bytes free for the cache, ``seconds`` what the build took when it was last
    done, ``expected`` what earlier runs on this machine say of this one; None: not known.
    """

    files: int = 0
    bytes: int = 0
    done: frozenset[str] = frozenset()
    is_finished: bool = False
    free: int | None = None
    seconds: float | None = None
    expected: float | None = None


@dataclass(frozen=True)
class Prospect:
    """A plan with what can be said of carrying it out here. ``disk``: bytes that the engine needs free."""

    plan: Plan[Any]
    disk: int
    needs: Estimates | None = None
    there: There = There()
    replaces: str = ""


@dataclass(frozen=True)
class Row:
    """A line: ``label`` says what ``text`` is about; the first line of a build has none."""

    label: str
    text: str

    def __str__(self) -> str:
        return f"  {self.label:<8}  {self.text}" if self.label else self.text


def brief(
    prospects: Sequence[Prospect], index: IndexPlan | None = None, replaces: str = ""
) -> tuple[Row, ...]:
    """The rows of one build, or of several that become an ``index``, of which ``replaces`` tells a place.

    At most :data:`LONGEST` of one build.
    """
    first = prospects[0]
    if index is None:
        return tuple(_of_one(first))
    rows = [
        *(_impossible(each.plan) for each in prospects if each.plan.unlocked),
        Row("", f"{index.id}, an image of several platforms"),
        Row("from", _from(first.plan, with_arch=False)),
        Row("image", f"{index.name} (where the engine's image store can hold an index)"),
        Row("output", f"{index.output} and beside it" + (f"; {replaces}" if replaces else "")),
    ]
    for each in prospects:
        rows += [
            Row(str(each.plan.arch), row.text if row.label == "needs" else f"{row.label}: {row.text}")
            for row in _of_one(each)
            if row.label in {"needs", "flags", "steps", "place"}
        ]
    texts = tuple(dict.fromkeys(note for each in prospects for note in each.plan.notes))
    return (*rows, *_notes(texts), _more([each.plan for each in prospects]))


def _of_one(prospect: Prospect) -> Iterator[Row]:
    plan = prospect.plan
    if plan.unlocked:
        yield _impossible(plan)
    yield Row("", plan.build_id)
    yield Row("from", _from(plan))
    if plan.config != plan.asked.config:
        changes = ", ".join(f"{each.key} {each.place or each.value}" for each in plan.asked.beyond)
        yield Row("name", _clipped(f"{plan.config}, for {changes}"))
    yield Row("image", f"{plan.image.tag} ({plan.image.base}, user {plan.image.user})")
    yield Row("output", plan.output)
    if prospect.replaces:
        yield Row("place", prospect.replaces)
    yield Row("needs", "; ".join(_needs(prospect)))
    if flags := _flags(plan):
        yield Row("flags", flags)
    if plan.patches:
        theirs = sum(each.origin == RELEASE_PATCH for each in plan.patches)
        told = ((theirs, "of the release"), (len(plan.patches) - theirs, "of yours"))
        yield Row("patches", ", ".join(f"{count} {whose}" for count, whose in told if count))
    yield Row("steps", _steps(prospect))
    yield from _notes(plan.notes)
    yield _more([plan])


def _impossible(plan: Plan[Any]) -> Row:
    what = f"the lock of {plan.product} {plan.release} does not cover {plan.build_id}"
    return Row("", f"cannot be built: {what}; {plan.lock_command}")


def _from(plan: Plan[Any], *, with_arch: bool = True) -> str:
    what = "compiled" if plan.source else "built"
    state = (
        f"{what} and verified by this project" if plan.status == "built" else f"never {what} here as it is"
    )
    arch = f", {plan.arch} built on {plan.root.arch}" if with_arch else ""
    return f"{plan.release} ({state}), config {plan.asked.config}{arch}"


def _needs(prospect: Prospect) -> Iterator[str]:
    plan, there, needs = prospect.plan, prospect.there, prospect.needs
    sizes = [pin.size for pin in plan.pins] + ([None] if plan.unhashed else [])
    total = sum(size or 0 for size in sizes)
    size = human_size(total) if total else _count(len(sizes), "file")
    if total and None in sizes:
        size += " and more"
    here = human_size(there.bytes) if there.files < len(sizes) else "all"
    of_them = f"{here if there.files else 'none'} here"
    if needs and needs.download_gib:
        yield f"about {needs.download_gib} GiB of downloads, {size} of it pinned ({of_them})"
    else:
        yield f"{size} of downloads ({of_them})"
    free = f" ({there.free >> 30} GiB free for the cache)" if there.free is not None else ""
    yield f"{prospect.disk >> 30} GiB of disk{free}"
    if needs:
        yield f"{needs.memory_gib} GiB of memory"
    if there.expected is not None and not there.is_finished:
        yield f"about {human_duration(there.expected)}, as earlier builds here took"
    elif there.seconds is not None:
        yield f"the last build took {human_duration(there.seconds)}"
    elif needs:
        yield f"about {_count(needs.cpu_hours, 'CPU hour')}"


def _flags(plan: Plan[Any]) -> str:
    texts = [flag.text for flag in plan.flags if flag.target in _SHOWN]
    for flag in plan.flags:
        if flag.target is Target.BAZEL and flag.text.startswith(_OF_BAZEL):
            texts.append(flag.text.partition("=")[2])
    texts = [each for each in dict.fromkeys(texts) if not each.startswith(_SAME_RESULT)]
    # The CPU, the optimisation and the linker's part in it decide most.
    shown = _clipped(" ".join(sorted(texts, key=lambda each: not each.startswith(_FIRST))))
    counts = (
        (sum(flag.target is Target.CMAKE for flag in plan.flags), "CMake entry"),
        (sum(flag.target is Target.BAZEL for flag in plan.flags), "Bazel option"),
    )
    return "; ".join(filter(None, (shown, *(_count(count, what) for count, what in counts if count))))


def _steps(prospect: Prospect) -> str:
    there = prospect.there
    if there.is_finished:
        return "none: the result in its place is this one; only its image is looked for"
    return "  ".join(f"{step.id} ✓" if step.id in there.done else step.id for step in prospect.plan.steps)


def _notes(every: Sequence[str]) -> Iterator[Row]:
    notes = [each for each in every if not each.startswith(_TOLD)]
    shown = notes if len(notes) <= _NOTES else notes[: _NOTES - 1]
    yield from (Row("note", _clipped(each)) for each in shown)
    if len(notes) > len(shown):
        yield Row("note", f"and {len(notes) - len(shown)} more")


def _more(plans: Sequence[Plan[Any]]) -> Row:
    counts = (
        (len({flag.text for plan in plans for flag in plan.flags}), "flag", " with its origin"),
        (len({pin.sha256 for plan in plans for pin in plan.pins}), "file", " with its hash"),
        (len({quirk for plan in plans for quirk in plan.quirks}), "oddity", " of the release"),
    )
    told = ", ".join(f"{_count(count, what)}{more}" for count, what, more in counts if count)
    return Row("more", f"--verbose: {told.replace('s with its', 's with their')}")


def _count(number: int, noun: str) -> str:
    """``2 files``, ``1 entry``, ``3 entries``."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun.removesuffix('y')}ies" if noun.endswith("y") else f"{number} {noun}s"


def _clipped(text: str) -> str:
    text = printable(text)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 2].rstrip()} …"
