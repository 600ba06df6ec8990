"""The reference pages say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import tasks
from tests.support.plans import PROJECT
from tfbuild.base.errors import MEANINGS, ExitCode
from tfbuild.cli.line.environment import VARIABLES
from tfbuild.cli.reference.__main__ import main
from tfbuild.cli.reference.pages import FOLDER, pages
from tfbuild.cli.usage import commands_of
from tfbuild.diagnose.catalog import CATALOG
from tfbuild.products.table import list_releases, model
from tfbuild.verify.findings import FINDINGS

PAGES = pages(PROJECT, tasks.ns)


def page(name: str) -> str:
    return PAGES[f"{FOLDER}/{name}.md"]


@pytest.mark.parametrize("path", PAGES)
def test_the_stored_page_is_the_generated_one(path: str) -> None:
    assert (PROJECT / path).read_text(encoding="utf-8") == PAGES[path], "run: python -m tfbuild.cli.reference"


def test_no_reference_page_is_there_that_nothing_writes() -> None:
    assert {f"{FOLDER}/{path.name}" for path in (PROJECT / FOLDER).iterdir()} == set(PAGES)


def test_an_outdated_page_is_told_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tfbuild.cli.reference.__main__.PROJECT", tmp_path)
    monkeypatch.setattr("tfbuild.cli.reference.__main__.pages", lambda *_: {"docs/a.md": "new\n"})
    assert main(["--check"]) == 1
    assert "docs/a.md is out of date: python -m tfbuild.cli.reference" in capsys.readouterr().err
    assert main([]) == 0
    assert (tmp_path / "docs" / "a.md").read_text() == "new\n"
    assert main(["--check"]) == 0


def test_every_command_and_each_of_its_options_is_on_the_page() -> None:
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", page("commands"), re.MULTILINE | re.DOTALL))
    commands = commands_of(tasks.ns)
    assert set(sections) == set(commands)
    for name, command in commands.items():
        for flag in command.flags:
            assert re.search(rf"`{flag.names[0]}( |`)", sections[name]), (name, flag)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("configuration-keys", tuple(model().keys)),
        ("exit-codes", tuple(str(int(code)) for code in ExitCode)),
        ("environment-variables", tuple(each.name for each in VARIABLES)),
        ("verify-findings", tuple(FINDINGS)),
        ("diagnose-findings", tuple(CATALOG)),
        ("releases", tuple(each.release for each in list_releases(PROJECT))),
    ],
)
def test_each_of_them_is_on_its_page(name: str, words: tuple[str, ...]) -> None:
    found = set(re.findall(r"^(?:\| `?|## )([^`|\n ]+)", page(name), re.MULTILINE))
    assert set(words) <= found


def test_each_exit_code_has_a_meaning_of_its_own() -> None:
    assert set(MEANINGS) == set(ExitCode)
    assert len({each.says for each in MEANINGS.values()}) == len(ExitCode)


def test_a_cell_cannot_break_its_table() -> None:
    for text in PAGES.values():
        for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
            columns = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(columns) == 1, block
