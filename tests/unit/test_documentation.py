"""The documentation is true: its commands run, its links lead somewhere, the files it names are there."""

from __future__ import annotations

import re
import shlex
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import tasks
from tests.support.commands import Acts, run_invoke
from tests.support.diagnosis import saved_model
from tests.support.keys import PROFILE
from tests.support.plans import PROJECT
from tests.support.products import list_releases
from tfbuild.cli.line.command_words import Flag, judge
from tfbuild.cli.usage import commands_of

CORE = (Flag(("--list", "-l"), True, optional=True), Flag(("--echo", "-e"), False))
COMMANDS = commands_of(tasks.ns)
# The whole text of each page, by its path.
PAGES = {
    path.relative_to(PROJECT).as_posix(): path.read_text(encoding="utf-8")
    for path in (
        *sorted(PROJECT.glob("*.md")),
        *sorted((PROJECT / "docs").rglob("*.md")),
        PROJECT / "benchmarks" / "README.md",
    )
}
_WORDS = r"""[a-z](?:"[^"\n]*"|'[^'\n]*'|[^#>`;|])*"""
_COMMAND = rf"(?:^(?:\$ )?|&&) *((?:[A-Z_]+=\S+ )*)(?:\S*/)?(invoke|tfbuild) ({_WORDS})"
LOG = "CHANGELOG.md"  # tells of what was, and of files that have moved since


@dataclass(frozen=True)
class Line:
    """A command line in a block of code; ``variables`` stand before it.

    ``program`` is ``invoke``, or ``tfbuild`` in a folder of the user's own.
    """

    page: str
    words: tuple[str, ...]
    variables: tuple[str, ...] = ()
    program: str = "invoke"

    def __str__(self) -> str:
        return " ".join((*self.variables, *self.words))


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each block of code with its language."""
    yield from re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)


def command_lines() -> Iterator[Line]:
    """The commands in blocks of code and in the help of the commands themselves."""
    texts = [(page, block) for page, text in PAGES.items() for _, block in blocks(text)]
    texts.append(("tasks.py", (PROJECT / "tfbuild" / "tasks.py").read_text(encoding="utf-8")))
    for page, text in texts:
        for line in text.splitlines():
            for variables, program, words in re.findall(_COMMAND, line):
                yield Line(page, tuple(shlex.split(words)), tuple(variables.split()), program)


LINES = tuple(dict.fromkeys(command_lines()))
# Those of a user's folder may name configurations that only this user has.
BUILDS = tuple(line for line in LINES if line.words[0].startswith("build-") and line.program == "invoke")


@pytest.mark.parametrize("line", LINES, ids=str)
def test_every_command_is_accepted(line: Line) -> None:
    judge(list(line.words), COMMANDS, CORE)


@pytest.mark.parametrize("page", [page for page in PAGES if page != LOG])
def test_every_command_that_a_sentence_names_is_there_with_its_options(page: str) -> None:
    prose = re.sub(r"^ *```.*?^ *```", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)
    for span in re.findall(r"`invoke ([^`]+)`", prose):
        name, *words = span.replace("[", " ").replace("]", " ").split()
        if name in {"COMMAND", "--help"}:
            continue
        assert name in COMMANDS, span
        options = {word.partition("=")[0] for word in words[: (*words, "--").index("--")] if word[:2] == "--"}
        assert options <= {each for flag in COMMANDS[name].flags for each in flag.names}, span


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the examples name: a user's model and program."""
    shutil.copytree(PROJECT / "examples", tmp_path / "examples")
    shutil.copytree(PROJECT / "examples" / "keras" / "train", tmp_path / "train")
    (tmp_path / "half_plus_two" / "1").mkdir(parents=True)
    (tmp_path / "half_plus_two" / "1" / "saved_model.pb").write_bytes(saved_model("2.18.1"))
    with zipfile.ZipFile(tmp_path / "model.keras", "w") as model:
        for name in ("metadata.json", "config.json"):
            model.writestr(name, '{"keras_version": "3.10.0"}')
        model.writestr("model.weights.h5", "")
    for name in ("detect.tflite", "classify.tflite"):
        shutil.copyfile(PROJECT / "dockerfiles/tflite/smoke/models/conv_int8.tflite", tmp_path / name)
    shutil.copyfile(PROFILE, tmp_path / "detect.profdata")
    shutil.copyfile(PROJECT / "examples" / "matrix.yaml", tmp_path / "matrix.yaml")
    shutil.copytree(PROJECT / "examples" / "keras", tmp_path / "keras")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize("line", BUILDS, ids=str)
def test_every_build_can_be_planned(
    line: Line, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    acts = Acts()
    acts.refuse(monkeypatch)
    for variable in line.variables:
        monkeypatch.setenv(*variable.split("=", 1))
    words = [word for word in line.words if word != "--dry-run"]
    code = run_invoke("--search-root", str(PROJECT), words[0], "--dry-run", *words[1:])
    told = capsys.readouterr()
    assert (code, acts.begun) == (0, []), told.err
    # The table of many builds has a line of its own above them.
    first = told.out.splitlines()[line.words[0] == "build-all"]
    assert re.match(r"(cannot be built: .*)?(tflite|serving|keras)-", first)
    assert line.words[0].removeprefix("build-") in (first.partition("-")[0], "all")


def test_the_documentation_has_builds_of_every_product() -> None:
    assert {line.words[0] for line in BUILDS} == {name for name in COMMANDS if name.startswith("build-")}
    assert len(LINES) > 40


def anchors(text: str) -> set[str]:
    """The names that a heading can be linked by, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (PROJECT / page).parent / path if path else PROJECT / page
        assert file.exists(), target
        if anchor:
            assert anchor in anchors(file.read_text(encoding="utf-8")), target


_ROOTS = "tfbuild|tests|dockerfiles|toolchains|build_configs|benchmarks|probes|examples|docs|schemas"
# Folders of tfbuild/ that the explanations leave the first part of the path out of.
_FOLDERS = tuple(path.name for path in sorted((PROJECT / "tfbuild").iterdir()) if path.is_dir())


@pytest.mark.parametrize("page", [page for page in PAGES if page != LOG])
def test_every_file_that_is_named_is_there(page: str) -> None:
    named = re.findall(r"`([\w.-]+/[\w./*-]+)`", PAGES[page])
    for path in named:
        first = path.partition("/")[0]
        roots = [PROJECT] if re.fullmatch(_ROOTS, first) else []
        if first in _FOLDERS:
            roots.append(PROJECT / "tfbuild")
        if first == "lock":
            roots.append(PROJECT / "tfbuild" / "products" / "tflite")
        if not roots or re.search(r"[A-Z]{3,}(?!\.md)", path) or path in _MADE_BY_USERS:
            continue
        assert any(list(root.glob(path)) for root in roots), path


_MADE_BY_USERS = {"build_configs/serve.yaml"}


def test_the_first_pages_stay_short() -> None:
    for page, longest in (("README.md", 150), ("ARCHITECTURE.md", 80)):
        assert len(PAGES[page].splitlines()) <= longest, page


def test_every_command_is_in_the_table_of_readme() -> None:
    rows = "\n".join(line for line in PAGES["README.md"].splitlines() if line.startswith("| `invoke"))
    assert [name for name in COMMANDS if f"`invoke {name}" not in rows] == []


def test_the_table_of_readme_says_of_each_tflite_release_what_its_file_says() -> None:
    rows = re.findall(r"^\| (`2\.[^|]*) \| ([^|]*) \| ([^|]*) \|$", PAGES["README.md"], re.MULTILINE)
    told = {
        release: (compiled, takes.split("; ")[number if ";" in takes else 0])
        for releases, compiled, takes in rows
        for number, release in enumerate(re.findall(r"`(\S+)`", releases))
    }
    releases = {each.release: each for each in list_releases(PROJECT) if each.product == "tflite"}
    assert set(told) == set(releases)
    for name, (compiled, takes) in told.items():
        quirks = [getattr(each, "unknown_operators", ()) for each in releases[name].quirks]
        too_old = any("FULLY_CONNECTED 12" in each for each in quirks)
        assert takes == ("all but dynamic range with fully connected layers" if too_old else "all"), name
        proven = compiled in {"from its exact bytes", "official wheels"}
        assert proven == (releases[name].status == "built"), name


def test_a_page_for_every_part_is_linked_from_readme() -> None:
    linked = {target.partition("#")[0] for target in re.findall(r"\]\((docs/[^)]+)\)", PAGES["README.md"])}
    pages = {page for page in PAGES if page.startswith("docs/") and "explanation" not in page}
    assert pages <= linked
