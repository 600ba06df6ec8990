"""``compare``, ``report``, ``benchmark``, ``run``, ``shell``: what a word names, what is told and refused."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

# urllib3 opens a socket when it is imported, which no test may do: before the tests.
from tests.support.builds import Build
from tests.support.commands import run_invoke
from tests.support.compared import ELF
from tests.support.plans import PROJECT
from tfbuild.build.layout import Layout
from tfbuild.cli import wiring
from tfbuild.cli.guide.values import values_of
from tfbuild.cli.trying import shell as shell_command
from tfbuild.engine.attended import Attention, follow, port_bindings, published
from tfbuild.engine.facts import ImageFacts, RunOptions, RunResult, image_facts

Captured = pytest.CaptureFixture[str]
BUILD = "tflite-2.14.1-debian-opt-amd64"
PRINTED = (
    "INFO: Inference timings in us: Init: 2000, x, Inference (avg): 1500\n"
    "INFO: Memory footprint delta (MB): init=1 overall=2\n"
)


class FakeEngine:
    """Has one image, and answers for each container."""

    def __init__(self, *names: str, entrypoint: str = "/usr/bin/benchmark_model", build: str = BUILD) -> None:
        self.names = names
        self.build = build
        self.entrypoint = entrypoint
        self.ran: list[tuple[str, ...]] = []
        self.code = 0
        self.ports: dict[int, int] | None = None

    def image(self, ref: str) -> ImageFacts | None:
        if ref not in self.names:
            return None
        config = {"Entrypoint": self.entrypoint.split(), "Labels": {"tfbuild.build-id": self.build}}
        return image_facts({"Id": self.names[0], "RepoTags": list(self.names), "Config": config})

    def run_once(self, image: str, command: Sequence[str], options: RunOptions) -> RunResult:
        self.ran.append(tuple(command))
        return RunResult(0, "", PRINTED)

    def attend(self, image: str, command: Sequence[str], options: RunOptions, attention: Attention) -> int:
        self.ran.append(tuple(command))
        ports = dict.fromkeys(attention.ports, 40000) if self.ports is None else self.ports
        attention.on_start("tfbuild-1", ports)
        attention.on_line("it says so")
        return self.code

    def cleanup_leftovers(self) -> tuple[str, ...]:
        return ()

    def remove_image(self, ref: str) -> bool:
        return True


@pytest.fixture
def dist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one finished build, and a cache of its own."""
    build = Build(tmp_path / "built")
    build.run()
    folder = tmp_path / "dist"
    shutil.copytree(build.output, folder / "tflite" / "2.14.1-debian" / "opt" / "amd64")
    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks.py").write_text("from tfbuild.tasks import *\n")
    return folder


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeEngine], FakeEngine]:
    def set_engine(engine: FakeEngine) -> FakeEngine:
        monkeypatch.setattr(wiring, "engine", lambda: engine)
        return engine

    return set_engine


@pytest.fixture
def model(tmp_path: Path) -> str:
    path = tmp_path / "m.tflite"
    path.write_bytes(b"\x1c\x00\x00\x00TFL3")
    return str(path)


def image_id(dist: Path) -> str:
    manifest = json.loads(next(dist.glob("*/*/*/*/manifest.json")).read_text())
    return str(manifest["image"]["id"])


def document(capsys: Captured, name: str) -> dict[str, Any]:
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, json.loads((PROJECT / "schemas" / f"{name}.schema.json").read_text()))
    assert isinstance(found, dict)
    return found


def test_a_build_is_named_by_its_id_or_its_folder(dist: Path, capsys: Captured) -> None:
    folder = next(dist.glob("*/*/*/amd64"))
    assert run_invoke("compare", BUILD, str(folder), str(ELF / "good.so"), "--json") == 0
    first, second, third = document(capsys, "compare")["subjects"]
    assert [first["name"], second["name"]] == [BUILD, str(folder)]  # the same one: called as it was typed
    assert first["files"] == second["files"]
    assert first["flags"]
    assert third["kind"] == "shared library"


def test_a_page_is_written_and_nothing_else_is_replaced(dist: Path, tmp_path: Path, capsys: Captured) -> None:
    page = tmp_path / "page.html"
    for _ in range(2):
        assert run_invoke("compare", BUILD, str(ELF / "good.so"), "--html", str(page)) == 0
    assert page.read_text().startswith("<!doctype html>")
    page.write_text("somebody's own")
    assert run_invoke("report", BUILD, "--html", str(page)) == 2
    assert page.read_text() == "somebody's own"
    page.unlink()
    assert run_invoke("report", BUILD, "--html", str(page), "--output", str(dist)) == 0
    assert "Timeline of the steps" in page.read_text()


def test_a_report_tells_of_one_build(dist: Path, capsys: Captured) -> None:
    assert run_invoke("report", BUILD, "--json") == 0
    found = document(capsys, "report")["build"]
    assert {step["id"] for step in found["steps"]} >= {"fetch", "compile", "verify"}
    assert found["smoke"]
    assert run_invoke("report", "tflite-2.14.1-debian-optt-amd64") == 3
    assert f"did you mean '{BUILD}'" in capsys.readouterr().err


def test_a_configuration_is_built_where_it_is_missing(
    dist: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    asked = []

    def build_plan(plan: Any, release: Any, **options: Any) -> None:
        asked.append(plan.build_id)

    monkeypatch.setattr(wiring, "build_plan", build_plan)
    assert run_invoke("compare", "opt", "--arch", "amd64", "--json") == 0
    assert asked == [BUILD]
    assert document(capsys, "compare")["subjects"][0]["name"] == BUILD
    # All plans are made first.
    assert run_invoke("compare", "opt", "size", "--release", "9.9") == 3
    assert asked == [BUILD]


def test_a_word_that_names_nothing_is_told_before_anything_is_built(
    dist: Path,
    use: Callable[[FakeEngine], FakeEngine],
    monkeypatch: pytest.MonkeyPatch,
    capsys: Captured,
) -> None:
    use(FakeEngine())
    monkeypatch.setattr(wiring, "build_plan", lambda *_, **__: pytest.fail("something was built"))
    assert run_invoke("compare", "opt", "szie") == 3
    assert "'szie' is no configuration, build, file or image; did you mean 'size'?" in capsys.readouterr().err


def test_figures_are_kept_and_compare_reads_them(
    dist: Path, model: str, use: Callable[[FakeEngine], FakeEngine], capsys: Captured
) -> None:
    engine = use(FakeEngine(image_id(dist), "tfbuild/tflite:2.14.1-debian-opt-amd64"))
    assert (
        run_invoke("benchmark", BUILD, "--model", model, "--threads", "1,3", "--rounds", "2", "--json") == 0
    )
    assert len(engine.ran) == 4
    series = document(capsys, "benchmark")["series"]
    assert [(each["threads"], each["latency_ms"]["median"]) for each in series] == [(1, 1.5), (3, 1.5)]
    assert run_invoke("compare", BUILD) == 0
    assert "m.tflite, 3 threads: ms" in capsys.readouterr().out
    assert len(engine.ran) == 4


def test_compare_measures_what_can_be_measured_and_tells_the_rest(
    dist: Path, model: str, use: Callable[[FakeEngine], FakeEngine], capsys: Captured
) -> None:
    use(FakeEngine(image_id(dist)))
    words = ("--model", model, "--threads", "1", "--rounds", "1")
    assert run_invoke("compare", BUILD, str(ELF / "good.so"), *words) == 0
    told = capsys.readouterr()
    assert "m.tflite, 1 thread: ms" in told.out
    assert "not measured" in told.err
    assert run_invoke("compare", str(ELF / "good.so"), *words) == 2


@pytest.mark.parametrize(
    "words",
    [
        ("compare",),
        ("compare", "@ELF", "--threads", "1"),
        ("compare", "@ELF", "--model", "@MODEL", "--threads", "0"),
        ("compare", "@ELF", "--model", "@MODEL", "--rounds", "1,2"),
        ("compare", "@ELF", "--html", "/nope/x.html"),
        ("benchmark", BUILD),
        ("benchmark", BUILD, "--model", "/nope.tflite"),
        ("run", BUILD, "--model", "/nope.tflite"),
        ("run", "@ELF"),
    ],
)
def test_a_wrong_word_is_told_before_anything_starts(words: tuple[str, ...], dist: Path, model: str) -> None:
    given = [word.replace("@ELF", str(ELF / "good.so")).replace("@MODEL", model) for word in words]
    assert run_invoke(*given) == 2


def test_run_says_how_to_call_it_and_passes_its_output_on(
    dist: Path, model: str, use: Callable[[FakeEngine], FakeEngine], capsys: Captured
) -> None:
    engine = use(FakeEngine(image_id(dist)))
    assert run_invoke("run", BUILD, "--model", model) == 0
    told = capsys.readouterr()
    assert told.out == "it says so\n"
    assert "docker run --rm" in told.err
    assert run_invoke("run", BUILD, "--model", model, "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["host"] == "127.0.0.1"
    assert "it says so" in captured.err
    engine.code = 1
    assert run_invoke("run", BUILD, "--model", model) == 6
    engine.code = 143  # somebody stopped it
    assert run_invoke("run", BUILD, "--model", model) == 0


def test_a_server_that_ends_at_once_says_why_and_not_how_to_call_it(
    dist: Path, use: Callable[[FakeEngine], FakeEngine], capsys: Captured
) -> None:
    """The engine tells no ports of a container that has ended."""
    version = Path("m") / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"\x12\x00")
    engine = use(FakeEngine("server:1", entrypoint="/usr/bin/tf_serving_entrypoint.sh", build=""))
    assert run_invoke("run", "server:1", "--model", "m", "--json") == 0
    shown = document(capsys, "run")
    assert [each["host"] for each in shown["ports"]] == [40000, 40000]
    engine.ports = {}
    assert run_invoke("run", "server:1", "--model", "m", "--json") == 0
    shown = document(capsys, "run")
    assert (shown["container"], shown["ports"], shown["calls"]) == ("", [], [])
    engine.code = 255
    assert run_invoke("run", "server:1", "--model", "m") == 6
    told = capsys.readouterr()
    assert told.out == "it says so\n"
    assert "ended with exit code 255" in told.err
    assert "curl" not in told.err


def test_an_image_that_is_gone_or_unknown_is_told(
    dist: Path, model: str, use: Callable[[FakeEngine], FakeEngine], capsys: Captured
) -> None:
    use(FakeEngine("other:1", entrypoint="/bin/sh"))
    assert run_invoke("run", BUILD, "--model", model) == 3
    assert "not in the engine any more" in capsys.readouterr().err
    assert run_invoke("run", "nothing:1", "--model", model) == 3


def test_a_shell_needs_a_terminal_or_a_command(dist: Path, capsys: Captured) -> None:
    assert run_invoke("shell", BUILD) == 2
    assert "--command" in capsys.readouterr().err


def test_a_shell_takes_the_build_that_was_started_last(tmp_path: Path) -> None:
    for number, name in enumerate(("tflite-1.0-a-amd64", "tflite-1.0-b-amd64")):
        folder = tmp_path / "state" / name
        folder.mkdir(parents=True)
        (folder / "bake.json").write_text("{}")
        os.utime(folder / "bake.json", (number, number))
    assert shell_command.layout_of("", tmp_path) == Layout(PROJECT, tmp_path, "tflite-1.0-b-amd64")
    assert shell_command.layout_of("tflite-1.0-a-amd64", tmp_path).build_id == "tflite-1.0-a-amd64"


def test_output_is_passed_on_line_by_line_however_it_comes() -> None:
    lines: list[str] = []
    follow([b"a\nb", b"c\xc3", b"\xbc\r\n\n", b"1\tend"], lines.append)
    assert lines == ["a", "bcü", "", "1       end"]


def test_ports_are_reachable_from_this_machine_alone() -> None:
    assert port_bindings([8501]) == {8501: ("127.0.0.1", None)}
    state: Mapping[str, Any] = {
        "NetworkSettings": {"Ports": {"8501/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4"}], "1/tcp": None}}
    }
    assert published(state) == {8501: 4}
    assert published({}) == {}


def test_a_shell_completes_builds_and_configurations(dist: Path) -> None:
    assert values_of("run", "--target", {}, "") == [BUILD]
    assert {BUILD, "opt"} <= set(values_of("compare", "--target", {}, ""))
    assert values_of("report", "--build", {"--output": "nowhere"}, "") == []
    assert values_of("verify", "--target", {}, "") == ()
