"""Which options a pinned compiler knows: what it says itself, in ``build_configs/compilers/*.options``.

Only of those that begin with -f, -m, -W, -n, -p, -r and -s, which are checked by their names; what follows a
``=`` is the compiler's to judge. A word that is no option has to belong to one, or to be the path of a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from configparser import ConfigParser, ParsingError
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tfbuild.base.arch import Arch
from tfbuild.base.errors import UsageError
from tfbuild.base.project import PROJECT
from tfbuild.base.text import did_you_mean
from tfbuild.config.compilers.cpus import COMPILERS, CompilerCpus

_CHECKED = re.compile(r"-[fmWnprs].")
# Those whose value is the next word, where they stand alone:
# https://gcc.gnu.org/onlinedocs/gcc/Invoking-GCC.html, https://clang.llvm.org/docs/ClangCommandLineReference.html
_NEXT_WORD = re.compile(
    r"-[ABDILTUelouxz]|--param|-i\w+|-M[FTQ]|-X\w+|-mllvm|-target|--sysroot|-wrapper|-specs"
)
# Words for assembler, linker and preprocessor; and GCC is silent about a -Wno-NAME that it does not know:
# https://gcc.gnu.org/onlinedocs/gcc/Warning-Options.html
_UNCHECKED = re.compile(r"-W[alp],|-Wno-")
_NEGATIVE = re.compile(r"(-[fmW])no-")
_ALL = "all"


@dataclass(frozen=True)
class CompilerOptions:
    """The options of one compiler; ``of_targets`` are those that only one architecture has."""

    title: str
    of_all: frozenset[str]
    of_targets: Mapping[Arch, frozenset[str]]

    def problem(self, flag: str, arch: Arch, before: str = "") -> str | None:
        """Why this compiler takes no ``flag`` for ``arch``; None where it does, or is not asked by name.

        ``before`` is the word before it, which ``flag`` can be the value of.
        """
        if _NEXT_WORD.fullmatch(before):
            return None
        if not flag.startswith("-"):
            is_file = "/" in flag and not flag.startswith("@")
            return None if is_file else f"'{flag}' is no option of {self.title}: it does not begin with '-'"
        if not _CHECKED.match(flag) or _UNCHECKED.match(flag):
            return None
        asked = arch in self.of_targets
        if not asked and flag.startswith("-m"):
            return None
        known = self.of_all.union(self.of_targets[arch] if asked else frozenset())
        # Of a compiler that only warns of a -W that it does not know, none was asked for.
        if _is_in(flag, known) or not any(each.startswith(flag[:2]) for each in known):
            return None
        option = flag.partition("=")[0]
        if others := [str(other) for other, options in self.of_targets.items() if _is_in(flag, options)]:
            told = f"{self.title} knows no {option} for {arch}: it is an option of {', '.join(others)}"
            return told if asked else None
        if f"{option}=" in known:
            return f"{self.title} takes {option} with a value only: {option}=…"
        return f"{self.title} knows no option {option}{did_you_mean(option, _spelt(known, option))}"


def _is_in(flag: str, known: frozenset[str]) -> bool:
    name, equals, _ = flag.partition("=")
    name += equals
    # What ends in '-' goes on: -fdump-tree-all.
    return any(
        each in known or any(each[:place] in known for place, char in enumerate(each, 1) if char == "-")
        for each in (name, _NEGATIVE.sub(r"\1", name))
    )


def _spelt(known: frozenset[str], option: str) -> list[str]:
    """What ``option`` can be meant to be; the data has one of an option and its negative form."""
    names = {each.rstrip("=") for each in known}
    if _NEGATIVE.match(option):
        names |= {f"{each[:2]}no-{each[2:]}" for each in names if re.match(r"-[fmW](?!no-)", each)}
    return sorted(names)


def compiler_options(compiler: CompilerCpus | None) -> CompilerOptions | None:
    """What ``compiler`` knows; None where nobody has asked it. Reads a file."""
    if compiler is None:
        return None
    return _stored(COMPILERS / f"{compiler.compiler}-{compiler.version}.options", compiler.title)


@cache
def _stored(path: Path, title: str) -> CompilerOptions | None:
    file = PROJECT / path
    return read_options(file.read_text(encoding="utf-8"), title, path) if file.is_file() else None


def read_options(text: str, title: str, path: Path) -> CompilerOptions:
    """The options in the text of the file ``path``: a section for all targets, one for each architecture.

    :raises UsageError: the file is damaged.
    """
    parser = ConfigParser(allow_no_value=True, delimiters=("\0",), interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text, str(path))
    except ParsingError as error:
        raise UsageError(f"{path} is damaged: {error}", hint=f"git checkout {path}") from error
    found = {name: frozenset(parser[name]) for name in parser.sections()}
    arches = {Arch.parse(name): options for name, options in found.items() if name != _ALL}
    if _ALL not in found or None in arches:
        raise UsageError(
            f"{path} is damaged: it has the sections {', '.join(found)}", hint=f"git checkout {path}"
        )
    return CompilerOptions(title, found[_ALL], {arch: each for arch, each in arches.items() if arch})
