"""What could come next on a command line that is being typed; pure.

invoke's scripts for bash, zsh and fish hand over all words, the last one unfinished or finished: whether a
space stands behind it is not told. What an option can have for a value comes from outside.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tfbuild.cli.line.command_words import Command, Flag

# The values of an option of a command, where they can be listed; ``typed`` are the values of other options,
# ``word`` is the value as far as it is typed.
Values = Callable[[str, str, Mapping[str, str], str], Sequence[str]]


@dataclass(frozen=True)
class Typed:
    """The words behind the program's name. ``split``: bash cuts words at ``=``, and wants the rest only."""

    words: tuple[str, ...]
    split: bool = False


def read_typed(text: str) -> Typed:
    """The words of ``text``, the program's name first; also where a quote is still open."""
    try:
        found = shlex.split(text)
    except ValueError:
        found = text.split()
    words: list[str] = []
    glue = False
    for word in found[1:]:
        if words and (word == "=" or glue):
            words[-1] += word
        else:
            words.append(word)
        glue = word == "="
    split = bool(found[1:]) and "=" in found[-2:]
    return Typed(tuple(words), split)


def candidates(typed: Typed, commands: Mapping[str, Command], values: Values) -> tuple[str, ...] | None:
    """What the last word could become, or what could follow it; None where it is an option of invoke itself.

    Nothing, where only a file's name can follow: the shell completes those itself.
    """
    if not typed.words:
        return tuple(commands)
    *before, last = typed.words
    place = _Place(commands, values)
    for word in before:
        place.take(word)
    if place.command is None and last.startswith("-"):
        return None
    found = place.complete(last)
    return tuple(each.rpartition("=")[2] if typed.split and "=" in last else each for each in found)


class _Place:
    """Where on the command line the next word is."""

    def __init__(self, commands: Mapping[str, Command], values: Values) -> None:
        self._commands = commands
        self._values = values
        self.command: Command | None = None
        self._waiting: Flag | None = None  # its value comes next
        self._typed: dict[str, str] = {}

    def take(self, word: str) -> None:
        """Go past a finished word."""
        if self._waiting:
            self._typed[self._waiting.name] = word
            self._waiting = None
            return
        name, equals, value = word.partition("=")
        flag = self.command.find(name) if self.command else None
        if flag:
            self._typed[flag.name] = value
            self._waiting = flag if flag.takes_value and not equals else None
        elif self.command and self._lacking():
            self._typed[f"--{self._lacking()[0]}"] = word
        elif word in self._commands:
            self.command, self._typed = self._commands[word], {}

    def complete(self, word: str) -> Sequence[str]:
        if self.command is None:
            return self._or_next(word, self._commands)
        if self._waiting:
            return self._or_next(word, self._values_of(self._waiting.name, word))
        name, equals, value = word.partition("=")
        flag = self.command.find(name)
        if flag and equals:
            found = self._values_of(flag.name, value)
            return [f"{name}={each}" for each in found if each.startswith(value)]
        if word.startswith("-"):
            return self._or_next(word, self._flags())
        if lacking := self._lacking():
            return self._or_next(word, self._values_of(f"--{lacking[0]}", word))
        return self._or_next(word, self._commands)

    def _or_next(self, word: str, found: Sequence[str] | Mapping[str, object]) -> Sequence[str]:
        """Those of ``found`` that go on from ``word``; where it is one of them, also what can follow it."""
        longer = [each for each in found if each.startswith(word) and each != word]
        if word not in found:
            return longer
        self.take(word)
        return [*longer, *self._next()]

    def _next(self) -> Sequence[str]:
        if self._waiting:
            return self._values_of(self._waiting.name, "")
        if lacking := self._lacking():
            # Options too would hide the names of files.
            return self._values_of(f"--{lacking[0]}", "")
        return self._flags()

    def _flags(self) -> Sequence[str]:
        flags = self.command.flags if self.command else ()
        return [each.name for each in flags if each.repeatable or each.name not in self._typed]

    def _lacking(self) -> Sequence[str]:
        positional = self.command.positional if self.command else ()
        return [name for name in positional if f"--{name}" not in self._typed]

    def _values_of(self, option: str, word: str) -> Sequence[str]:
        return self._values(self.command.name, option, self._typed, word) if self.command else ()
