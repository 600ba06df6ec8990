"""Reads a page whose console blocks are commands with what they said, compares, and writes it anew."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LEFT_OUT = "…"
"""A line of the page that stands for any number of lines."""
_LONGEST, _KEPT = 24, 10  # lines of one answer on the page, and those kept at both of its ends

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
# Told while something runs, as often as it takes; downloads end in any order.
_PASSING = re.compile(r"^(… |\[\d+/\d+\] |  \S+  [\d.]+ \S*B\b)")
# Each machine has a mirror of its own.
_MIRROR = re.compile(r"https?://[^\s/]+/debian\b")
# What differs between two runs that say the same.
_VOLATILE = (
    (re.compile(r"\b[0-9a-f]{12,}\b"), "HASH"),
    (re.compile(r"\b(?:\d+h\d\dm|\d+m\d\ds|\d+(?:\.\d+)? ?m?s)\b"), "TIME"),
    (re.compile(r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d)?Z?)?\b"), "DATE"),
    (re.compile(r"\b[\d.]+ [GMk]i?B(?= free)"), "SIZE"),
)


@dataclass(frozen=True)
class Step:
    """A command of the page, as a shell takes it, and the lines that stand below it."""

    task: str
    line: int  # of the page, where the command stands
    command: str
    answer: tuple[str, ...]


def read_steps(text: str) -> tuple[Step, ...]:
    """The commands of the console blocks, in their order: ``$ `` begins one, ``> `` goes on with it."""
    blocks = list(_BLOCK.finditer(text))
    # What a command said can look like a heading.
    headings = [
        (match.start(), match[1])
        for match in _HEADING.finditer(text)
        if not any(block.start() < match.start() < block.end() for block in blocks)
    ]
    found: list[Step] = []
    for block in blocks:
        task = next((title for start, title in reversed(headings) if start < block.start()), "")
        first = text.count("\n", 0, block.start(1)) + 1
        for offset, line in enumerate(block[1].splitlines()):
            if line.startswith("$ "):
                found.append(Step(task, first + offset, line[2:], ()))
            elif not found or found[-1].line < first:
                raise ValueError(f"line {first + offset}: a console block begins with a command")
            elif line.startswith("> ") or line == ">":
                last = found.pop()
                found.append(Step(task, last.line, f"{last.command}\n{line[2:]}", ()))
            else:
                last = found.pop()
                found.append(Step(task, last.line, last.command, (*last.answer, line)))
    return tuple(found)


def lasting(output: str) -> tuple[str, ...]:
    """The lines of ``output`` that a second run says again, in their order."""
    lines = (_MIRROR.sub("MIRROR", line.rstrip()) for line in output.splitlines())
    return tuple(line for line in lines if line and not _PASSING.match(line))


def fits(answer: Sequence[str], output: str) -> bool:
    """Whether the page's ``answer`` is what was said, but for times, hashes and what is left out."""
    pattern = "".join(
        r"(?:.*\n)*" if line == LEFT_OUT else re.escape(_steady(line)) + r"\n" for line in answer if line
    )
    said = "".join(f"{_steady(line)}\n" for line in lasting(output))
    return re.fullmatch(pattern, said) is not None


def _steady(line: str) -> str:
    for pattern, name in _VOLATILE:
        line = pattern.sub(name, line)
    return re.sub(r" +", " ", line)


def shown(output: str) -> tuple[str, ...]:
    """What the page shows of ``output``: the middle of a long one is left out."""
    lines = lasting(output)
    if len(lines) <= _LONGEST:
        return lines
    return (*lines[:_KEPT], LEFT_OUT, *lines[-_KEPT:])


def updated(text: str, outputs: Mapping[int, str]) -> str:
    """``text`` with the answers to those of its steps (by their line) that ``outputs`` has."""
    lines = text.splitlines()
    for step in reversed(read_steps(text)):
        if step.line in outputs:
            begin = step.line - 1 + step.command.count("\n") + 1
            lines[begin : begin + len(step.answer)] = shown(outputs[step.line])
    return "\n".join(lines) + "\n"
