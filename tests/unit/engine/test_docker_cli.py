from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.errors import ExitCode, HostError
from tfbuild.engine.docker_cli import (
    Builder,
    buildkit_is_new_enough,
    find_docker_cli,
    parse_builder,
    parse_version,
)

INSPECT = """Name:          default
Driver:        docker
Last Activity: 2026-11-20 08:09:33 +0000 UTC

Nodes:
Name:             default
Endpoint:         default
Status:           running
BuildKit version: v0.0.0+unknown
Platforms:        linux/amd64*, linux/amd64/v2
Labels:
 org.mobyproject.buildkit.worker.network: host
"""


def _program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    path.chmod(0o755)
    return path


def _buildx(program: Path | str, version: str, *words: str) -> Reply:
    return Reply((str(program), *words, "version"), stdout=f"github.com/docker/buildx {version} abc\n")


def _env(tmp_path: Path) -> dict[str, str]:
    return {"PATH": f"{tmp_path}/a:{tmp_path}/b", "HOME": str(tmp_path / "home")}


def test_a_client_that_does_not_see_buildx_is_passed_over(tmp_path: Path) -> None:
    first, second = _program(tmp_path / "a/docker"), _program(tmp_path / "b/docker")
    runner = RecordingRunner(
        [
            Reply((str(first),), returncode=1, stderr="docker: unknown command: docker buildx"),
            _buildx(second, "0.13.1+ds1", "buildx"),
        ]
    )
    found = find_docker_cli(runner, env=_env(tmp_path), plugin_folders=())
    assert found.docker == second
    assert found.buildx == (str(second), "buildx")
    assert found.version == (0, 13, 1)
    assert str(first) in found.passed_over[0]


def test_an_old_buildx_in_the_users_folder_does_not_hide_the_systems_plugin(tmp_path: Path) -> None:
    client = _program(tmp_path / "a/docker")
    plugin = _program(tmp_path / "plugins/docker-buildx")
    runner = RecordingRunner([_buildx(client, "v0.10.5", "buildx"), _buildx(plugin, "v0.14.0")])
    found = find_docker_cli(runner, env=_env(tmp_path), plugin_folders=(str(tmp_path / "plugins"),))
    assert found.buildx == (str(plugin),)
    assert found.docker == client


def test_two_names_of_one_client_are_asked_once(tmp_path: Path) -> None:
    first = _program(tmp_path / "a/docker")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/docker").symlink_to(first)
    runner = RecordingRunner([Reply((str(first),), returncode=1)])
    with pytest.raises(HostError) as caught:
        find_docker_cli(runner, env=_env(tmp_path), plugin_folders=())
    assert len(runner.calls) == 1
    assert caught.value.exit_code == ExitCode.HOST_NOT_READY
    assert caught.value.message == "there is no buildx"


def test_too_old_is_told_from_missing(tmp_path: Path) -> None:
    client = _program(tmp_path / "a/docker")
    runner = RecordingRunner([_buildx(client, "v0.12.1", "buildx")])
    with pytest.raises(HostError, match="too old") as caught:
        find_docker_cli(runner, env=_env(tmp_path), plugin_folders=())
    assert "0.12.1" in caught.value.details[0]


def test_builder_of_debians_package() -> None:
    builder = parse_builder(INSPECT)
    assert builder == Builder("default", "docker", "v0.0.0+unknown", ("linux/amd64", "linux/amd64/v2"))


def test_builder_that_does_not_answer() -> None:
    text = "Name:   default\nDriver: \nError:  Cannot connect to the Docker daemon at unix:///x\n"
    assert parse_builder(text).error.startswith("Cannot connect")


@pytest.mark.parametrize(
    ("driver", "buildkit", "engine", "verdict"),
    [
        ("docker", "v0.0.0+unknown", "26.1.5+dfsg1", True),
        ("docker", "v0.0.0+unknown", "25.0.3", False),
        ("docker", "v0.0.0+unknown", "20.10.24+dfsg1", False),
        ("docker", "v0.12.5", "26.1.0", False),
        ("docker", "v0.13.0-rc3", "26.0.0", True),
        ("docker-container", "v0.16.0", "20.10.24", True),
        ("docker-container", "", "26.1.5", None),
        ("docker", "", "library-import", None),
        ("docker", "v1.0.0", "30.0", True),
    ],
)
def test_is_buildkit_new_enough(driver: str, buildkit: str, engine: str, verdict: bool | None) -> None:
    assert buildkit_is_new_enough(Builder("b", driver, buildkit, ()), engine) is verdict


@given(
    st.tuples(st.integers(0, 999), st.integers(0, 999), st.integers(0, 999)),
    st.sampled_from(["", "+ds1", "-rc1"]),
)
def test_versions_keep_their_numbers(numbers: tuple[int, int, int], suffix: str) -> None:
    text = ".".join(map(str, numbers)) + suffix
    assert parse_version(text) == parse_version(f"v{text}") == numbers


@given(st.text())
def test_any_inspection_is_survived(text: str) -> None:
    assert isinstance(parse_builder(text), Builder)
