"""Whether a patch file can change anything, and what; pure.

What counts is what patch(1) applies: unified and context diffs, and the headers of git that say more than
hunks do (https://www.gnu.org/software/diffutils/manual/html_node/Detailed-Unified.html and
-/Detailed-Context.html; https://git-scm.com/docs/diff-format#generate_patch_text_with_p).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_UNIFIED = re.compile(rb"@@ -\d+(?:,(?P<old>\d+))? \+\d+(?:,(?P<new>\d+))? @@")
_CONTEXT = re.compile(rb"\*\*\* \d+(?:,\d+)? \*\*\*\*")
_CONTEXT_CHANGE = re.compile(rb"[!+-] ")
# They change a file without a hunk: its name, its mode, or that it is there.
_GIT_CHANGE = re.compile(rb"(?:old mode|new file mode|deleted file mode|rename from|copy from) ")
# https://www.gnu.org/software/diffutils/manual/html_node/Binary.html; patch(1) skips the first, silently.
_BINARY = re.compile(rb"Binary files .* differ$|GIT binary patch$")

# The name of a file, without the folder that -p1 takes away, in the lines before its hunks or in git's own.
_NAMES = re.compile(
    rb"^(?:--- [^/\s]+/(?P<old>[^\t\n]+)[^\n]*\n\+\+\+ [^/\s]*/(?P<new>[^\t\n]+)"
    rb"|--- /dev/null[^\n]*\n\+\+\+ [^/\s]+/(?P<made>[^\t\n]+)"
    rb"|\*\*\* [^/\s]+/(?P<before>[^\t\n]+)[^\n]*\n--- [^/\s]*/(?P<after>[^\t\n]+)"
    rb"|diff --git [^/\s]+/(?P<git>\S+) )",
    re.MULTILINE,
)
# As the build lays out what a release's lock has.
_DEPENDENCY = re.compile(rb"dependencies/([^/]+)/")

_HOW = "make it with 'git diff' or 'diff -ru'"


@dataclass(frozen=True)
class _Hunk:
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]


def patch_problem(content: bytes) -> str | None:
    """Why a patch of ``content`` would change nothing, or less than it says; None where it can be applied."""
    if not content.strip():
        return "it is empty"
    lines = [line.rstrip(b"\r") for line in content.split(b"\n")]
    if any(_BINARY.match(line) for line in lines):
        return "it changes a binary file, which patch(1) cannot"
    if b"\0" in content:
        return f"it is binary data; {_HOW}"
    hunks = tuple(_unified(lines))
    if any(_GIT_CHANGE.match(line) for line in lines) or _has_context_change(lines):
        return None
    if not hunks:
        return f"it has no hunk, so there is nothing to apply; {_HOW}"
    if all(hunk.old == hunk.new for hunk in hunks):
        return "its hunks change no line: what they add is what they remove"
    return None


def patched_trees(content: bytes) -> tuple[str, ...]:
    """What a patch of ``content`` changes: a dependency (dependencies/NAME/...) by name, '' the source."""
    text = content.replace(b"\r\n", b"\n")
    trees = set()
    for match in _NAMES.finditer(text):
        # The second name of a file that is removed is /dev/null.
        name = next(each for each in match.groups() if each is not None)
        found = _DEPENDENCY.match(name)
        trees.add(found[1].decode(errors="replace") if found else "")
    return tuple(sorted(trees))


def _has_context_change(lines: Sequence[bytes]) -> bool:
    starts = [number for number, line in enumerate(lines) if _CONTEXT.match(line)]
    return bool(starts) and any(_CONTEXT_CHANGE.match(line) for line in lines[starts[0] :])


def _unified(lines: Sequence[bytes]) -> Iterator[_Hunk]:
    number = 0
    while number < len(lines):
        head = _UNIFIED.match(lines[number])
        number += 1
        if not head:
            continue
        old: list[bytes] = []
        new: list[bytes] = []
        touched: tuple[list[bytes], ...] = ()
        wanted = (_count(head["old"]), _count(head["new"]))
        while number < len(lines):
            mark, text = lines[number][:1], lines[number][1:]
            if mark == b"\\":  # "\ No newline at end of file" is said of the line before it
                for side in touched:
                    side[-1] += b"\\"
            elif (len(old), len(new)) == wanted:
                break
            else:
                touched = {b"-": (old,), b"+": (new,)}.get(mark, (old, new))
                for side in touched:
                    side.append(text)
            number += 1
        yield _Hunk(tuple(old), tuple(new))


def _count(text: bytes | None) -> int:
    return 1 if text is None else int(text)
