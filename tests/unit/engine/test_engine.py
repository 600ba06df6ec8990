from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import docker.errors
import pytest

from tfbuild.base.errors import ExitCode, HostError, NothingMatchesError
from tfbuild.engine.engine import DockerEngine, connect
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
from tfbuild.engine.pack import pack_files


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
        self.stdout: list[bytes] = [b"out\xff"]  # one for each time that the log is read; the last one stays
        self.stderr = b"err"
        self.starts = 0
        self.ended: set[str] = set()  # names of servers that are gone

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
        self.starts += 1
        if self.start_error:
            raise self.start_error

    @property
    def state(self) -> Mapping[str, Any]:
        """That of the container's present run: one for each start, and the last one stays."""
        return self.states[min(self.starts, len(self.states)) - 1]

    def inspect_container(self, name: str) -> dict[str, Any]:
        return {"State": EXITED if name in self.ended else self.state}

    def kill(self, name: str) -> None:
        self.killed = True

    def wait(self, name: str, *, timeout: float, condition: str) -> dict[str, Any]:
        """docker-py gives up after ``timeout`` seconds with an error of requests, which is an OSError."""
        assert condition == "not-running"
        assert name in self.present
        if self.state["Status"] == "running":
            time.sleep(timeout)
            raise OSError("Read timed out.")
        return {"StatusCode": self.state["ExitCode"]}

    def logs(self, name: str, *, stdout: bool, stderr: bool, follow: bool) -> bytes:
        assert stdout != stderr
        assert follow
        if stderr:
            return self.stderr
        return self.stdout.pop(0) if len(self.stdout) > 1 else self.stdout[0]

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
    api = FakeApi((EXITED,))
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


def test_who_asks_a_server_that_has_ended_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tfbuild.engine.waiting._LOOK_S", 0.01)
    api = FakeApi((RUNNING,))
    options = RunOptions(timeout_s=600)
    with _engine(api).serve("image", ["serve"], options) as server:
        api.ended = set(api.present)
        result = server.beside(("probe",), 600, speaks=True)
    assert (result.exit_code, result.timed_out, result.repeated) == (137, False, False)
    assert (result.stdout, result.stderr) == ("out\N{REPLACEMENT CHARACTER}", "errthe server has ended")
    assert api.killed
    assert not api.present


WELL = {"Status": "exited", "ExitCode": 0}
SPEAKS = RunOptions(speaks=True)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were asked for; none is made."""
    pauses: list[float] = []
    monkeypatch.setattr("tfbuild.engine.engine.time.sleep", pauses.append)
    return pauses


def _silent(*states: Mapping[str, Any]) -> FakeApi:
    api = FakeApi(states)
    api.stdout, api.stderr = [b""], b""
    return api


def test_output_that_comes_late_is_waited_for(no_pauses: list[float]) -> None:
    api = _silent(WELL)
    api.stdout = [b"", b"", b"answer"]
    result = _engine(api).run_once("image", [], SPEAKS)
    assert (result.exit_code, result.stdout, result.repeated) == (0, "answer", False)
    assert (api.starts, len(no_pauses)) == (1, 2)


@pytest.mark.usefixtures("no_pauses")
def test_a_program_whose_output_was_lost_is_run_once_more() -> None:
    api = _silent(WELL)
    api.stdout = [*[b""] * 6, b"answer"]
    result = _engine(api).run_once("image", [], SPEAKS)
    assert (result.exit_code, result.stdout, result.repeated) == (0, "answer", True)
    assert api.starts == 2
    assert not api.present


def test_silence_ends_after_two_runs_and_a_few_seconds(no_pauses: list[float]) -> None:
    api = _silent(WELL)
    result = _engine(api).run_once("image", [], SPEAKS)
    assert result.silent
    assert result.repeated
    assert api.starts == 2
    assert sum(no_pauses) < 10


@pytest.mark.usefixtures("no_pauses")
def test_a_silent_failure_that_does_not_come_again_stays_a_failure() -> None:
    api = _silent({"Status": "exited", "ExitCode": 139}, WELL)
    api.stdout = [*[b""] * 6, b"answer"]
    result = _engine(api).run_once("image", [], SPEAKS)
    assert (result.exit_code, result.stdout) == (139, "answer")
    assert "exit code 139; a second run succeeded" in result.stderr


def test_a_program_that_may_be_silent_is_not_run_twice(no_pauses: list[float]) -> None:
    api = _silent(WELL)
    assert _engine(api).run_once("image", []).silent
    assert (api.starts, no_pauses) == (1, [])


def test_an_engine_that_is_gone_while_a_container_runs_is_an_error() -> None:
    api = FakeApi((RUNNING,))

    def gone(name: str, **_options: Any) -> dict[str, Any]:
        raise ConnectionRefusedError(111, "refused")

    api.wait = gone  # type: ignore[method-assign]
    with pytest.raises(HostError, match="the engine failed while running"):
        _engine(api).run_once("image", [], RunOptions(timeout_s=60))
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


class TaggingApi(FakeApi):
    """An engine in which a name moves from ``old`` to ``new``, and ``old`` has no other."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__()
        self.labels, self.names, self.removed = labels, {"x": "old", "new": "new"}, list[str]()

    def inspect_image(self, ref: str) -> dict[str, Any]:
        identity = self.names.get(ref, ref)
        tags = [name for name, found in self.names.items() if found == identity]
        return {"Id": identity, "RepoTags": tags, "Config": {"Labels": dict(self.labels)}}

    def remove_image(self, ref: str) -> None:
        self.removed.append(ref)


@pytest.mark.parametrize(("labels", "removed"), [({"tfbuild.build-id": "a"}, ["old"]), ({"maker": "x"}, [])])
def test_an_image_that_loses_its_name_is_removed_only_if_it_is_ours(
    labels: dict[str, str], removed: list[str]
) -> None:
    api = TaggingApi(labels)

    class Images:
        def get(self, ref: str) -> Any:
            class Image:
                def tag(self, repository: str, tag: str) -> None:
                    api.names[repository] = ref

            return Image()

    client = FakeClient(api)
    client.images = Images()  # type: ignore[attr-defined]
    connect(client_factory=lambda **_: client, env={}, which=lambda _: None).tag_image("new", "x")
    assert api.names["x"] == "new"
    assert api.removed == removed


def test_a_context_that_does_not_answer_is_told_by_name() -> None:
    error = classify(
        ConnectionRefusedError(111, "refused"), installed=True, context=("fake", "tcp://127.0.0.1:1")
    )
    assert error.problem is EngineProblem.UNREACHABLE
    assert error.message == "the engine of the docker context 'fake' cannot be reached"
    assert error.details == ("tcp://127.0.0.1:1: Connection refused",)
    assert "docker context use default" in (error.hint or "")


def test_docker_host_counts_before_a_context() -> None:
    error = classify(
        ConnectionRefusedError(111, "refused"),
        installed=True,
        docker_host="tcp://10.0.0.1:2375",
        context=("fake", "tcp://127.0.0.1:1"),
    )
    assert "DOCKER_HOST (tcp://10.0.0.1:2375)" in (error.hint or "")
    assert error.details == ("tcp://10.0.0.1:2375: Connection refused",)


class Counting:
    """A client that cannot count what the engine holds, the first ``failures`` times."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def df(self) -> dict[str, Any]:
        if self.failures:
            self.failures -= 1
            raise docker.errors.NotFound("No such image: sha256:0123")
        return {"Images": [], "BuildCache": []}


def test_what_goes_while_the_engine_counts_does_not_end_the_count() -> None:
    assert DockerEngine(Counting(2)).holds_of_ours() == ()


def test_a_count_that_always_fails_is_told() -> None:
    with pytest.raises((HostError, NothingMatchesError)):
        DockerEngine(Counting(9)).holds_of_ours()
