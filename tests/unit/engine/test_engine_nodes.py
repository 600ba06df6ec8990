"""Nodes: their files, the variables that name one, the connection, and what doctor says of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker
import pytest

from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError, HostError, UsageError
from tfbuild.doctor.checks import Status
from tfbuild.doctor.nodes import check_nodes
from tfbuild.engine.elsewhere import RunnerWith
from tfbuild.engine.engine import connect
from tfbuild.engine.facts import EngineFacts, EngineProblem, EngineUnavailable
from tfbuild.engine.nodes import NodeEntry, node_environment, node_word, read_nodes

FACTS = EngineFacts("26.1.5", "1.45", "linux/arm64", 4, 8 << 30, "overlayfs", True, "/d", False)
PI = NodeEntry("pi", Arch.ARM64)


def write(folder: Path, **files: str) -> Path:
    (folder / "nodes").mkdir()
    for name, text in files.items():
        (folder / "nodes" / f"{name}.yaml").write_text(text)
    return folder


def test_a_file_for_each_node_has_the_name_of_its_docker_context(tmp_path: Path) -> None:
    folder = write(tmp_path, pi="arch: arm64\nat_once: 2", big="arch: amd64")
    assert read_nodes(folder) == (NodeEntry("big", Arch.AMD64), NodeEntry("pi", Arch.ARM64, 2))


def test_who_has_no_nodes_needs_no_files(tmp_path: Path) -> None:
    assert read_nodes(None) == read_nodes(tmp_path) == ()


def test_all_that_is_wrong_with_the_files_is_told_at_once(tmp_path: Path) -> None:
    folder = write(tmp_path, a="arch: arm46", b="arch: arm64\nat_once: 0", c="x: 1", d="- 1")
    with pytest.raises(ConfigError) as raised:
        read_nodes(folder)
    assert [(Path(each.path).name, each.line, each.column) for each in raised.value.problems] == [
        ("a.yaml", 1, 7),
        ("b.yaml", 2, 10),
        ("c.yaml", 1, 1),
        ("c.yaml", 1, 1),
        ("d.yaml", 1, 1),
    ]


@pytest.mark.parametrize("word", ["-x", "a b", "x" * 0 + "ü1", "/etc", "a"])
def test_what_cannot_be_a_docker_context_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of a docker context"):
        node_word(word)


def test_a_node_wins_over_every_other_way_to_name_an_engine() -> None:
    assert node_environment("") == {}
    assert node_environment("pi") == {
        "DOCKER_CONTEXT": "pi",
        "DOCKER_HOST": "",
        "DOCKER_TLS_VERIFY": "",
        "DOCKER_CERT_PATH": "",
        "BUILDX_BUILDER": "",
    }


def test_programs_for_a_node_get_its_variables_and_their_own() -> None:
    runner = RecordingRunner([Reply(("docker",))])
    there = RunnerWith(runner, {"A": "1", "B": "1"})
    there.run(["docker"], env={"B": "2"})
    there.capture(["docker"])
    assert [call.env for call in runner.calls] == [{"A": "1", "B": "2"}, {"A": "1", "B": "1"}]


@pytest.mark.parametrize(("address", "by_ssh"), [("ssh://me@pi", True), ("tcp://pi:2376", False)])
def test_a_context_that_is_reached_by_ssh_uses_the_users_own_ssh(
    address: str, by_ssh: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def factory(**options: Any) -> Any:
        asked.update(options)
        return SimpleNamespace(api=SimpleNamespace(api_version="1.45", timeout=0))

    context = SimpleNamespace(name="pi", Host=address)
    monkeypatch.setattr(docker.ContextAPI, "get_context", lambda name: context if name == "pi" else None)
    connect("pi", client_factory=factory, env={"DOCKER_HOST": "tcp://other:1"})
    assert asked["use_ssh_client"] is by_ssh
    assert (asked["environment"]["DOCKER_CONTEXT"], asked["environment"]["DOCKER_HOST"]) == ("pi", "")


def test_a_context_that_is_not_there_is_not_the_own_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docker.ContextAPI, "get_context", lambda name: None)
    with pytest.raises(EngineUnavailable) as raised:
        connect("pi", client_factory=lambda **_: pytest.fail("asked an engine"), env={})
    assert raised.value.problem is EngineProblem.UNREACHABLE
    assert "there is no docker context 'pi'" in raised.value.message
    assert "config.json" in raised.value.details[0]


# -- doctor ---------------------------------------------------------------------------------------------

BUILDER = "Name: pi\nDriver: docker\n\nNodes:\nName: pi\nBuildKit version: {}\nPlatforms: linux/arm64\n"


def checked(
    facts: EngineFacts | HostError,
    monkeypatch: pytest.MonkeyPatch,
    buildkit: str = "v0.13.2",
    error: str = "",
) -> tuple[Status, str, str]:
    def engine(name: str) -> Any:
        assert name == "pi"
        if isinstance(facts, HostError):
            raise facts
        return SimpleNamespace(info=lambda: facts)

    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("tfbuild.engine.docker_cli.executables", _one_docker)
    inspect = BUILDER.format(buildkit) + (f"Error: {error}\n" if error else "")
    replies = [
        Reply(("/bin/docker", "buildx", "version"), stdout="github.com/docker/buildx v0.13.1 x\n"),
        Reply(("/bin/docker", "buildx", "inspect"), stdout=inspect),
    ]
    runner = RecordingRunner(replies)
    (result,) = check_nodes([PI], runner, engine)
    assert all(_names_pi(call.env) for call in runner.calls)
    return result.status, result.found, result.fix


def _one_docker(name: str, _: object) -> tuple[Path, ...]:
    return (Path("/bin/docker"),) if name == "docker" else ()


def _names_pi(env: Mapping[str, str]) -> bool:
    return env["DOCKER_CONTEXT"] == "pi"


def test_a_good_node(monkeypatch: pytest.MonkeyPatch) -> None:
    status, found, _ = checked(FACTS, monkeypatch)
    assert status is Status.OK
    assert found == "pi: Docker Engine 26.1.5, linux/arm64, 4 CPUs, 8.6 GB"


def test_a_node_that_cannot_build_is_a_warning_with_a_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = HostError("it cannot be reached", details=("no route",), hint="docker context ls")
    assert checked(gone, monkeypatch) == (
        Status.WARNING,
        "pi: it cannot be reached; no route",
        "docker context ls",
    )
    status, found, fix = checked(replace(FACTS, os_arch="linux/amd64"), monkeypatch)
    assert (status, "linux/amd64" in found, "nodes/pi.yaml" in fix) == (Status.WARNING, True, True)
    status, found, _ = checked(FACTS, monkeypatch, buildkit="v0.12.0")
    assert (status, "BuildKit is too old" in found) == (Status.WARNING, True)
    status, found, fix = checked(FACTS, monkeypatch, error="no such host")
    assert (status, "does not answer: no such host" in found) == (Status.WARNING, True)
    assert fix == "docker --context pi buildx inspect"
