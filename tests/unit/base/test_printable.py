"""Names and texts from outside, which may hold anything, in everything that people see."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tests.support.diagnosing import diagnose_case
from tests.support.diagnosis import CASES
from tests.support.images import Image, docker_archive, program
from tests.support.plans import PROJECT, make_plan
from tests.support.products import Product, list_releases
from tests.support.pseudo_terminal import Terminal
from tests.support.wheels import make_wheel
from tfbuild.base.arch import Arch
from tfbuild.base.documents import dump
from tfbuild.base.errors import BuildError, ConfigError, ConfigProblem
from tfbuild.base.printable import defused, printable
from tfbuild.base.text import ArtifactRow, github_annotations, table_markdown
from tfbuild.build.bundle.file import Bundle, BundleMember, summary
from tfbuild.cli.console import ConsoleReporter, render_error
from tfbuild.cli.lists import release_lines
from tfbuild.diagnose.html import STYLE, render_html
from tfbuild.diagnose.known import RunOutcome
from tfbuild.diagnose.report import render as diagnose_text
from tfbuild.doctor.checks import CheckResult, Status
from tfbuild.doctor.doctor import render_text
from tfbuild.machine.terminal import write_lines, write_text
from tfbuild.plan.several import index_plan, index_text
from tfbuild.products.serving.upstream import Check, UpstreamReport, report_lines
from tfbuild.products.table import plan_text
from tfbuild.verify.text import render as verify_text
from tfbuild.verify.verify import load_policy, verify_path

ELF = PROJECT / "tests" / "data" / "elf" / "x86_64"
HOSTILE = "\x1b[2J\x1b]0;title\x07\r\nerror: forged\x7f\x9b31m\u202ecod.exe\u200b\u2028\udcff\x00\ufe0f"

texts = st.one_of(
    st.just(HOSTILE),
    st.text(
        st.one_of(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), st.characters()),
        min_size=1,
        max_size=12,
    ),
)


def acting(text: str) -> list[str]:
    """The characters of ``text``, but for ends of lines, that a terminal would obey or not show."""
    return [c for c in text if c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]


def poisoned(value: Any, text: str) -> Any:
    """``value`` with ``text`` behind every string in it, but for those that are parsed as numbers."""
    if isinstance(value, Enum):
        return value
    if isinstance(value, str):
        return value + text
    if isinstance(value, tuple | list):
        return type(value)(poisoned(each, text) for each in value)
    if isinstance(value, Mapping):
        return {key: poisoned(each, text) for key, each in value.items()}
    if isinstance(value, PurePath):
        return type(value)(str(value) + text.replace("\0", ""))
    if is_dataclass(value) and not isinstance(value, type):
        inner = {
            each.name: poisoned(getattr(value, each.name), text)
            for each in fields(value)
            if each.init and each.name not in {"version", "family", "severity", "size"}
        }
        return replace(value, **inner)
    if isinstance(value, BaseModel):
        return value.model_copy(
            update={
                name: poisoned(getattr(value, name), text)
                for name in type(value).model_fields
                if name not in {"version", "status", "provider"}
            }
        )
    return value


def written(text: str) -> str:
    out = io.StringIO()
    write_text(text, out)
    return out.getvalue()


@cache
def diagnosis(folder: Path) -> Any:
    run = RunOutcome(name="import", command="python3", ok=False, exit_code=1, steps=(), output=("said",))
    return replace(diagnose_case(CASES["Keras 2"], folder), runs=(run,))


@cache
def reports(folder: Path) -> dict[str, Callable[[str], str]]:
    """Everything that prints, by name: what it prints when each text in its subject ends in another one."""
    wheel = make_wheel(folder, {"pkg/a.so": (ELF / "good.so").read_bytes()})
    image = docker_archive(
        folder / "image.tar", Image([[program("usr/bin/tool", (ELF / "pie").read_bytes())]], {"User": "1"})
    )
    policy = load_policy(PROJECT)
    of_wheel, of_image = verify_path(wheel, policy), verify_path(image, policy)
    tflite = make_plan("2.14.1-debian", "opt", Arch.AMD64)
    arm = make_plan("2.14.1-debian", "opt", Arch.ARM64)
    checks = [CheckResult("disk", Status.FATAL, "found", "needed", "fix")]
    releases = list_releases(PROJECT)
    upstream = UpstreamReport(release="1", commit="c", checks=(Check("a", "b", "c", False),))
    member = BundleMember(path="downloads/x", size=1, sha256="0" * 64)
    bundle = Bundle(
        tfbuild="1", product=Product.TFLITE, release="1", config="opt", arch=Arch.AMD64,
        build_arch=Arch.AMD64, build_id="b", key="0" * 64, source=None, members=(member,),
    )  # fmt: skip
    return {
        "verify wheel": lambda text: verify_text(poisoned(of_wheel, text)),
        "verify image": lambda text: verify_text(poisoned(of_image, text)),
        "diagnose": lambda text: diagnose_text(poisoned(diagnosis(folder), text)),
        "plan": lambda text: plan_text(poisoned(tflite, text)),
        "index": lambda text: index_text(poisoned(index_plan([tflite, arm]), text)),
        "doctor": lambda text: render_text(poisoned(checks, text)),
        "list": lambda text: "\n".join(
            release_lines(poisoned(releases, text), ["none"] * len(releases), [(text,)] * len(releases))
        ),
        "upstream": lambda text: "\n".join(report_lines(poisoned(upstream, text))),
        "bundle": lambda text: "\n".join(summary(poisoned(bundle, text))),
    }


NAMES = ("verify wheel", "verify image", "diagnose", "plan", "index", "doctor", "list", "upstream", "bundle")


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(text=texts)
def test_no_report_prints_what_acts_on_a_terminal(
    name: str, text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    render = reports(_folder(tmp_path_factory))[name]
    assert acting(written(render(text))) == []


_FOLDERS: list[Path] = []


def _folder(factory: pytest.TempPathFactory) -> Path:
    if not _FOLDERS:
        _FOLDERS.append(factory.mktemp("reports"))
    return _FOLDERS[0]


def test_a_wheel_with_hostile_members_is_verified_in_plain_text(tmp_path: Path) -> None:
    members = ("pkg/\x1b[2J\x1b[31mred.so", "pkg/new\nline.so", "pkg/\u202eos.exe.so", "pkg/\x9b2J.so")
    library = (ELF / "good.so").read_bytes()
    wheel = make_wheel(tmp_path, dict.fromkeys(members, library))
    report = verify_path(wheel, load_policy(PROJECT))
    out = written(verify_text(report))
    assert acting(out) == []
    for shown in (
        r"pkg/\x1b[2J\x1b[31mred.so",
        r"pkg/new\nline.so",
        r"pkg/\u202eos.exe.so",
        r"pkg/\x9b2J.so",
    ):
        assert f"{shown}: shared library" in out
    # Programs get the names as they are.
    assert {facts.path for facts in report.facts.elf} == set(members)
    assert json.loads(json.dumps(dump(report)))["facts"]["elf"][0]["path"] in members


@pytest.mark.parametrize("name", ["verify wheel", "verify image", "plan", "index", "doctor"])
def test_a_name_with_an_end_of_line_makes_no_line_of_its_own(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    render = reports(_folder(tmp_path_factory))[name]
    assert len(render("\nerror: forged").splitlines()) == len(render("_error: forged").splitlines())
    assert r"\nerror: forged" in render("\nerror: forged")


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal()
    yield opened
    if not opened.stream.closed:
        opened.screen()


@settings(max_examples=40)
@given(text=texts, colour=st.booleans())
def test_the_reporter_tells_hostile_texts_without_obeying(text: str, colour: bool) -> None:
    out = io.StringIO()
    with ConsoleReporter(out, env={"FORCE_COLOR": "1"} if colour else {}) as reporter:
        reporter.step_started(1, 2, text)
        reporter.progress(1, 2, text)
        reporter.transfer(text, 5, 5)
        reporter.note(reporter.heartbeat_text() + text)
        reporter.warn(text)
        reporter.step_finished("failed", text, Path("logs", text.replace("\0", "")))
        reporter.result_table([ArtifactRow(Path(text.replace("\0", "")), 1, "00", 1)], out)
    # Our own styling is all that may be left.
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()) if colour else out.getvalue()
    assert acting(plain) == []
    assert len(plain.splitlines()) == 7


@settings(max_examples=40)
@given(text=texts)
def test_errors_tell_hostile_texts_without_obeying(text: str) -> None:
    out = io.StringIO()
    problem = ConfigProblem(f"a{text}.yaml", 1, 1, text, "snippet")
    render_error(
        BuildError(text, details=(text,), hint=text, log=Path("a" + text.replace("\0", ""))), out, env={}
    )
    render_error(ConfigError((problem,), hint=text), out, env={})
    assert acting(out.getvalue()) == []
    heads = [line.partition(":")[0] for line in out.getvalue().splitlines() if not line.startswith("  ")]
    assert heads == ["error", "hint", "log", "error", "hint"]


def test_the_live_display_shows_hostile_texts_escaped(terminal: Terminal) -> None:
    with ConsoleReporter(terminal.stream, env={"TERM": "xterm"}) as reporter:
        reporter.step_started(1, 2, f"title{HOSTILE}")
        reporter.progress(1, 2, f"current{HOSTILE}")
        reporter.transfer("n\x1b]0;x\x07", 1, 5)
        terminal.wait_for("title")
        terminal.wait_for("n\\x1b")
        reporter.step_finished("ok", f"detail{HOSTILE}")
    screen = terminal.screen()
    assert not re.search("\x1b\\]0|\x07|\x7f|\x9b|\u202e|\u200b|\x1b\\[2J", screen)


@settings(max_examples=25)
@given(text=texts)
def test_a_page_holds_nothing_that_hides_or_turns_text(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    report = poisoned(diagnosis(_folder(tmp_path_factory)), text)
    page = render_html(report, (PROJECT / STYLE).read_text())
    assert acting(page) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain and ünïcödé 日本 ✓ …", "plain and ünïcödé 日本 ✓ …"),
        (r"C:\x1b", r"C:\x1b"),
        ("\x1b[31m", r"\x1b[31m"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("a\u202eb\u200b\ufeff", r"a\u202eb\u200b\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("\udcff", r"\xff"),
        ("\ud800", r"\ud800"),
        ("\u3164", r"\u3164"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


# -- GitHub Actions -----------------------------------------------------------------------------------

# What the runner takes for a command: actions/runner, src/Runner.Common/ActionCommand.cs
COMMAND = re.compile(r"^\s*::|##\[", re.MULTILINE)
INJECTIONS = ("::error::x", "  ::stop-commands::x", "\n::add-mask::a", "a ##[group]b", "\u00a0::error::x")


@pytest.mark.parametrize("text", INJECTIONS)
def test_no_text_becomes_a_workflow_command(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    out = io.StringIO()
    write_lines([text], out)
    with ConsoleReporter(out, env={"GITHUB_ACTIONS": "true"}) as reporter:
        reporter.note(text)
    assert not COMMAND.search(out.getvalue())
    render_error(BuildError(text, details=(text,), hint=text), out, env={"GITHUB_ACTIONS": "true"})
    commands = [line for line in out.getvalue().splitlines() if COMMAND.search(line)]
    assert len(commands) == 1
    assert commands[0].startswith("::error::")


def test_an_annotation_cannot_be_left_by_its_own_escapes() -> None:
    problem = ConfigProblem("a:b,c%0A::error::x\n::error::y", 1, 2, "50%\r\nnext %0A::error::z")
    assert github_annotations(ConfigError((problem,))) == [
        r"::error file=a%3Ab%2Cc%250A%3A%3Aerror%3A%3Ax\n%3A%3Aerror%3A%3Ay,line=1,col=2"
        r"::50%25\r%0Anext %250A::error::z"
    ]


def test_a_name_cannot_leave_its_cell_of_the_job_summary() -> None:
    text = table_markdown([ArtifactRow(Path("a`|\n<script>"), 1, "0", 1)])
    assert len(text.splitlines()) == 3
    assert r"| `a\x60\|\n<script>` |" in text


def test_ordinary_text_stays_as_it_is_in_a_log_of_github() -> None:
    assert defused("std::vector: a :: b # [x]") == "std::vector: a :: b # [x]"
