"""A cluster by the Remote Execution API compiles TFLite's miniature; the server is a real one."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.engine.conftest import PROJECT, Invoke
from tests.engine.test_upstream_build import compile_only
from tests.support.cluster import Cluster, cluster_image, running
from tests.support.products import Product, load_release
from tests.support.reporters import SilentReporter
from tests.support.tflite_mini import Miniature, make_miniature
from tfbuild.base.errors import BuildError
from tfbuild.build.again.compare import DistFolder, compare
from tfbuild.build.layout import Layout
from tfbuild.build.run import Run
from tfbuild.build.steps import make_roots
from tfbuild.cli.wiring import build_effects
from tfbuild.engine.engine import DockerEngine
from tfbuild.machine.cache import cache_root
from tfbuild.plan.plan import Plan
from tfbuild.plan.words import Words, host_arch
from tfbuild.products import table

SUMMARY = re.compile(r"tfbuild: remote: (\d+) cache hits, (\d+) executed there, (\d+) here")
# Found nowhere but in the cluster: each build has a tree of its own, and no ccache.
WORD = f"remote-{uuid.uuid4().hex[:8]}"
Build = Callable[..., Run[Any]]


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory, invoke: Invoke) -> Miniature:
    made = make_miniature(tmp_path_factory.mktemp("tflite-mini"))
    words = ("--product", "tflite", "--release", str(made.release), "--clones", str(made.clones))
    ran = invoke("lock", *words, "--mirror", str(made.mirror), env={"TFBUILD_MIRRORS": made.mirrors})
    assert ran.ok, ran.stderr
    return made


@pytest.fixture(scope="module")
def plan_of(mini: Miniature) -> Iterator[Callable[..., Plan[Any]]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFBUILD_MIRRORS", mini.mirrors)

        def plan(name: str, *sets: str) -> Plan[Any]:
            words = Words(release=str(mini.release), name=f"{WORD}-{name}", sets=("compile.ccache=no", *sets))
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

    def run(name: str, *sets: str) -> Run[Any]:
        plan = plan_of(name, *sets)
        made.append(Layout(PROJECT, cache_root(os.environ), plan.build_id))
        return compile_only(plan, mini, tmp_path_factory.mktemp(name))

    yield run
    for held in engine.holds_of_ours():
        if held.is_mount and any(WORD in name for name in held.names):
            engine.remove_mount(held.id)
    for layout in made:
        shutil.rmtree(layout.work, ignore_errors=True)


@pytest.fixture(scope="module")
def image(
    mini: Miniature, plan_of: Callable[..., Plan[Any]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The cluster's image: what builds have their client from, made as they make it."""
    plan, folder = plan_of("root", "remote.executor=grpc://127.0.0.1:1"), tmp_path_factory.mktemp("root")
    assert plan.remote
    assert plan.remote.tools
    layout = Layout(PROJECT, cache_root(os.environ), plan.build_id)
    release = load_release(PROJECT, Product.TFLITE, str(mini.release))
    effects = build_effects(plan, release, folder, offline=False, reporter=SilentReporter())
    run = Run(plan, table.recipe_of(plan), layout, effects, folder)
    run.logs.mkdir(parents=True, exist_ok=True)
    make_roots(run)
    with cluster_image(layout.root(plan.remote.tools) / "rootfs.tar") as name:
        yield name
    shutil.rmtree(layout.work, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(image: str) -> Iterator[Cluster]:
    with running(image) as found:
        yield found


def of(cluster: Cluster, *more: str) -> tuple[str, ...]:
    return (f"remote.executor={cluster.address}", "remote.insecure=yes", *more)


def counted(run: Run[Any]) -> tuple[int, int, int]:
    """Hits, executions and local compiles, as the build tells them."""
    found = SUMMARY.search(run.log("compile-compile").read_text())
    assert found, run.log("compile-compile").read_text()[-2000:]
    return int(found[1]), int(found[2]), int(found[3])


def test_the_cluster_gives_the_bytes_of_a_local_build_and_what_it_has_compiled_before(
    build: Build, cluster: Cluster
) -> None:
    first = build("one", *of(cluster))
    hits, executed, here = counted(first)
    assert (hits, here) == (0, 0)
    assert executed > 5
    second = build("two", *of(cluster))
    assert counted(second) == (executed, 0, 0)
    local = build("local")
    expected = DistFolder(local.layout.out / "dist")
    assert len(expected.entries) > 5
    for run in (first, second):
        assert compare(expected, DistFolder(run.layout.out / "dist")) == ()


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
