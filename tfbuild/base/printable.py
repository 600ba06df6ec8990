"""Text from outside made safe to show: whatever could steer a terminal or hide is written as an escape. Pure.

Names in archives, ELF strings, answers of servers and output of compilers may hold anything. What is stored
(JSON, complete logs) keeps it; what people see goes through here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Shown as nothing although str.isprintable() lets them pass: Default_Ignorable_Code_Point in
# https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]"
)
_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
# https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs: "::" counts behind leading
# space, the older "##[" anywhere in a line.
_COMMAND = re.compile(r"^(\s*):(?=:)")
_OLD_COMMAND = re.compile(r"##(?=\[)")


def printable(text: str) -> str:
    """``text`` on one line, with nothing that acts on a terminal or is not seen: ``\\x1b[2J``, ``\\u202e``.

    Control and format characters (also the C1 ones, DEL, the bidirectional ones and those without width),
    line ends, tabs, unusual spaces, and bytes of a name that is no text. Doing it twice changes nothing.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char == " " or (char.isprintable() and not _INVISIBLE.match(char)) else _escaped(char)
        for char in text
    )


def printable_lines(text: str) -> str:
    """As :func:`printable`, but ends of lines and tabs stay: for output of programs that is shown whole."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def joined(lines: Iterable[str]) -> str:
    """A text of ``lines`` in which each stays one line, whatever a name in it holds. Ends with a newline."""
    return "".join(f"{printable(line)}\n" for line in lines)


def defused(line: str) -> str:
    """``line`` so that GitHub Actions does not take it for a workflow command."""
    return _OLD_COMMAND.sub(r"#\\x23", _COMMAND.sub(r"\1\\x3a", line))


def _escaped(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that os.fsdecode could not decode
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
