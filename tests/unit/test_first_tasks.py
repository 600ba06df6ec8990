"""The page of first tasks: what a script reads from it, compares with what was said, and writes into it."""

from __future__ import annotations

import re

import pytest

from tests.first_tasks.page import LEFT_OUT, fits, read_steps, shown, updated
from tests.support.plans import PROJECT

PAGE = """# Tasks

## One
```console
$ tfbuild version
tfbuild 1.0
$ cat > a <<'END'
> first
>
> END
$ cat a
first
```

## Two
Text.
```console
$ true
```
"""


def test_a_page_is_read_as_commands_with_their_answers() -> None:
    steps = read_steps(PAGE)
    assert [(step.task, step.line, step.command, step.answer) for step in steps] == [
        ("One", 5, "tfbuild version", ("tfbuild 1.0",)),
        ("One", 7, "cat > a <<'END'\nfirst\n\nEND", ()),
        ("One", 11, "cat a", ("first",)),
        ("Two", 18, "true", ()),
    ]


def test_an_answer_without_a_command_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2: a console block begins with a command"):
        read_steps("```console\nan answer\n```\n")


@pytest.mark.parametrize(
    ("answer", "said", "same"),
    [
        (("built in 3m50s",), "built in 12.5s\n", True),
        (("key 0123456789abcdef",), "key fedcba9876543210fedc\n", True),
        (("ok  5.5 GiB free",), "ok 123 GiB free\n", True),
        (("5.5 MB of downloads",), "6 MB of downloads\n", False),
        (("ok",), "… 1/6: after 30s\n[1/6] fetch\n  a.whl  57.5 kB in 0.3s\n\nok\n", True),
        (("made from MIRROR",), "made from http://mirror.example/debian\n", True),
        (("first", LEFT_OUT, "last"), "first\nsecond\nthird\nlast\n", True),
        (("first", LEFT_OUT, "last"), "first\nsecond\nthird\n", False),
        (("exit code 0",), "exit code 7\n", False),
        ((), "a word\n", False),
    ],
)
def test_an_answer_fits_where_only_times_hashes_and_progress_differ(
    answer: tuple[str, ...], said: str, same: bool
) -> None:
    assert fits(answer, said) is same


def test_what_is_shown_of_a_long_answer_fits_it() -> None:
    said = "".join(f"line {number}\n" for number in range(100))
    assert LEFT_OUT in shown(said)
    assert fits(shown(said), said)


def test_a_page_is_written_anew_with_what_was_said_alone() -> None:
    text = updated(PAGE, {5: "tfbuild 2.0\nmore\n", 7: "", 18: "done\n"})
    assert text == PAGE.replace("tfbuild 1.0", "tfbuild 2.0\nmore").replace("$ true\n", "$ true\ndone\n")


def test_each_task_of_the_page_has_commands() -> None:
    text = (PROJECT / "docs" / "first-tasks.md").read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = [line.removeprefix("## ") for line in prose.splitlines() if line.startswith("## ")]
    assert list(dict.fromkeys(step.task for step in read_steps(text))) == headings
