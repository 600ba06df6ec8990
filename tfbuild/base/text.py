"""Text for people: sizes, durations, tables, patterns, suggestions. Pure."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path, PurePath

from tfbuild.base.errors import ConfigError, TfBuildError
from tfbuild.base.printable import printable, printable_lines


class TextEnum(str, Enum):
    """An enumeration whose members are text and print as it; Python 3.11 has StrEnum for that."""

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class ArtifactRow:
    """One line of the result table; ``size`` in bytes, ``seconds`` that it took to make."""

    path: PurePath
    size: int
    sha256: str
    seconds: float


def human_size(size: float) -> str:
    """``size`` bytes in decimal units, as disks and downloads are measured: ``55.9 MB``."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        # 999.95 would be printed as 1000.0.
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def human_duration(seconds: float) -> str:
    """``0.4s``, ``12s``, ``2m10s``, ``1h02m``."""
    if seconds < 9.95:
        return f"{max(seconds, 0):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}h{minutes % 60:02d}m"


def table_lines(rows: Sequence[ArtifactRow]) -> list[str]:
    """The result table in aligned columns; the hash is last, so that a narrow terminal wraps only it."""
    cells = [("artifact", "size", "time", "sha256")]
    cells += [(printable(str(r.path)), human_size(r.size), human_duration(r.seconds), r.sha256) for r in rows]
    path, size, took = (max(len(row[i]) for row in cells) for i in range(3))
    return [f"{row[0]:<{path}}  {row[1]:>{size}}  {row[2]:>{took}}  {row[3]}" for row in cells]


def table_markdown(rows: Sequence[ArtifactRow]) -> str:
    """The result table for a GitHub job summary."""
    lines = ["| artifact | size | time | sha256 |", "|---|---:|---:|---|"]
    for row in rows:
        path = printable(str(row.path)).replace("|", "\\|").replace("`", "\\x60")
        lines.append(
            f"| `{path}` | {human_size(row.size)} | {human_duration(row.seconds)} | `{row.sha256}` |"
        )
    return "\n".join(lines) + "\n"


def error_lines(error: TfBuildError) -> list[tuple[str, str]]:
    """What to print of ``error`` as (label, text): the label is ``error``, ``hint``, ``log`` or empty."""
    lines = [("error", error.message)]
    lines += [("", f"  {line}") for text in error.details for line in _own_lines(text)]
    if error.hint:
        lines.append(("hint", error.hint))
    if error.log is not None:
        lines.append(("log", str(error.log)))
    return lines


def _own_lines(text: str) -> list[str]:
    # Not splitlines(): what else it splits at belongs to a name, and is escaped where it is printed.
    return [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]


def github_annotations(error: TfBuildError) -> list[str]:
    """Workflow commands that mark ``error`` in the GitHub Actions user interface.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message
    """
    if isinstance(error, ConfigError) and error.problems:
        return [
            f"::error file={_file(p.path)},line={p.line},col={p.column}::{command_data(p.message)}"
            # Line 0: the place is an argument, which no file of the repository is.
            if p.line
            else f"::error::{command_data(f'{p.path}: {p.message}')}"
            for p in error.problems
        ]
    lines = (error.message, *((f"hint: {error.hint}",) if error.hint else ()))
    return [f"::error::{'%0A'.join(map(command_data, lines))}"]


def command_data(text: str) -> str:
    """``text`` as the data of a workflow command: in it a ``%0A`` of somebody else's is no end of line."""
    return printable_lines(text).replace("%", "%25").replace("\n", "%0A")


def _file(path: str) -> str:
    return _property(path.removeprefix("./"))


def _property(text: str) -> str:
    return command_data(printable(text)).replace(":", "%3A").replace(",", "%2C")


# 0.6 is difflib's own default: one slip in a short word passes, an unrelated word does not.
_CUTOFF = 0.6


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate closest to ``word``, or None where nothing is close.

    Dotted candidates are also compared by their last part, so ``march`` finds ``compile.march``.
    """
    choices = list(dict.fromkeys(candidates))
    lowered = {choice.lower(): choice for choice in reversed(choices)}
    if found := get_close_matches(word.lower(), lowered, n=1, cutoff=_CUTOFF):
        return lowered[found[0]]
    by_leaf = {choice.lower().rsplit(".", 1)[-1]: choice for choice in reversed(choices)}
    if found := get_close_matches(word.lower().rsplit(".", 1)[-1], by_leaf, n=1, cutoff=_CUTOFF):
        return by_leaf[found[0]]
    return None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """``; did you mean 'x'?``, or nothing; to be appended to a message."""
    found = nearest(word, candidates)
    return f"; did you mean '{found}'?" if found else ""


def one_of(words: Sequence[str]) -> str:
    """``'a', 'b' or 'c'``."""
    quoted = [f"'{word}'" for word in words]
    return " or ".join(part for part in (", ".join(quoted[:-1]), *quoted[-1:]) if part)


def first_lines(lines: Sequence[str], most: int) -> tuple[str, ...]:
    """At most ``most`` of ``lines``, and a line that counts the rest."""
    rest = len(lines) - most
    return (*lines[:most], f"and {rest} more") if rest > 0 else tuple(lines)


def matches(name: str, globs: tuple[str, ...]) -> bool:
    """Whether ``name`` matches one of ``globs``. Brackets are no special characters: $ORIGIN, C++ names."""
    return any(_pattern(glob).fullmatch(name) for glob in globs)


@functools.cache
def _pattern(glob: str) -> re.Pattern[str]:
    text = "".join({"*": ".*", "?": "."}.get(c) or re.escape(c) for c in glob)
    return re.compile(text, re.DOTALL)


# Longer names are cut in messages: a whole file in a variable is a common slip. Paths of CI runners pass 80.
_LONGEST_SHOWN = 200


def shown(path: Path | str) -> str:
    """``path`` for a message, cut where it is very long."""
    text = str(path)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 20]}… ({len(text)} characters)"
