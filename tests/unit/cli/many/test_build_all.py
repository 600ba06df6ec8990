"""``invoke build-all`` as it is typed: its table, its documents, its exit code."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.commands import Acts, run_invoke
from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ExitCode
from tfbuild.build import execute
from tfbuild.build.earlier import there
from tfbuild.build.matrix.hits import CacheHits, cache_hits
from tfbuild.build.matrix.run import Ended
from tfbuild.build.matrix.schedule import Job, Node, Placed
from tfbuild.build.run import BuildResult
from tfbuild.cli.many import engines
from tfbuild.cli.many.children import Children, Command, command_line, environment
from tfbuild.engine.facts import EngineFacts
from tfbuild.machine.programs import Captured
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words

MATRIX = """\
matrix:
  - products: [tflite]
    releases: [2.14.1-debian]
    configs: [opt, size]
builds:
  trainer: {product: keras, app: train, name: t}
"""


class InfoEngine:
    """An engine that tells its facts, and that it was asked."""

    def info(self) -> EngineFacts:
        return EngineFacts("26.1", "1.45", "linux/amd64", 4, 8 << 30, "overlayfs", True, "/d", True)


@dataclass
class Machine:
    """Commands that answer as ``answers`` says, by the last part of their build's name."""

    folder: Path
    answers: dict[str, tuple[int, Mapping[str, Any]]] = field(default_factory=dict)
    begun: list[tuple[str, ...]] = field(default_factory=list)

    def follow(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> Captured:
        del env, cancelled
        words = tuple(argv[4:])
        assert argv[1:4] == ("-m", "invoke", f"--search-root={PROJECT}")
        self.begun.append(words)
        on_line("ok      [1/7] fetch")
        code, document = next(
            (answer for word, answer in self.answers.items() if word in words), (0, self.result(words))
        )
        return Captured(code, json.dumps(document), "")

    def result(self, words: Sequence[str]) -> dict[str, Any]:
        options = dict(word[2:].split("=", 1) for word in words if "=" in word)
        output = self.folder / options.get("name", options.get("config", "opt"))
        (output / "logs").mkdir(parents=True)
        (output / "logs" / "03-builder.log").write_text("=> a\n<= a: cached\n<= b: done\n")
        artifact = {"path": str(output / "lib.so"), "size": 1000, "sha256": "1" * 64}
        return {"version": 1, "status": "built", "output": str(output), "artifacts": [artifact]}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    machine = Machine(tmp_path / "made")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr(SubprocessRunner, "follow", lambda _, *args, **named: machine.follow(*args, **named))
    monkeypatch.setattr(engines, "connect", InfoEngine)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "main.py").write_text("")
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    return machine


def build_all(*words: str) -> int:
    return run_invoke("--search-root", str(PROJECT), "build-all", "matrix.yaml", *words)


def schema(name: str) -> Any:
    return json.loads((PROJECT / "schemas" / f"{name}.schema.json").read_text())


FAILED = (
    6,
    {
        "version": 1,
        "error": {
            "exit_code": 6,
            "message": "the compile failed",
            "details": [],
            "problems": [],
            "hint": "less",
            "log": "/l",
        },
    },
)


def test_every_build_is_the_command_that_a_user_would_type(machine: Machine, tmp_path: Path) -> None:
    assert build_all("--offline", "--output", "out") == ExitCode.OK
    assert len(machine.begun) == 3
    by_config = {
        word: words for words in machine.begun for word in words if word.startswith(("--config", "--name"))
    }
    assert by_config["--config=size"] == (
        "build-tflite",
        "--release=2.14.1-debian",
        "--config=size",
        "--arch=amd64",
        "--from=source",
        f"--output={tmp_path / 'out'}",
        "--jobs=1",
        "--offline",
        "--json",
    )
    assert by_config["--name=t"] == (
        "build-keras",
        "--release=2.21.0",
        "--arch=amd64",
        "--app=train",
        "--name=t",
        f"--output={tmp_path / 'out'}",
        "--offline",
        "--json",
    )


def test_one_table_at_the_end(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    del machine
    assert build_all() == ExitCode.OK
    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert lines[0].split() == ["build", "artifacts", "size", "time", "cached", "on", "verdict"]
    assert [line.split()[0] for line in lines[1:4]] == [
        "tflite-2.14.1-debian-opt-amd64",
        "tflite-2.14.1-debian-size-amd64",
        "trainer",
    ]
    assert lines[3].split()[1:4] == ["lib.so", "1.0", "kB"]
    assert lines[3].endswith("1 of 2 steps  here  built")
    assert lines[-1].startswith("3 built in ")
    assert "trainer                         | ok      [1/7] fetch" in told.err


def test_a_failure_is_told_and_decides_the_exit_code(
    machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    machine.answers["--config=size"] = FAILED
    assert build_all("--keep-going", "--junit", "report.xml", "--json") == ExitCode.BUILD_FAILED
    told = capsys.readouterr()
    assert "error: tflite-2.14.1-debian-size-amd64: the compile failed\nhint: less\nlog: /l\n" in told.err
    document = json.loads(told.out)
    jsonschema.validate(document, schema("build-all"))
    assert [row["verdict"] for row in document["builds"]] == ["built", "failed", "built"]
    assert document["exit_code"] == 6
    root = ET.parse(tmp_path / "report.xml").getroot()
    assert (root.attrib["tests"], root.attrib["failures"]) == ("3", "1")
    assert [case.attrib["name"] for case in root.iter("testcase") if case.find("failure") is not None] == [
        "tflite-2.14.1-debian-size-amd64"
    ]


def test_what_was_not_started_is_neither_good_nor_bad(
    machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    machine.answers["--config=opt"] = FAILED
    assert build_all("--at-once", "1", "--junit", "report.xml") == ExitCode.BUILD_FAILED
    assert len(machine.begun) == 1
    assert "1 failed, 2 not started in" in capsys.readouterr().out
    assert ET.parse(tmp_path / "report.xml").getroot().attrib["skipped"] == "2"


def test_what_is_up_to_date_is_not_built_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def done(plan: Plan[Any], _: object, output: Path, *__: object) -> BuildResult | None:
        # The image of the other one is gone.
        return (
            BuildResult(False, output, plan.image.tag, "i", (), (), 0.1) if "size" in plan.build_id else None
        )

    monkeypatch.setattr(there, "is_finished", lambda _, build_id, __: "tflite" in build_id)
    monkeypatch.setattr(execute, "finished", done)
    assert build_all("--json") == ExitCode.OK
    rows = json.loads(capsys.readouterr().out)["builds"]
    assert [row["verdict"] for row in rows] == ["built", "up-to-date", "built"]
    assert [row["cache"] is None for row in rows] == [False, True, False]
    assert len(machine.begun) == 2
    assert build_all("--dry-run") == ExitCode.OK
    assert "3: 1 to build, 2 up to date" in capsys.readouterr().out


def test_a_report_of_something_else_is_not_replaced(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "report.xml").write_text("<mine/>")
    assert build_all("--junit", "report.xml") == ExitCode.USAGE
    assert (machine.begun, (tmp_path / "report.xml").read_text()) == ([], "<mine/>")


def test_a_child_that_says_nothing_is_a_bug(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    machine.answers["--config=size"] = (139, {})
    assert build_all("--keep-going") == ExitCode.BUG
    assert "it ended with exit code 139" in capsys.readouterr().err


def test_the_plan_is_one_table_and_one_document(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert build_all("--dry-run") == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line] == [
        "build",
        "tflite-2.14.1-debian-opt-amd64",
        "tflite-2.14.1-debian-size-amd64",
        "trainer",
        *("builds", "steps", "downloads", "disk"),
    ]
    assert build_all("--dry-run", "--json") == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, schema("matrix-plan"))
    assert [row["state"] for row in document["builds"]] == ["to-build"] * 3
    assert machine.begun == []


def test_what_is_wrong_is_told_with_file_line_and_column(
    machine: Machine, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "matrix.yaml").write_text(
        "matrix:\n  - {products: [tflite, tflit], configs: [optt]}\n"
        "builds:\n  b: {product: tflite, app: train}\n"
    )
    assert build_all() == ExitCode.USAGE
    told = capsys.readouterr().err
    assert "matrix.yaml:2:25: unknown product 'tflit'; did you mean 'tflite'?" in told
    assert "matrix.yaml:2:43: unknown config 'optt'" in told
    assert "matrix.yaml:4:24: a build of this product takes no 'app'" in told
    assert machine.begun == []


@pytest.mark.parametrize(
    ("words", "code"), [(("--at-once", "0"), 2), (("--at-once", "x"), 2), (("--tag", "x"), 2)]
)
def test_wrong_options(words: tuple[str, ...], code: int, machine: Machine) -> None:
    assert build_all(*words) == code
    assert machine.begun == []


def test_without_an_engine_nothing_begins(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    acts = Acts()
    acts.refuse(monkeypatch)
    assert build_all() == ExitCode.HOST_NOT_READY
    assert (acts.begun, machine.begun) == (["connect"], [])


def test_a_value_that_begins_with_a_dash_stays_a_value() -> None:
    words = Words(release="1", sets=("a=-b", "-c=d"))
    line = command_line(Command("tflite", words, takes_jobs=True, takes_from=True), 3, "pi")
    assert line == (
        "build-tflite",
        "--release=1",
        "--jobs=3",
        "--on=pi",
        "--set=a=-b",
        "--set=-c=d",
        "--json",
    )


def ended(code: int, message: str = "m", *details: str, answers: bool = True) -> Ended:
    error = {"exit_code": code, "message": message, "details": list(details), "hint": "h", "log": None}
    captured = Captured(code, json.dumps({"version": 1, "error": error}), "")
    children = Children(
        {"a": Command("tflite", Words(), takes_jobs=True, takes_from=True)},
        tell=lambda _: None,
        answers=lambda _: answers,
        follow=lambda *_, **__: captured,
    )
    node = Node("pi", Arch.ARM64, 4, 8 << 30)
    job = Job("a", Arch.ARM64, "a", 1 << 30, frozenset({Arch.ARM64}))
    return children(Placed(job, node, 2), threading.Event())


def test_a_failure_is_the_nodes_where_it_is_gone_full_or_not_ready() -> None:
    assert ended(6).away == ""
    for text in ("x: No space left on device", "write /usr/lib/x: no space left on device"):
        assert ended(6, "m", text).away == "its disk is full"
    assert ended(4, "too old").away == "it is not ready: too old"
    gone = ended(6, answers=False)
    assert (gone.away, gone.lost, gone.code) == ("its engine does not answer any more", True, 6)
    assert (ended(6).message, ended(6).hint, ended(6).log) == ("m", "h", "")


def test_a_build_runs_this_very_program() -> None:
    found = environment({"PYTHONPATH": "/mine"})
    assert found["PYTHONPATH"].split(":") == [str(PROJECT), "/mine"]


def test_cache_hits_are_counted_in_the_logs() -> None:
    assert cache_hits(["<= a: cached\n<= b: done\n", "<= c: cached\nx <= d: done\n"]) == CacheHits(
        cached=2, steps=3
    )
    assert cache_hits(["", "<= a: failed: x\n"]) is None


@pytest.mark.parametrize(
    ("log", "found", "compiles"),
    [
        ("tfbuild: ccache: 3 hits, 7 misses\n", 3, 10),
        # What ccache has not goes to the cluster.
        ("tfbuild: ccache: 3 hits, 7 misses\ntfbuild: remote: 5 cache hits, 2 executed there, 0\n", 8, 10),
        (
            "INFO: 9 processes: 9 internal.\nINFO: 25 processes: 1 internal, 20 remote cache hit, 4 local.\n",
            20,
            24,
        ),
        ("INFO: 3 processes: 2 disk cache hit, 1 internal.\n", 2, 2),
        ("nothing was compiled\n", 0, 0),
    ],
)
def test_what_compilers_did_not_have_to_do_is_counted(log: str, found: int, compiles: int) -> None:
    hits = cache_hits(["<= a: done\n", log])
    assert hits
    assert (hits.found, hits.compiles) == (found, compiles)
    assert hits.text == "0 of 1 steps" + (f", {found} of {compiles} compiles" if compiles else "")
