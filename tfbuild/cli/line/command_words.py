"""The words of the command line, judged before any command starts; pure.

invoke accepts more than it heeds: its own options behind a command, words after ``--``, a flag given twice,
an empty value. Each of them starts another build than the one that was asked for, so each is an error here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import length_hint

from tfbuild.base.errors import UsageError
from tfbuild.base.text import did_you_mean, one_of

# What has its meaning before a command. All other options of invoke itself are for Context.run, which no
# command of this project calls: https://docs.pyinvoke.org/en/stable/invoke.html
_BEFORE = frozenset(
    {
        "--collection",
        "--complete",
        "--help",
        "--list",
        "--list-depth",
        "--list-format",
        "--print-completion-script",
        "--search-root",
        "--version",
    }
)
_LIST_FORMATS = ("flat", "nested", "json")
_HELP = ("--help", "-h")
_PLAN, _LISTED = "--dry-run", "--list"
# What somebody means who types an option of invoke, or the short form that other programs have.
_MEANT = {
    "--dry": "--dry-run",
    "-R": "--dry-run",
    "-n": "--dry-run",
    "-c": "--config",
    "-f": "--config",
    "--collection": "--config",
    "-r": "--release",
    "-V": "--version",
    "-t": "--tag",
    "-l": "--list",
    "--platform": "--arch",
    "--target": "--arch",
    "--dist": "--output",
    "-o": "--output",
}
# Words after -- are Bazel's, and a bundle is of a build.
TAKE_REST = frozenset({"build-serving", "bundle"})
# Commands whose argument may be given several times: compare A B C.
_TAKE_MANY: Mapping[str, str] = {"compare": "target"}
# Commands that are complete without their argument, with a flag that makes them so or without any.
_COMPLETE_WITHOUT: Mapping[str, str] = {
    "diagnose": "--host-facts",
    "list-keys": "",
    "outdated": "",
    "shell": "",
    "show-config": "",
}


@dataclass(frozen=True)
class Flag:
    """An option, with all its spellings."""

    names: tuple[str, ...]  # --list, -l
    takes_value: bool
    repeatable: bool = False
    optional: bool = False  # the value may be left out

    @property
    def name(self) -> str:
        return max(self.names, key=len)


@dataclass(frozen=True)
class Command:
    """What may stand behind the name of a command; ``positional`` are flags whose name can be left out.

    One that is not ours is a task of a user's: invoke's own options may change something for it.
    """

    name: str
    flags: tuple[Flag, ...]
    positional: tuple[str, ...] = ()
    is_ours: bool = True

    def find(self, word: str) -> Flag | None:
        return _find(self.flags, word)

    @property
    def names(self) -> list[str]:
        return [name for flag in self.flags for name in flag.names]


@dataclass(frozen=True)
class Judged:
    """A command line that can be followed; ``help_for`` is the command that it asks about.

    ``left_out`` are the commands that are complete without their argument: the place of each among the words,
    and the argument's name. ``unnamed`` are the words that are one of many, by place and name: invoke knows
    no positional argument that is given several times.
    """

    help_for: str | None = None
    left_out: tuple[tuple[int, str], ...] = ()
    unnamed: tuple[tuple[int, str], ...] = ()
    completion: bool = False


@dataclass
class _Given:
    """What has been seen behind the name of one command."""

    command: Command
    place: int  # of its name among the words
    flags: set[str] = field(default_factory=set)
    last: str = ""  # the flag just before, where it took no value
    positional_by_place: bool = False

    def lacking(self) -> list[str]:
        return [name for name in self.command.positional if f"--{name}" not in self.flags]


def judge(words: Sequence[str], commands: Mapping[str, Command], core: Sequence[Flag]) -> Judged:
    """The command line behind the program's name.

    :raises UsageError: a word would be ignored, or is not understood.
    """
    if any("\0" in word for word in words):
        raise UsageError("a word of the command line has a NUL byte in it", hint="invoke --list")
    end = words.index("--") if "--" in words else len(words)
    line, rest = list(words[:end]), words[end + 1 :]
    seen: dict[str, str | None] = {}
    position = 0
    while position < len(line):
        word, equals, value = line[position].partition("=")
        flag = _core_flag(core, word)
        if flag is None:
            break
        position += 1
        given = value if equals else None
        glued = word[2:] if not word.startswith("--") else ""
        if flag.takes_value and not equals and glued:
            given = glued
        elif flag.takes_value and not equals and _is_value(line[position : position + 1], flag, core):
            given = line[position]
            position += 1
        seen[flag.name] = given
        if flag.name not in _BEFORE and not _has_foreign(line, commands):
            raise _useless(word, given, line[position:], commands)
    if "--complete" in seen:
        return Judged(completion=True)
    _check_listing(seen, commands)
    judged = _judge_commands(line[position:], commands, core)
    if judged.help_for is None:
        _check_rest(rest, line[position:], commands)
    return judged


def _has_foreign(line: Sequence[str], commands: Mapping[str, Command]) -> bool:
    return any(word in commands and not commands[word].is_ours for word in line)


def _is_value(following: Sequence[str], flag: Flag, core: Sequence[Flag]) -> bool:
    """Whether the word behind ``flag`` is its value; one that may be left out gives way to another flag."""
    return bool(following) and not (flag.optional and _core_flag(core, following[0]))


def _core_flag(core: Sequence[Flag], word: str) -> Flag | None:
    """The option of invoke itself that ``word`` begins with; ``-pe`` is two of them for invoke."""
    word = word.partition("=")[0]
    short = word[:2] if word.startswith("-") and not word.startswith("--") and len(word) > 2 else word
    return _find(core, short)


def _find(flags: Sequence[Flag], word: str) -> Flag | None:
    return next((flag for flag in flags if word in flag.names), None)


def _useless(word: str, value: str | None, after: list[str], commands: Mapping[str, Command]) -> UsageError:
    """An option of invoke that changes nothing here; a command may have one of that name."""
    name = next((each for each in after if each in commands), "")
    meant = _MEANT.get(word, word)
    what = f"'{word}' is an option of invoke itself and changes nothing here"
    if not name or not commands[name].find(meant):
        return UsageError(what, hint="invoke --list")
    told = " ".join(["invoke", name, meant, *([value] if value else [])])
    if meant == word:
        return UsageError(f"'{word}' belongs after the command: {told}", hint=f"invoke --help {name}")
    return UsageError(f"{what}; did you mean: {told}?", hint=f"invoke --help {name}")


def _check_listing(seen: Mapping[str, str | None], commands: Mapping[str, Command]) -> None:
    asked = seen.get("--help")
    if asked is not None and asked not in commands:
        raise _unknown_command(asked, commands)
    if (group := seen.get("--list")) is not None:
        raise UsageError(f"--list takes no name, and there is no group '{group}'", hint="invoke --list")
    if (of_list := [each for each in seen if each.startswith("--list-")]) and "--list" not in seen:
        raise UsageError(f"'{of_list[0]}' changes nothing without --list", hint="invoke --list")
    form = seen.get("--list-format")
    if form is not None and form not in _LIST_FORMATS:
        raise UsageError(f"--list-format takes {one_of(_LIST_FORMATS)}, not '{form}'", hint="invoke --list")
    depth = seen.get("--list-depth")
    if depth is not None and not (depth.isascii() and depth.isdigit()):
        raise UsageError(f"--list-depth takes a whole number, not '{depth}'", hint="invoke --list")


def _judge_commands(line: list[str], commands: Mapping[str, Command], core: Sequence[Flag]) -> Judged:
    given: _Given | None = None
    before: list[_Given] = []
    left_out: list[tuple[int, str]] = []
    unnamed: list[tuple[int, str]] = []
    words = iter(line)
    for word in words:
        if given is None:
            if word not in commands:
                raise _not_a_command(word, line, commands)
            given = _Given(commands[word], place=0)
            continue
        if word in _HELP:
            return Judged(help_for=given.command.name)
        if _flag(given, word, words):
            continue
        if word.startswith("-") and len(word) > 1:
            raise _unknown_option(word, given.command, core)
        if many := _TAKE_MANY.get(given.command.name):
            _take(given, f"--{many}", word, repeatable=True)
            unnamed.append((len(line) - length_hint(words) - 1, many))
        elif lacking := given.lacking():
            _take(given, f"--{lacking[0]}", word)
            given.positional_by_place = True
        elif word in commands:
            left_out += _left_out(given)
            before.append(given)
            given = _Given(commands[word], place=len(line) - length_hint(words) - 1)
        else:
            raise _stray(word, given, commands)
        given.last = ""
    if given:
        left_out += _left_out(given)
        _check_plans([*before, given])
    return Judged(left_out=tuple(left_out), unnamed=tuple(unnamed))


def _flag(given: _Given, word: str, words: Iterator[str]) -> bool:
    """Take the flag ``word``, with its value from ``words``; False where it is none."""
    name, equals, value = word.partition("=")
    flag = given.command.find(name)
    if flag is None:
        return False
    if not flag.takes_value:
        if equals:
            raise UsageError(
                f"'{flag.name}' takes no value, not even '{value}'",
                hint=f"invoke {given.command.name} {flag.name}, or leave it out",
            )
        _once(given, flag.name)
        given.last = flag.name
        return True
    if not equals:
        value = next(words, "--")
        if value == "--":
            raise _needs_value(flag, given.command)
    # invoke would take another flag of the command for the next one, and give a list no value.
    if given.command.find(value):
        raise _needs_value(flag, given.command)
    _take(given, flag.name, value, repeatable=flag.repeatable)
    given.last = ""
    return True


def _take(given: _Given, name: str, value: str, *, repeatable: bool = False) -> None:
    hint = f"invoke --help {given.command.name}"
    if not value.strip() and given.command.is_ours:
        lacking = name.removeprefix("--") in given.command.positional
        way_out = hint if lacking else f"leave {name} out to get its default"
        raise UsageError(f"{name} is empty: a variable that is not set?", hint=way_out)
    if repeatable:
        given.flags.add(name)
    else:
        _once(given, name)


def _once(given: _Given, name: str) -> None:
    if name in given.flags and given.command.is_ours:
        told = f"invoke --help {given.command.name}"
        several = "several architectures in one: --arch amd64,arm64" if name == "--arch" else told
        raise UsageError(f"{name} is given twice", hint=several)
    given.flags.add(name)


def _check_plans(several: Sequence[_Given]) -> None:
    """Whoever asks for the plan of one command in a line does not mean that another one builds.

    :raises UsageError: one of them would.
    """
    planned = [each for each in several if _PLAN in each.flags]
    acting = [each for each in several if _PLAN not in each.flags and each.command.find(_PLAN)]
    if planned and acting:
        told, name = planned[0].command.name, acting[0].command.name
        raise UsageError(
            f"{_PLAN} is given to {told} only, and {name} would not stop at its plan",
            hint=f"invoke {name} {_PLAN}, in a line of its own",
        )


def _left_out(given: _Given) -> list[tuple[int, str]]:
    """The arguments that the command is complete without, with its place.

    :raises UsageError: it is not complete.
    """
    lacking = given.lacking()
    enough = _COMPLETE_WITHOUT.get(given.command.name)
    if lacking and enough != "" and enough not in given.flags:
        names = ", ".join(f"'{name}'" for name in lacking)
        name = given.command.name
        raise UsageError(f"invoke {name} needs {names}", hint=f"invoke --help {name}")
    return [(given.place, name) for name in lacking]


def _check_rest(rest: Sequence[str], line: list[str], commands: Mapping[str, Command]) -> None:
    if not rest:
        return
    name = next((word for word in line if word in commands), None)
    shown = " ".join(rest[:3]) + (" …" if len(rest) > 3 else "")
    if name is None:
        raise UsageError(f"'-- {shown}': a command comes before --", hint="invoke --list")
    names = {word for word in line if word in commands}
    if not names & TAKE_REST and not _has_foreign(line, commands):
        raise UsageError(
            f"invoke {name} takes nothing after --, but got: {shown}",
            details=("only invoke build-serving passes such words on, to Bazel",),
            hint=f"invoke --help {name}; for flags of a compiler: --set compile.cflags=…",
        )


def _needs_value(flag: Flag, command: Command) -> UsageError:
    return UsageError(f"{flag.name} needs a value", hint=f"invoke --help {command.name}")


def _unknown_option(word: str, command: Command, core: Sequence[Flag]) -> UsageError:
    hint = f"invoke --help {command.name}"
    name = word.partition("=")[0]
    meant = _MEANT.get(name) or _MEANT.get(name[:2] if not name.startswith("--") else name)
    if not command.find(meant or "") and command.find(_LISTED) and _PLAN in (name, meant):
        meant = _LISTED  # of clean: what it would do
    suggestion = f"; did you mean '{meant}'?" if meant and command.find(meant) else ""
    if not suggestion and not meant and not name.startswith("--"):
        same = sorted({each for each in command.names if each.startswith(f"--{name[1:2].lower()}")})
        suggestion = f"; did you mean {one_of(same)}?" if same else ""
    flag = _core_flag(core, name)
    if flag is None:
        suggestion = suggestion or did_you_mean(name, command.names)
        return UsageError(f"unknown option '{name}' of invoke {command.name}{suggestion}", hint=hint)
    if flag.name in _BEFORE and not suggestion:
        return UsageError(f"'{name}' belongs before a command: invoke {flag.name}", hint="invoke --list")
    suggestion = suggestion or did_you_mean(name, command.names)
    return UsageError(f"'{name}' is an option of invoke itself, not of {command.name}{suggestion}", hint=hint)


def _not_a_command(word: str, line: list[str], commands: Mapping[str, Command]) -> UsageError:
    """The first word is no command: an option of one that comes later, or a slip."""
    if not word.startswith("-"):
        return _unknown_command(word, commands)
    option = word.partition("=")[0]
    later = next((each for each in line if each in commands), None)
    if later is None:
        return UsageError(f"unknown option '{option}'", hint="invoke --list")
    command = commands[later]
    if command.find(option):
        told = f"invoke {later} {word}"
        return UsageError(f"'{option}' belongs after the command: {told}", hint=f"invoke --help {later}")
    suggestion = did_you_mean(option, command.names)
    return UsageError(f"unknown option '{option}'{suggestion}", hint=f"invoke --help {later}")


def _unknown_command(word: str, commands: Mapping[str, Command]) -> UsageError:
    beginning = sorted(name for name in commands if name.startswith(f"{word}-"))
    suggestion = (
        f"; did you mean {one_of(beginning)}?" if word and beginning else did_you_mean(word, commands)
    )
    return UsageError(f"unknown command '{word}'{suggestion}", hint="invoke --list")


def _stray(word: str, given: _Given, commands: Mapping[str, Command]) -> UsageError:
    """A word behind a command that belongs to nothing."""
    hint = f"invoke --help {given.command.name}"
    if given.last:
        return UsageError(f"'{given.last}' takes no value, and '{word}' is no command", hint=hint)
    if given.positional_by_place:
        names = " and ".join(given.command.positional)
        return UsageError(
            f"invoke {given.command.name} takes one {names}; '{word}' is one too many", hint=hint
        )
    return _unknown_command(word, commands)
