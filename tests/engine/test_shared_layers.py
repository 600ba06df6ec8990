"""A team's registry, and two engines: what one has made and compiled, the other takes."""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import PROJECT
from tests.support.bazel_cache import Cache, running
from tests.support.debian_registry import DebianRegistry
from tests.support.products import Product, load_release
from tests.support.reporters import SilentReporter
from tests.support.second_engine import docker_context, neighbour_engine
from tests.support.tflite_mini import Miniature
from tfbuild.base.errors import ChecksumError, PackagingError
from tfbuild.build.again.compare import DistFolder, compare
from tfbuild.build.builders import make_builder
from tfbuild.build.layout import Layout
from tfbuild.build.run import Run
from tfbuild.build.steps import make_roots
from tfbuild.cli.wiring import build_effects
from tfbuild.engine.engine import DockerEngine
from tfbuild.engine.nodes import NodeEntry
from tfbuild.machine.cache import cache_root, prepare_cache
from tfbuild.plan.words import Words, host_arch
from tfbuild.products import table
from tfbuild.products.tflite import steps

NODE = "neighbour"
WORD = f"shared-{uuid.uuid4().hex[:8]}"  # nobody has compiled that yet


@dataclass(frozen=True)
class Team:
    """What all of a team have in their configuration; ``keys`` is a folder."""

    mini: Miniature
    sets: tuple[str, ...]
    keys: Path
    objects: Cache

    @property
    def writes(self) -> tuple[str, ...]:
        """What CI has besides."""
        return ("cache.upload=yes", f"signing.key={self.keys}/team.pem")

    def begin(self, cache: Path, *sets: str, node: str = "") -> Run[Any]:
        """A build with the cache folder ``cache``, on the engine of the docker context ``node``."""
        words = Words(release=str(self.mini.release), name=WORD, sets=(*self.sets, *sets))
        plan = table.plan_of(PROJECT, "tflite", words, env=os.environ, build_arch=host_arch())
        release = load_release(PROJECT, Product.TFLITE, str(self.mini.release))
        entry = NodeEntry(node, host_arch()) if node else None
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TFBUILD_CACHE_DIR", str(cache))
            effects = build_effects(
                plan, release, cache, offline=False, reporter=SilentReporter(), node=entry
            )
        layout = Layout(PROJECT, prepare_cache(cache), plan.build_id)
        run = Run(plan, table.recipe_of(plan), layout, effects, cache)
        run.logs.mkdir(parents=True, exist_ok=True)
        return run

    def compile(self, run: Run[Any]) -> list[str]:
        """The steps up to the compile, and what each told. The miniature runs no model."""
        told = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TFBUILD_CACHE_DIR", str(run.layout.cache))
            for step in (steps.fetch, make_roots, make_builder, steps.compile_):
                run.number += 1
                told.append(step(run))
        return told


@pytest.fixture(scope="module")
def team(
    registry: DebianRegistry, mini: Miniature, gateway: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    make = (
        "openssl genpkey -algorithm ed25519 -out team.pem && openssl pkey -in team.pem -pubout -out team.pub"
    )
    subprocess.run(["bash", "-c", make], cwd=folder, check=True)
    # What this machine trusts, and the registry: builders may have to be made.
    known = Path(os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt")
    (folder / "ca.pem").write_bytes(known.read_bytes() + registry.authority.read_bytes())
    with pytest.MonkeyPatch.context() as patch, running(gateway) as objects:
        patch.setenv("TFBUILD_MIRRORS", mini.mirrors)
        patch.setenv("DOCKER_CONFIG", str(registry.config))
        for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            patch.setenv(variable, str(folder / "ca.pem"))
        sets = (
            f"remote.cache={objects.address}",
            "remote.insecure=yes",
            f"cache.registry={registry.host}/{WORD}/builders",
            f"cache.public_key={folder}/team.pub",
            f"compile.defines={{TFBUILD_TEST: '{WORD}'}}",
        )
        yield Team(mini, sets, folder, objects)


@pytest.fixture(scope="module")
def pushed(team: Team, engine: DockerEngine) -> Iterator[Run[Any]]:
    """The build of CI."""
    run = team.begin(cache_root(os.environ), *team.writes)
    _, root, builder, _ = team.compile(run)
    assert root.endswith("pushed")
    assert builder == "builder: made here, pushed"
    yield run
    for held in engine.holds_of_ours():
        if held.is_mount and any(WORD in name for name in held.names):
            engine.remove_mount(held.id)
    shutil.rmtree(run.layout.work)
    shutil.rmtree(run.layout.builder(run.plan, "builder"))


def test_a_new_colleague_compiles_nothing_that_the_team_has_compiled(
    team: Team, pushed: Run[Any], registry: DebianRegistry, tmp_path: Path
) -> None:
    assert team.objects.blobs
    team.objects.missed.clear()
    stored = dict(team.objects.blobs)
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"tfbuild-neighbour-{os.getpid()}"
    folder.mkdir()
    try:
        with neighbour_engine(folder) as address, pytest.MonkeyPatch.context() as patch:
            context = docker_context(tmp_path / "docker", NODE, address)
            shutil.copyfile(registry.config / "config.json", context / "config.json")
            patch.setenv("DOCKER_CONFIG", str(context))
            run = team.begin(tmp_path / "empty", node=NODE)
            _, root, builder, _ = team.compile(run)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert (root, builder) == ("builder: from the registry", "builder: from the registry")
    # Every object was found, and none was new.
    assert team.objects.found
    assert not team.objects.missed
    assert team.objects.blobs == stored
    ours, theirs = (DistFolder(each.layout.out / "dist") for each in (run, pushed))
    assert compare(theirs, ours) == ()


def test_who_may_not_write_cannot_and_what_somebody_else_wrote_is_refused(
    team: Team, pushed: Run[Any], registry: DebianRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The builder that the team signed, under the name of the root filesystem.
    place, root = f"{registry.host}/{WORD}/builders", pushed.plan.root
    builder = f"{place}:tflite-builder-{root.arch}-{pushed.plan.builder_key}"
    name = f"root-{root.suite}-{root.arch}-{root.key}"
    done = registry.run("oras", "tag", "--registry-config", "config.json", builder, name)
    assert done.returncode == 0, done.stderr
    stranger = team.begin(tmp_path / "stranger")
    with pytest.raises(ChecksumError, match="is refused"):
        make_roots(stranger)
    assert not list((tmp_path / "stranger" / "bases").rglob("rootfs*"))
    (tmp_path / "nobody").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "nobody"))
    elsewhere = f"cache.registry={registry.host}/{WORD}/other"
    writer = team.begin(cache_root(os.environ), *team.writes, elsewhere)
    with pytest.raises(PackagingError, match="cannot be used") as refused:
        make_roots(writer)
    assert f"docker login {registry.host}" in (refused.value.hint or "")
