from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from tfbuild.base.errors import ExitCode, HostError, NothingMatchesError
from tfbuild.engine.engine import DockerEngine, connect, pack_files
from tfbuild.engine.facts import (
    LABEL,
    LABEL_HOST,
    LABEL_PID,
    EngineProblem,
    EngineUnavailable,
    RunOptions,
    classify,
    image_facts,
    is_leftover,
)


def _docker_error(cause: BaseException) -> Exception:
    """The shape in which docker-py hides the errno: in the arguments of a transport error."""
    inner = OSError("Connection aborted.", cause)
    error: Exception = docker.errors.DockerException(
        f"Error while fetching server API version: {inner}", inner
    )
    return error


@pytest.mark.parametrize(
    ("cause", "installed", "host", "problem"),
    [
        (FileNotFoundError(2, "No such file"), False, "", EngineProblem.NOT_INSTALLED),
        (FileNotFoundError(2, "No such file"), True, "", EngineProblem.NOT_RUNNING),
        (ConnectionRefusedError(111, "refused"), True, "", EngineProblem.NOT_RUNNING),
        (PermissionError(13, "denied"), True, "", EngineProblem.PERMISSION),
        (ConnectionRefusedError(111, "refused"), True, "tcp://10.0.0.1:2375", EngineProblem.UNREACHABLE),
        (TimeoutError("slow"), True, "", EngineProblem.UNREACHABLE),
    ],
)
def test_each_reason_has_its_own_error(
    cause: OSError, installed: bool, host: str, problem: EngineProblem
) -> None:
    def factory(**_options: object) -> object:
        raise _docker_error(cause) from cause

    with pytest.raises(EngineUnavailable) as caught:
        connect(
            client_factory=factory,
            env={"DOCKER_HOST": host},
            which=lambda _: "/dockerd" if installed else None,
        )
    assert caught.value.problem is problem
    assert caught.value.exit_code == ExitCode.HOST_NOT_READY
    assert caught.value.hint


def test_no_permission_says_how_to_get_it() -> None:
    error = classify(PermissionError(13, "denied"), installed=True)
    assert "usermod -aG docker" in (error.hint or "")


class FakeApi:
    """Answers as the engine does; remembers what was created and what is still there."""

    base_url = "http+docker://localhost"
    timeout = 0

    def __init__(self, states: tuple[Mapping[str, Any], ...] = (), api_version: str = "1.45") -> None:
        self.api_version = api_version
        self.states = list(states)
        self.created: dict[str, Any] = {}
        self.host_config: dict[str, Any] = {}
        self.present: set[str] = set()
        self.removed_with_volumes: list[bool] = []
        self.start_error: BaseException | None = None
        self.killed = False
        self.listing: list[dict[str, Any]] = []

    def create_host_config(self, **options: Any) -> dict[str, Any]:
        self.host_config = options
        return options

    def create_container(self, image: str, **options: Any) -> None:
        if image == "absent":
            raise docker.errors.ImageNotFound("no such image")
        self.created = options
        self.present.add(options["name"])

    def put_archive(self, name: str, path: str, data: bytes) -> None:
        assert name in self.present
        self.archive = (path, data)

    def start(self, name: str) -> None:
        assert name in self.present
        if self.start_error:
            raise self.start_error

    def inspect_container(self, name: str) -> dict[str, Any]:
        return {"State": self.states.pop(0) if len(self.states) > 1 else self.states[0]}

    def kill(self, name: str) -> None:
        self.killed = True

    def logs(self, name: str, *, stdout: bool, stderr: bool) -> bytes:
        assert stdout != stderr
        return b"out\xff" if stdout else b"err"

    def remove_container(self, name: str, *, v: bool, force: bool) -> None:
        assert force
        self.present.discard(name)
        self.removed_with_volumes.append(v)

    def containers(self, **_options: Any) -> list[dict[str, Any]]:
        return self.listing

    def inspect_image(self, ref: str) -> dict[str, Any]:
        if ref != "x":
            raise docker.errors.ImageNotFound(f"No such image: {ref}")
        return {"Id": "sha256:1"}

    def get_image(self, ref: str) -> Any:
        yield b"half"
        raise OSError("connection reset")


class FakeClient:
    def __init__(self, api: FakeApi) -> None:
        self.api = api


RUNNING = {"Status": "running"}
EXITED = {"Status": "exited", "ExitCode": 3, "OOMKilled": False}


def _engine(api: FakeApi) -> DockerEngine:
    return connect(client_factory=lambda **_: FakeClient(api), env={}, which=lambda _: None)


def test_an_api_that_is_too_old_is_refused() -> None:
    with pytest.raises(EngineUnavailable) as caught:
        _engine(FakeApi(api_version="1.40"))
    assert caught.value.problem is EngineProblem.TOO_OLD
    assert _engine(FakeApi(api_version="1.100"))


def test_a_container_gets_nothing_it_does_not_need_and_is_removed(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("m")
    api = FakeApi((RUNNING, EXITED))
    options = RunOptions(files={"/smoke/model": tmp_path / "model"}, user="1000", platform="linux/arm64")
    result = _engine(api).run_once("image", ["run"], options)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\N{REPLACEMENT CHARACTER}", "err")
    assert api.host_config["network_mode"] == "none"
    assert api.host_config["cap_drop"] == ["ALL"]
    assert api.host_config["read_only"] is True
    assert api.created["labels"][LABEL] == "1"
    assert (api.created["user"], api.created["platform"]) == ("1000", "linux/arm64")
    assert api.archive[0] == "/smoke"
    assert not api.present
    assert api.removed_with_volumes == [True]


def test_a_container_that_does_not_end_is_killed() -> None:
    api = FakeApi((RUNNING,))
    result = _engine(api).run_once("image", [], RunOptions(timeout_s=0))
    assert result.timed_out
    assert result.exit_code == 137
    assert api.killed
    assert not api.present


@pytest.mark.parametrize(("text", "code"), [("exec /x: no such file or directory", 127), ("denied", 126)])
def test_a_program_that_cannot_be_started_is_a_result(text: str, code: int) -> None:
    api = FakeApi((EXITED,))
    api.start_error = docker.errors.APIError("400", explanation=text)
    result = _engine(api).run_once("image", ["/x"])
    assert result.exit_code == code
    assert text in result.stderr
    assert not api.present


def test_an_interrupt_leaves_no_container() -> None:
    api = FakeApi((EXITED,))
    api.start_error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        _engine(api).run_once("image", [])
    assert api.created
    assert not api.present


def test_an_image_that_is_not_there_is_no_fault_of_the_host() -> None:
    with pytest.raises(NothingMatchesError, match="absent for linux/arm64"):
        _engine(FakeApi()).run_once("absent", [], RunOptions(platform="linux/arm64"))


def test_a_broken_save_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="saving the image x"):
        _engine(FakeApi()).save_image("x", tmp_path / "image.tar")
    assert list(tmp_path.iterdir()) == []


def test_saving_an_image_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NothingMatchesError, match="no image absent"):
        _engine(FakeApi()).save_image("absent", tmp_path / "image.tar")


def test_packed_files_keep_their_place_and_their_execute_bit(tmp_path: Path) -> None:
    program, data = tmp_path / "p", tmp_path / "d"
    program.write_bytes(b"p")
    program.chmod(0o700)
    data.write_bytes(b"data")
    data.chmod(0o600)
    packed = pack_files({"/smoke/bin/p": program, "/smoke/bin/d": data}, "/smoke")
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        modes = {m.name: (m.isdir(), m.mode, m.size) for m in archive}
    assert modes == {"bin": (True, 0o755, 0), "bin/d": (False, 0o644, 4), "bin/p": (False, 0o755, 1)}


def test_only_containers_whose_owner_is_gone_are_leftovers() -> None:
    ours = {LABEL: "1", LABEL_PID: "17", LABEL_HOST: "here"}
    assert is_leftover(ours, owner_host="here", alive=lambda _: False)
    assert not is_leftover(ours, owner_host="here", alive=lambda _: True)
    assert not is_leftover(ours, owner_host="elsewhere", alive=lambda _: False)
    assert not is_leftover({**ours, LABEL: ""}, owner_host="here", alive=lambda _: False)
    assert not is_leftover({**ours, LABEL_PID: ""}, owner_host="here", alive=lambda _: False)


def test_other_peoples_containers_are_left_alone() -> None:
    api = FakeApi()
    foreign = {LABEL: "1", LABEL_PID: "1", LABEL_HOST: "another machine"}
    api.listing = [
        {"Id": "a", "Names": ["/a"], "Labels": foreign},
        {"Id": "b", "Names": ["/b"], "Labels": None},
    ]
    assert _engine(api).cleanup_leftovers() == ()
    assert api.removed_with_volumes == []


def test_null_fields_of_an_image_are_empty() -> None:
    facts = image_facts({"Id": "sha256:1", "Config": {"Cmd": None, "Labels": None}, "RepoTags": None})
    assert (facts.command, facts.labels, facts.tags, facts.layers) == ((), {}, (), ())
    facts = image_facts(
        {"Config": {"Entrypoint": ["/x"], "User": "65532"}, "Architecture": "arm64", "Size": 7}
    )
    assert (facts.entrypoint, facts.user, facts.architecture, facts.size) == (("/x",), "65532", "arm64", 7)
