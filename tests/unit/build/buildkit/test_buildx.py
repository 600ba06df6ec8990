"""docker buildx bake: the command, what is told while it runs, and what its failures are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.plans import PROJECT
from tests.support.reporters import ListReporter
from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.errors import BuildError, HostError, PackagingError, TfBuildError
from tfbuild.build.buildkit.buildx import bake
from tfbuild.engine.docker_cli import DockerCli

CLI = DockerCli(Path("/usr/bin/docker"), ("docker", "buildx"), "0.13.1")
DATA = PROJECT / "tests" / "data"
FAILED = (DATA / "buildkit-failed.rawjson").read_text()
CACHED = (DATA / "buildkit-cached.rawjson").read_text()


def run(
    tmp_path: Path, reply: Reply, failure: type[TfBuildError] = BuildError
) -> tuple[RecordingRunner, ListReporter]:
    runner, reporter = RecordingRunner([reply]), ListReporter()
    bake(
        CLI,
        tmp_path / "bake.json",
        ("image", "smoke"),
        runner=runner,
        reporter=reporter,
        log=tmp_path / "a.log",
        failure=failure,
    )
    return runner, reporter


def test_the_command_names_file_format_and_targets(tmp_path: Path) -> None:
    runner, _ = run(tmp_path, Reply(("docker",), stderr=CACHED))
    (call,) = runner.calls
    file = f"--file={tmp_path / 'bake.json'}"
    assert call.argv == ("docker", "buildx", "bake", file, "--progress=rawjson", "image", "smoke")
    # Newer versions of bake would stop and ask whether they may read our folders.
    assert call.env["BUILDX_BAKE_ENTITLEMENTS_FS"] == "0"


def test_the_log_has_lines_for_people(tmp_path: Path) -> None:
    run(tmp_path, Reply(("docker",), stderr=CACHED))
    text = (tmp_path / "a.log").read_text()
    assert "=> " in text
    assert ": cached\n" in text
    assert not any(line.startswith("{") for line in text.splitlines())


def _log_line(text: str) -> str:
    import base64

    data = base64.b64encode(f"{text}\n".encode()).decode()
    vertex = {"digest": "sha256:1", "name": "RUN make", "started": "2026-01-01T00:00:00Z"}
    log = {"vertex": "sha256:1", "stream": 1, "data": data, "timestamp": "2026-01-01T00:00:00Z"}
    return json.dumps({"vertexes": [vertex], "logs": [log]}) + "\n"


def test_ninjas_progress_and_the_current_activity_are_told(tmp_path: Path) -> None:
    lines = [
        "[3/12] Building CXX object a.cc.o",
        "Setting up libxnnpack-dev:amd64 (1.0) ...",
        "tfbuild: configuring",
        "nothing in particular",
    ]
    _, reporter = run(tmp_path, Reply(("docker",), stderr="".join(map(_log_line, lines))))
    told = [event[1:] for event in reporter.events if event[0] == "progress"]
    assert told[0][:2] == (3, 12)
    assert [current for _, _, current in told[1:]] == ["libxnnpack-dev:amd64", "configuring"]
    assert (tmp_path / "a.log").read_text().count("nothing in particular") == 1


@pytest.mark.parametrize("failure", [BuildError, PackagingError])
def test_a_failed_build_is_the_failure_of_the_step(tmp_path: Path, failure: type[TfBuildError]) -> None:
    with pytest.raises(failure, match="building image, smoke failed") as caught:
        run(tmp_path, Reply(("docker",), returncode=1, stderr=FAILED), failure)
    assert caught.value.log == tmp_path / "a.log"
    assert caught.value.details


@pytest.mark.parametrize(
    "words",
    [
        "ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is it running?",
        "ERROR: failed to connect to the docker API at unix:///var/run/docker.sock",
    ],
)
def test_an_engine_that_goes_away_is_the_hosts_fault(tmp_path: Path, words: str) -> None:
    with pytest.raises(HostError, match="the engine went away") as caught:
        run(tmp_path, Reply(("docker",), returncode=1, stderr=f"{words}\n"))
    assert caught.value.hint == "invoke doctor"


def test_words_that_are_no_json_are_shown(tmp_path: Path) -> None:
    with pytest.raises(BuildError) as caught:
        run(tmp_path, Reply(("docker",), returncode=1, stderr="unknown flag: --file\n"))
    assert any("unknown flag" in line for line in caught.value.details)


def test_a_known_cause_has_its_hint(tmp_path: Path) -> None:
    told = _log_line("c++: fatal error: Killed signal terminated program cc1plus")
    with pytest.raises(BuildError) as caught:
        run(tmp_path, Reply(("docker",), returncode=1, stderr=told))
    assert caught.value.hint is not None
    assert "--jobs" in caught.value.hint
