"""Engine tests: real builds, run as a user runs them. One build per architecture serves a whole session."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support.archives import pack_miniatures
from tests.support.debian_registry import DebianRegistry, make_root, running
from tests.support.linked import LINKED, Build, Linked, manifest_of
from tests.support.serving import MINIATURE, Serve, mirrors_of, words_of
from tests.support.tflite_mini import Miniature, make_miniature
from tfbuild.base.errors import HostError
from tfbuild.engine.docker_cli import DockerCli, find_docker_cli
from tfbuild.engine.engine import DockerEngine, connect
from tfbuild.machine.cache import cache_root
from tfbuild.machine.interrupts import install_signal_handlers
from tfbuild.machine.locks import hold
from tfbuild.machine.programs import Captured
from tfbuild.machine.runner import SubprocessRunner

PROJECT = Path(__file__).resolve().parents[2]
RELEASE = "2.14.1-debian"
_ROOM = 30 << 30  # bytes; what the largest group writes


# Their tests use the builds of this file, or begin from what those compiled. Each other file is a group.
# Groups run side by side, each with builds, tags and folders of its own.
_TFLITE = frozenset(
    {
        "test_application",
        "test_continuing",
        "test_offline",
        "test_several",
        "test_tflite_build",
        "test_tflite_models",
        "test_trying",
    }
)
# The same for the miniature that is linked with a wheel.
_LINKED = frozenset({"test_serving_drop_in", "test_serving_wheel"})
# They have one registry.
_REGISTRY = frozenset({"test_registry", "test_shared_layers"})
# As `pytest --durations=0` tells; the order matters, the exact times do not.
_LONGEST = (
    "tflite",
    "linked",
    "tflite-arm64",
    "test_upstream_build",
    "test_serving_build",
    "test_keras",
    "test_tflite_python",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ours = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
    for item in ours:
        item.add_marker(pytest.mark.engine)
    # The longest groups begin first, so that none of them is left alone at the end.
    place = {group: number for number, group in enumerate(_LONGEST)}
    ours.sort(key=lambda item: place.get(_group_of(item.nodeid), len(place)))
    items[:] = [*ours, *(item for item in items if item not in set(ours))]


def _group_of(nodeid: str) -> str:
    name = Path(nodeid.partition("::")[0]).stem
    if name in _LINKED:
        return "linked"
    if name in _REGISTRY:
        return "registry"
    if name not in _TFLITE:
        return name
    # Nobody else builds for arm64 but the test of both together, which waits for its lock.
    return "tflite-arm64" if "[arm64" in nodeid else "tflite"


class _Groups(LoadScopeScheduling):  # type: ignore[misc]
    """A group stays in one process. xdist's own marks for that are lost with pytest 9.2."""

    def _split_scope(self, nodeid: str) -> str:
        return _group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    return _Groups(config, log) if config.getoption("dist") == "loadscope" else None


@dataclass(frozen=True)
class Built:
    """A finished build and how the command ended."""

    arch: str
    folder: Path
    image: str
    manifest: dict[str, Any]
    result: dict[str, Any]

    @property
    def build_id(self) -> str:
        return f"tflite-{RELEASE}-opt-{self.arch}"

    @contextmanager
    def held(self) -> Iterator[Path]:
        """The build's folder in the cache, under the build's lock.

        A test in another process may build the same again, which begins with an empty folder.
        """
        cache = cache_root(os.environ)
        lock = cache / "locks" / f"{self.build_id}.lock"
        with hold(lock, what="a test", wait_s=1800, on_wait=lambda _: None):
            yield cache / "state" / self.build_id


Invoke = Callable[..., Captured]


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> Iterator[None]:
    """SIGTERM to pytest ends the builds that tests have started, as Ctrl-C does."""
    with install_signal_handlers():
        yield


@pytest.fixture(scope="session")
def runner() -> SubprocessRunner:
    return SubprocessRunner()


@pytest.fixture(scope="session")
def engine() -> DockerEngine:
    """The engine; without one the tests are skipped, in CI they fail."""
    try:
        return connect()
    except HostError as error:
        if os.environ.get("TFBUILD_REQUIRE_ENGINE"):
            pytest.fail(f"no engine, and TFBUILD_REQUIRE_ENGINE is set: {error}")
        pytest.skip(f"no engine: {error}")


@pytest.fixture(scope="module", autouse=True)
def _room(runner: SubprocessRunner) -> None:
    """Layers that nobody has used for a while go where the disk gets full: a whole run writes 60 GB.

    Build trees and compiler caches stay, and what a build that runs beside this one uses.
    """
    asked = runner.capture(["docker", "info", "--format", "{{.DockerRootDir}}"])
    folder = Path(asked.stdout.strip())
    if asked.ok and folder.is_dir() and shutil.disk_usage(folder).free < _ROOM:
        old = ("--filter", "type=regular", "--filter", "until=10m")
        runner.capture(["docker", "builder", "prune", "--force", *old], timeout_s=600)


@pytest.fixture(scope="session")
def cli(engine: DockerEngine, runner: SubprocessRunner) -> DockerCli:
    return find_docker_cli(runner)


@pytest.fixture(scope="session")
def invoke(runner: SubprocessRunner) -> Invoke:
    """Run an ``invoke`` command in the project's folder."""

    def run(*words: str, env: dict[str, str] | None = None, timeout_s: float = 1800) -> Captured:
        argv = [str(Path(sys.executable).parent / "invoke"), *words]
        return runner.capture(argv, cwd=PROJECT, env=env, timeout_s=timeout_s)

    return run


@pytest.fixture(scope="session")
def build(
    engine: DockerEngine, invoke: Invoke, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Built]:
    """The ``opt`` build for an architecture; built once a session."""
    done: dict[str, Built] = {}
    output = tmp_path_factory.mktemp("dist")

    def built(arch: str) -> Built:
        if arch not in done:
            ran = invoke("build-tflite", "--arch", arch, "--output", str(output), "--json")
            assert ran.ok, ran.stderr[-8000:]
            result = json.loads(ran.stdout)
            folder = Path(result["output"])
            manifest = json.loads((folder / "manifest.json").read_text())
            done[arch] = Built(arch, folder, result["image"], manifest, result)
        return done[arch]

    return built


@pytest.fixture(scope="session", params=["amd64", "arm64"])
def built(request: pytest.FixtureRequest, build: Callable[[str], Built]) -> Built:
    return build(request.param)


@pytest.fixture(scope="session")
def gateway(engine: DockerEngine) -> str:
    """This machine's address as build steps see it; without one the tests are skipped."""
    del engine
    for config in docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"]:
        if "Gateway" in config:
            return str(config["Gateway"])
    pytest.skip("the engine's bridge has no gateway on this machine")


@pytest.fixture(scope="session")
def compose(runner: SubprocessRunner) -> list[str]:
    """The program that reads compose files, as Docker or as Debian brings it."""
    if runner.capture(["docker", "compose", "version"]).ok:
        return ["docker", "compose"]
    if program := shutil.which("docker-compose"):
        return [program]
    message = "no Docker Compose: apt-get install docker-compose"
    if os.environ.get("TFBUILD_REQUIRE_ENGINE"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def registry(gateway: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRegistry]:
    folder = tmp_path_factory.mktemp("registry")
    rootfs = make_root(folder / "root", folder / "root.log")
    (folder / "docker").mkdir()
    with running(rootfs, folder / "docker", gateway) as found:
        yield found


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory, invoke: Invoke) -> Miniature:
    """TFLite's miniature with upstream's dependencies, locked."""
    made = make_miniature(tmp_path_factory.mktemp("tflite-mini"))
    words = ("--product", "tflite", "--release", str(made.release), "--clones", str(made.clones))
    ran = invoke("lock", *words, "--mirror", str(made.mirror), env={"TFBUILD_MIRRORS": made.mirrors})
    assert ran.ok, ran.stderr
    assert ran.stdout == f"{made.lock}\n"
    return made


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mirror")
    pack_miniatures(folder)
    return folder


@pytest.fixture(scope="session")
def serve(engine: DockerEngine, invoke: Callable[..., Captured], mirror: Path) -> Serve:
    def run(*more: str, release: str = MINIATURE, **options: Any) -> Captured:
        return invoke(*words_of(*more, release=release), env=mirrors_of(mirror), **options)

    return run


@pytest.fixture(scope="session")
def linked(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Build:
    output = tmp_path_factory.mktemp("linked")
    done: dict[str, Linked] = {}

    def made(arch: str) -> Linked:
        if arch not in done:
            words = ("--arch", arch, "--output", str(output), "--json")
            ran = serve(*words, release=LINKED, timeout_s=3600)
            assert ran.ok, ran.stderr[-8000:]
            result = json.loads(ran.stdout)
            done[arch] = Linked(Path(result["output"]), result["image"], manifest_of(ran.stdout))
        return done[arch]

    return made
