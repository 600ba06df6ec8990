"""A reader of CMake's language, as far as what a file declares can be read without running it; pure.

Grammar: https://cmake.org/cmake/help/latest/manual/cmake-language.7.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_COMMAND = re.compile(r"[ \t]*([A-Za-z_][A-Za-z0-9_]*)[ \t]*\(")
_BRACKET_OPEN = re.compile(r"\[(=*)\[")
_UNQUOTED = re.compile(r'(?:[^\s()#"\\]|\\.)+')
_SPACE = re.compile(r"[ \t\r\n]+")
_REFERENCE = re.compile(r"\$\{([A-Za-z0-9_./+-]+)\}")
# A backslash at the end of a line joins it with the next one; an escaped one does not.
_ESCAPES = {"t": "\t", "r": "\r", "n": "\n", "\n": ""}


class CMakeSyntaxError(ValueError):
    """Text that CMake would not take either; says in which line, counted from 1."""


@dataclass(frozen=True)
class Command:
    """``name(arguments)``; parentheses among the arguments are arguments. The name is in lower case."""

    name: str
    arguments: tuple[str, ...]
    line: int


def commands(text: str) -> tuple[Command, ...]:
    """Every command invocation of a file, inside functions and conditions too, in order.

    :raises CMakeSyntaxError: a string, bracket or parenthesis has no end, or something else stands between
        the commands.
    """
    return tuple(_Reader(text).commands())


def keywords(arguments: tuple[str, ...], names: frozenset[str]) -> dict[str, str]:
    """The value after each keyword: the first argument that follows it, unless that is a keyword itself."""
    found: dict[str, str] = {}
    for word, value in zip(arguments, (*arguments[1:], ""), strict=True):
        if word in names and value and value not in names:
            found.setdefault(word, value)
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """``text`` with the references to known variables replaced; others stay as they stand."""
    return _REFERENCE.sub(lambda match: variables.get(match[1], match[0]), text)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text.removeprefix("\ufeff")
        self._at = 0

    def commands(self) -> Iterator[Command]:
        while self._skip_blanks():
            match = _COMMAND.match(self._text, self._at)
            if match is None:
                raise self._error("expected a command")
            line = self._line()
            self._at = match.end()
            yield Command(match[1].lower(), tuple(self._arguments(line)), line)

    def _arguments(self, line: int) -> Iterator[str]:
        depth = 0
        while self._skip_blanks():
            char = self._text[self._at]
            if char == ")" and not depth:
                self._at += 1
                return
            if char in "()":
                depth += 1 if char == "(" else -1
                self._at += 1
                yield char
            elif char == '"':
                yield self._quoted()
            elif match := _BRACKET_OPEN.match(self._text, self._at):
                yield self._bracket(match)
            elif match := _UNQUOTED.match(self._text, self._at):
                self._at = match.end()
                yield _unescaped(match[0])
            else:
                raise self._error(f"unexpected {char!r}")
        raise CMakeSyntaxError(f"line {line}: the command has no closing parenthesis")

    def _skip_blanks(self) -> bool:
        """Past spaces and comments; whether anything is left."""
        while self._at < len(self._text):
            if match := _SPACE.match(self._text, self._at):
                self._at = match.end()
            elif self._text[self._at] == "#":
                self._skip_comment()
            else:
                return True
        return False

    def _skip_comment(self) -> None:
        bracket = _BRACKET_OPEN.match(self._text, self._at + 1)
        if bracket:
            self._bracket(bracket)
            return
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def _bracket(self, opening: re.Match[str]) -> str:
        closing = f"]{opening[1]}]"
        end = self._text.find(closing, opening.end())
        if end < 0:
            raise self._error("a bracket has no end")
        self._at = end + len(closing)
        return self._text[opening.end() : end].removeprefix("\n")

    def _quoted(self) -> str:
        start = position = self._at + 1
        while position < len(self._text) and self._text[position] != '"':
            position += 2 if self._text[position] == "\\" else 1
        if position >= len(self._text):
            raise self._error("a string has no end")
        self._at = position + 1
        return _unescaped(self._text[start:position])

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _error(self, what: str) -> CMakeSyntaxError:
        return CMakeSyntaxError(f"line {self._line()}: {what}")


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text, flags=re.DOTALL)
