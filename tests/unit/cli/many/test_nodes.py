"""``--on NODE``, and several architectures where the user has nodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.index import StoreEngine
from tests.support.plans import PROJECT
from tests.support.reporters import ListReporter
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ExitCode, HostError
from tfbuild.base.values import Reporter
from tfbuild.build.layout import Layout
from tfbuild.build.matrix.node import arch_of, bring_image, last_node, remember_node, require_arch
from tfbuild.build.run import BuildResult
from tfbuild.cli import build as cli_build
from tfbuild.cli import wiring
from tfbuild.cli.many import engines
from tfbuild.cli.run import BuildOptions, run_command
from tfbuild.engine.facts import EngineFacts
from tfbuild.engine.nodes import NodeEntry
from tfbuild.machine.programs import Captured
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words
from tfbuild.releases.keys import Release

FACTS = EngineFacts("26.1", "1.45", "linux/amd64", 4, 8 << 30, "overlayfs", True, "/d", True)
WORDS = Words(release="2.14.1-debian", sets=("policy=default",), origin="source")


@dataclass
class Nodes:
    """The engine here, and one for each node; commands of builds that end as ``codes`` say, by node."""

    here: StoreEngine
    facts: dict[str, EngineFacts] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    begun: list[tuple[str, str]] = field(default_factory=list)
    built: list[tuple[str, str]] = field(default_factory=list)
    dead: set[str] = field(default_factory=set)

    def connect(self, context: str = "") -> Any:
        if context in self.dead or (context and context not in self.facts):
            raise HostError(f"the engine of the docker context '{context}' cannot be reached")
        return _Asked(self.facts[context]) if context else self.here

    def follow(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        on_line: Callable[[str], None],
        cancelled: Callable[[], bool],
    ) -> Captured:
        del env, on_line, cancelled
        options = dict(word[2:].split("=", 1) for word in argv if word.startswith("--") and "=" in word)
        node = options.get("on", "")
        self.begun.append((options["arch"], node))
        if code := self.codes.get(node, 0):
            self.dead |= {node} - {""}
            error = {"exit_code": code, "message": "it went away", "details": [], "hint": None, "log": None}
            return Captured(code, json.dumps({"version": 1, "error": error}), "")
        return Captured(0, json.dumps({"version": 1, "status": "built"}), "")

    def build(
        self, plan: Plan[Any], release: Release, output: Path, *, offline: bool, reporter: Reporter
    ) -> BuildResult:
        """What finds that all is there."""
        del release, offline, reporter
        self.built.append((plan.build_id, str(plan.root.arch)))
        return BuildResult(False, output, plan.image.tag, self.here.put(plan.arch), (), (), 0.1)


@dataclass
class _Asked:
    facts: EngineFacts

    def info(self) -> EngineFacts:
        return self.facts


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Nodes:
    (tmp_path / "engine").mkdir()
    found = Nodes(StoreEngine(tmp_path / "engine", containerd=True))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TFBUILD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr(engines, "connect", found.connect)
    monkeypatch.setattr(wiring, "connect", found.connect)
    monkeypatch.setattr(wiring, "build", found.build)
    monkeypatch.setattr(SubprocessRunner, "follow", lambda _, *args, **named: found.follow(*args, **named))
    return found


def add(nodes: Nodes, name: str, arch: Arch, text: str = "") -> None:
    nodes.facts[name] = replace(FACTS, os_arch=f"linux/{arch}")
    folder = Path("own") / "tfbuild" / "nodes"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(text or f"arch: {arch}")


def build(arch: str, *, dry_run: bool = False, as_json: bool = False, on: str = "") -> int:
    options = BuildOptions(dry_run=dry_run, json=as_json, on=on)
    return run_command(lambda: cli_build.build("tflite", replace(WORDS, arch=arch), options))


def test_each_architecture_is_built_where_it_is_at_home_and_the_index_here(
    nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    add(nodes, "pi", Arch.ARM64)
    assert build("amd64,arm64", as_json=True) == ExitCode.OK
    assert sorted(nodes.begun) == [("amd64", ""), ("arm64", "pi")]
    document = json.loads(capsys.readouterr().out)
    assert [each["status"] for each in document["builds"]] == ["built", "built"]
    assert [each["arch"] for each in document["images"]] == ["amd64", "arm64"]
    # The plan of the one is that of the node, which builds without crossing.
    assert nodes.built == [
        ("tflite-2.14.1-debian-opt-amd64", "amd64"),
        ("tflite-2.14.1-debian-opt-arm64", "arm64"),
    ]


def test_the_plan_says_which_architecture_builds(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    add(nodes, "pi", Arch.ARM64)
    assert build("amd64,arm64", dry_run=True, as_json=True) == ExitCode.OK
    plans = json.loads(capsys.readouterr().out)["plans"]
    assert [each["root"]["arch"] for each in plans] == ["amd64", "arm64"]
    assert build("arm64", dry_run=True, as_json=True) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["root"]["arch"] == "amd64"
    assert build("arm64", dry_run=True, as_json=True, on="pi") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["root"]["arch"] == "arm64"


def test_the_name_of_a_node_is_in_no_plan(nodes: Nodes, capsys: pytest.CaptureFixture[str]) -> None:
    add(nodes, "one", Arch.ARM64)
    add(nodes, "two", Arch.ARM64)
    keys = set()
    for name in ("one", "two"):
        assert build("arm64", dry_run=True, as_json=True, on=name) == ExitCode.OK
        told = capsys.readouterr().out
        assert name not in told.replace("None", "").split('"')
        keys.add(json.loads(told)["steps"][-1]["key"])
    assert len(keys) == 1


def test_a_node_that_dies_is_named_and_the_build_goes_on_here(
    nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    add(nodes, "pi", Arch.ARM64)
    nodes.codes["pi"] = ExitCode.BUILD_FAILED
    assert build("amd64,arm64") == ExitCode.OK
    assert sorted(nodes.begun) == [("amd64", ""), ("arm64", ""), ("arm64", "pi")]
    told = capsys.readouterr().err
    assert "pi: its engine does not answer any more; what is compiled there is kept" in told
    assert nodes.built[-1] == ("tflite-2.14.1-debian-opt-arm64", "amd64")


@pytest.mark.parametrize("dies", [True, False])
def test_a_node_that_does_not_fit_is_left_out_and_named(
    dies: bool, nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    add(nodes, "pi", Arch.ARM64)
    if dies:
        nodes.dead.add("pi")
    else:
        nodes.facts["pi"] = FACTS
    assert build("amd64,arm64") == ExitCode.OK
    assert sorted(nodes.begun) == [("amd64", ""), ("arm64", "")]
    why = "cannot be reached" if dies else "is for amd64, and the plan is made on arm64"
    told = capsys.readouterr().err
    assert "the node 'pi' is left out" in told
    assert why in told


def test_a_failure_of_one_ends_with_its_exit_code_and_makes_no_index(
    nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    add(nodes, "pi", Arch.ARM64)
    nodes.codes[""] = ExitCode.VERIFICATION_FAILED
    assert build("amd64,arm64") == ExitCode.VERIFICATION_FAILED
    told = capsys.readouterr().err
    assert "error: tflite-2.14.1-debian-opt-amd64: it went away" in told
    assert "no image of several platforms was made" in told
    assert nodes.built == []


def test_a_broken_file_of_a_node_is_told_with_its_place(
    nodes: Nodes, capsys: pytest.CaptureFixture[str]
) -> None:
    add(nodes, "pi", Arch.ARM64, "arch: arm46")
    assert build("amd64,arm64") == ExitCode.USAGE
    assert "nodes/pi.yaml:1:7: expected" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["-x", "a b"])
def test_what_cannot_be_a_node_is_refused(word: str, nodes: Nodes) -> None:
    del nodes
    assert build("amd64", on=word) == ExitCode.USAGE


# -- the parts ----------------------------------------------------------------------------------------------


def result_of(image: str, id: str) -> BuildResult:
    return BuildResult(True, Path("/out"), image, id, (), (), 1.0)


@dataclass
class Store:
    """Images by name, with their ids; an archive is the id of its image. ``shift``: ids of another store."""

    images: dict[str, str] = field(default_factory=dict)
    moved: list[str] = field(default_factory=list)
    shift: str = ""

    def image(self, ref: str) -> Any:
        return SimpleNamespace(id=self.images[ref]) if ref in self.images else None

    def save_image(self, ref: str, path: Path) -> None:
        path.write_text(self.images[ref])

    def load_image(self, path: Path, name: str) -> None:
        self.moved.append(name)
        self.images[name] = path.read_text() + self.shift


def bring(there: Store, here: Store, work: Path) -> ListReporter:
    reporter = ListReporter()
    source: Any = there
    target: Any = here
    bring_image(result_of("i:1", there.images["i:1"]), source, target, work, reporter)
    return reporter


def test_the_image_is_brought_here_once(tmp_path: Path) -> None:
    there, here = Store({"i:1": "sha256:1"}), Store()
    for _ in range(2):
        assert bring(there, here, tmp_path).events == []
    assert (here.images, here.moved) == ({"i:1": "sha256:1"}, ["i:1"])
    assert list(tmp_path.iterdir()) == []


def test_stores_that_name_an_image_differently_are_told(tmp_path: Path) -> None:
    reporter = bring(Store({"i:1": "sha256:1"}), Store(shift="0"), tmp_path)
    assert "their image stores differ" in reporter.of("warn")[0][0]


def test_an_engine_of_another_architecture_is_told_with_the_line_to_write() -> None:
    assert arch_of(FACTS) is Arch.AMD64
    require_arch(FACTS, NodeEntry("big", Arch.AMD64))
    with pytest.raises(HostError) as raised:
        require_arch(FACTS, NodeEntry("pi", Arch.ARM64))
    assert "arch: amd64" in str(raised.value.hint)
    with pytest.raises(HostError, match="s390x"):
        arch_of(replace(FACTS, os_arch="linux/s390x"))


def test_the_node_of_the_last_build_is_remembered(tmp_path: Path) -> None:
    layout = Layout(PROJECT, tmp_path, "tflite-1-opt-arm64")
    assert last_node(layout) is None
    for name in ("pi", ""):
        remember_node(layout, name)
        assert last_node(layout) == name
