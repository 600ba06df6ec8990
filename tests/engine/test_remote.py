"""A cluster by the Remote Execution API compiles TFLite's miniature; the server is a real one."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import PROJECT
from tests.engine.test_upstream_build import compile_only
from tests.support.cluster import Cluster, Example, cluster_image, example, running
from tests.support.faults import FAULTS, FEW, Fault, plain
from tests.support.grpc_front import grpc_front
from tests.support.serving import Serve
from tests.support.tflite_mini import Miniature
from tfbuild.base.errors import BuildError, ExitCode
from tfbuild.build.again.compare import DistFolder, compare
from tfbuild.build.buildkit.bake import BakeFile, BakeOptions
from tfbuild.build.layout import Layout
from tfbuild.build.run import Run
from tfbuild.build.steps import bake_targets
from tfbuild.config.remote.keys import RemoteKeys
from tfbuild.doctor.checks import Status
from tfbuild.doctor.remote import check_remote
from tfbuild.engine.engine import DockerEngine
from tfbuild.machine.cache import cache_root
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words, host_arch
from tfbuild.products import table

SUMMARY = re.compile(r"tfbuild: remote: (\d+) cache hits, (\d+) executed there, (\d+) here")
# Found nowhere but in the cluster: each build has a tree of its own, and no ccache.
WORD = f"remote-{uuid.uuid4().hex[:8]}"
# ServerCapabilities.low_api_version, major 2 and minor 0: behind another one it is this one that counts.
LOW_2_0 = bytes((4 << 3 | 2, 4, 1 << 3, 2, 2 << 3, 0))
Build = Callable[..., Run[Any]]


@pytest.fixture(scope="module")
def plan_of(mini: Miniature) -> Iterator[Callable[..., Plan[Any]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFBUILD_MIRRORS", mini.mirrors)

        def plan(name: str, *sets: str, config: Path | None = None) -> Plan[Any]:
            words = Words(
                release=str(mini.release),
                config=str(config or ""),
                name=f"{WORD}-{name}",
                sets=("compile.ccache=no", *sets),
            )
            return table.plan_of(PROJECT, "tflite", words, env=os.environ, build_arch=host_arch())

        yield plan


@pytest.fixture(scope="module")
def build(
    mini: Miniature,
    plan_of: Callable[..., Plan[Any]],
    engine: DockerEngine,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Build]:
    """The steps up to the compile; nothing of them stays."""
    made: list[Layout] = []

    def run(name: str, *sets: str, config: Path | None = None) -> Run[Any]:
        plan = plan_of(name, *sets, config=config)
        made.append(Layout(PROJECT, cache_root(os.environ), plan.build_id))
        return compile_only(plan, mini, tmp_path_factory.mktemp(name))

    yield run
    for held in engine.holds_of_ours():
        if held.is_mount and any(WORD in name for name in held.names):
            engine.remove_mount(held.id)
    for layout in made:
        shutil.rmtree(layout.work, ignore_errors=True)


@pytest.fixture(scope="module")
def image(engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with cluster_image(tmp_path_factory.mktemp("cluster-image")) as name:
        yield name


@pytest.fixture(scope="module")
def started(
    image: str,
    runner: SubprocessRunner,
    compose: list[str],
    gateway: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Example]:
    with example(runner, compose, image, tmp_path_factory.mktemp("cluster"), gateway) as found:
        yield found


@pytest.fixture(scope="module")
def cluster(started: Example) -> Cluster:
    """The example's, without its door."""
    return started.cluster


def of(cluster: Cluster, *more: str) -> tuple[str, ...]:
    return (f"remote.executor={cluster.address}", "remote.insecure=yes", *more)


def counted(run: Run[Any]) -> tuple[int, int, int]:
    """Hits, executions and local compiles, as the build tells them."""
    found = SUMMARY.search(run.log("compile-compile").read_text())
    assert found, run.log("compile-compile").read_text()[-2000:]
    return int(found[1]), int(found[2]), int(found[3])


def test_the_cluster_gives_the_bytes_of_a_local_build_and_what_it_has_compiled_before(
    build: Build, cluster: Cluster, expected: DistFolder
) -> None:
    first = build("one", *of(cluster))
    hits, executed, here = counted(first)
    assert (hits, here) == (0, 0)
    assert executed >= 3  # as many files as the miniature has
    second = build("two", *of(cluster))
    assert counted(second) == (executed, 0, 0)
    assert len(expected.entries) > 5
    for run in (first, second):
        assert compare(expected, DistFolder(run.layout.out / "dist")) == ()


def test_another_compiler_behind_the_same_path_has_no_hit(
    build: Build, cluster: Cluster, tmp_path: Path
) -> None:
    """What went wrong elsewhere: https://github.com/tensorflow/build/issues/73"""
    run = build("one", *of(cluster))

    def definition(plan: Plan[Any], layout: Layout, options: BakeOptions) -> BakeFile:
        targets = table.definition_of(plan, layout, options)["target"]
        contexts = ("builder", "remote", "request", "common")
        told = {
            "context": str(PROJECT / "tests" / "data" / "remote"),
            "target": "told",
            "contexts": {name: targets["compile"]["contexts"][name] for name in contexts},
            "args": {"NONCE": options.nonce},
            "output": [f"type=local,dest={tmp_path}"],
        }
        return {"target": {**targets, "told": told}}

    run.recipe = replace(run.recipe, definition=definition)
    bake_targets(run, ("told",), tmp_path / "log", BuildError)
    told = [line.split() for line in (tmp_path / "told").read_text().splitlines()]
    *told, (_, root) = told
    did, digests = dict(told[::2]), dict(told[1::2])
    assert did == {"first": "miss", "second": "hit", "changed": "miss"}
    assert digests["first"] == digests["second"] != digests["changed"]
    # Nothing that compiles there can ask anybody.
    words = "cat /proc/net/dev; exec 3<> /dev/tcp/127.0.0.1/8980"
    said = cluster.run(root, "/usr/bin/bash", "-c", words)
    assert re.findall(r"^ *(\w+):", said, re.MULTILINE) == ["lo"]
    assert "refused" in said


def test_who_has_no_keys_of_the_example_gets_nothing_and_who_has_leaves_no_secret(
    build: Build, started: Example
) -> None:
    """``examples/cluster``: keys.sh, the door of the compose file, team.yaml."""
    anonymous, mine = ("remote.certificate=null", "remote.key=null"), "remote.fallback=none"
    with pytest.raises(BuildError):
        build("stranger", *anonymous, mine, config=started.config)
    wrong = started.keys / "wrong"
    wrong.write_text("0" * 64)
    run = build("mine", mine, config=started.config)
    assert [each.status for each in check_remote(_keys(started.config), PROJECT)] == [Status.OK]
    for sets in (anonymous, (f"remote.token={wrong}",)):
        assert [each.status for each in check_remote(_keys(started.config, mine, *sets), PROJECT)] == [
            Status.FATAL
        ]
    hits, executed, here = counted(run)
    assert hits + executed >= 3
    assert here == 0
    token, key = (started.keys / name for name in ("token", "me.key"))
    secrets = (token.read_bytes().strip(), key.read_bytes().splitlines()[1])
    for path in run.layout.work.rglob("*"):
        if path.is_file():
            found = path.read_bytes()
            assert not [secret for secret in secrets if secret in found], path


def _keys(config: Path, *sets: str) -> RemoteKeys:
    return table.load_config(PROJECT, str(config), host_arch(), sets).values.remote


def test_without_the_cluster_a_build_ends_with_the_next_step_or_goes_on_here(
    build: Build, image: str
) -> None:
    with running(image) as gone:
        gone.stop()
        with pytest.raises(BuildError) as caught:
            build("gone", *of(gone))
        assert "remote.fallback" in (caught.value.hint or "")
        run = build("fallback", *of(gone, "remote.fallback=local"))
    assert (run.layout.out / "dist" / "lib" / "libtensorflowlite.so").is_file()


@pytest.fixture(scope="module")
def expected(build: Build) -> DistFolder:
    """What a compile without a cluster gives."""
    return DistFolder(build("local").layout.out / "dist")


_KILLED = {"compiler-killed"}
# TFBUILD_TEST_FAULTS=50 makes so many, in turn, and each also with a fallback.
_ALL = int(os.environ.get("TFBUILD_TEST_FAULTS", 0))
_SETTINGS = [(fault, fallback) for fallback in ("none", "local") for fault in FAULTS]
# What CI makes: each of these took a while to be right.
_SOME = [*((fault, "none") for fault in FEW), *((each, "local") for each in FAULTS if each.name in _KILLED)]


@pytest.mark.parametrize(
    ("number", "fault", "fallback"),
    [(n, *_SETTINGS[n % len(_SETTINGS)]) for n in range(_ALL)] or [(0, *each) for each in _SOME],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_fault_leaves_nothing_wrong_and_a_build_that_ends_says_what_to_do(
    number: int,
    fault: Fault,
    fallback: str,
    build: Build,
    plan_of: Callable[..., Plan[Any]],
    cluster: Cluster,
    gateway: str,
    expected: DistFolder,
) -> None:
    # A macro that nobody reads: nobody has compiled that yet.
    fresh = f"compile.defines={{TFBUILD_FAULT: '{uuid.uuid4().hex}'}}"
    with fault.setting(cluster, gateway) as words:
        more = ("remote.timeout_s=10", f"remote.fallback={fallback}", fresh)
        if fault.ends and fallback == "none":
            with pytest.raises(BuildError) as ended:
                build(f"{fault.name}-{number}", *words, *more)
            assert ended.value.exit_code == ExitCode.BUILD_FAILED
            assert fault.says in (ended.value.hint or "")
            layout = Layout(PROJECT, cache_root(os.environ), plan_of(f"{fault.name}-{number}").build_id)
            assert layout.out.is_dir()
            assert not list(layout.out.iterdir())  # nothing that could get into dist/
        else:
            run = build(f"{fault.name}-{number}", *words, *more)
            assert compare(expected, DistFolder(run.layout.out / "dist")) == ()


@pytest.mark.faults  # two minutes: the root filesystem has 2 GB with its JDK
def test_bazel_compiles_the_model_server_on_the_workers(
    cluster: Cluster, serve: Serve, gateway: str, tmp_path: Path, engine: DockerEngine
) -> None:
    """Bazel 7.7.1 speaks 2.0 of the API, which buildbox still does and no longer says."""

    def older(method: str, message: bytes) -> bytes:
        return message + LOW_2_0 if method.endswith("/GetCapabilities") else message

    # What Bazel compiled on this engine before has other keys.
    raw = ("--", *(f"--{each}action_env=TFBUILD_TEST={WORD}" for each in ("", "host_")))
    tag = "tfbuild-test/remote-bazel:1"
    words = ("--name", WORD, "--output", str(tmp_path), "--tag", tag, "--json")
    try:
        with grpc_front(gateway, cluster.place, older) as address:
            sets = [word for each in plain(address) for word in ("--set", each)]
            ran = serve(*words, *sets, *raw, timeout_s=1800)
        assert ran.ok, ran.stderr[-4000:]
    finally:
        engine.remove_image(tag)
    folder = Path(json.loads(ran.stdout)["output"])
    log = next((folder / "logs").glob("*-compile-compile.log")).read_text(errors="replace")
    closing = re.findall(r"INFO: \d+ processes?: (.*)\.$", log, re.MULTILINE)[-1]
    # Nothing of it was compiled here.
    assert re.fullmatch(r"\d+ internal, (\d+) remote", closing), closing
    smoke = json.loads((folder / "manifest.json").read_text())["smoke"]
    assert {case["case"]: case for case in smoke}["half_plus_two"]["outputs"] == [2.5, 3.0, 4.5]
