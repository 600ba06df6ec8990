"""Bundles for real: made with a network, used where there is none, on an engine that never built anything."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import http_server as web
from tests.support.archives import fresh_archive, miniature_that_downloads
from tests.support.second_engine import connect_to, docker_context, lonely_engine
from tfbuild.engine.engine import DockerEngine
from tfbuild.machine.cache import cache_root
from tfbuild.machine.programs import Captured
from tfbuild.machine.runner import SubprocessRunner

PROJECT = Path(__file__).resolve().parents[2]
RELEASE = "2.14.1-debian"
# An empty network namespace; a user who is not root gets one in a user namespace of his own.
ALONE = ("unshare", *(() if os.geteuid() == 0 else ("--map-root-user",)), "--net")
Invoke = Callable[..., Captured]


@dataclass
class Island:
    """A machine without a network: an empty namespace, a cache of its own, maybe an engine of its own."""

    runner: SubprocessRunner
    cache: Path
    env: dict[str, str] = field(default_factory=dict)

    def invoke(self, *words: str, timeout_s: float = 3600) -> Captured:
        argv = [*ALONE, str(Path(sys.executable).parent / "invoke"), *words]
        env = {"TFBUILD_CACHE_DIR": str(self.cache), **self.env}
        return self.runner.capture(argv, cwd=PROJECT, env=env, timeout_s=timeout_s)

    def logs(self, build_id: str) -> dict[str, str]:
        folder = self.cache / "state" / build_id / "logs"
        return {path.name: path.read_text(errors="replace") for path in folder.glob("*.log")}


@pytest.fixture
def island(runner: SubprocessRunner, tmp_path: Path) -> Island:
    made = Island(runner, tmp_path / "island")
    if not runner.capture([*ALONE, "true"]).ok:
        pytest.skip("no network namespaces for this user")
    return made


def test_the_island_has_no_network(island: Island, gateway: str) -> None:
    """What the other tests rest on."""
    with web.running(address=gateway) as site:
        curl = ["curl", "--silent", "--fail", "--noproxy", "*", "--max-time", "5"]
        curl += [site.on("/f", web.whole(b"reached"))]
        assert not island.runner.capture([*ALONE, *curl]).ok
        assert site.seen == []
        assert island.runner.capture(curl).stdout == "reached"


# -- TFLite --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tflite_bundle(engine: DockerEngine, invoke: Invoke, tmp_path_factory: pytest.TempPathFactory) -> Path:
    del engine
    file = tmp_path_factory.mktemp("bundle") / "tflite.bundle"
    ran = invoke("bundle", "--product", "tflite", "--release", RELEASE, "--file", str(file), "--json")
    assert ran.ok, ran.stderr[-8000:]
    document = json.loads(ran.stdout)
    assert document["status"] == "written"
    kinds = {member["path"].partition("/")[0] for member in document["bundle"]["members"]}
    assert kinds == {"downloads", "bases", "builders"}
    return file


def test_tflite_builds_where_there_is_no_network(
    tflite_bundle: Path, island: Island, tmp_path: Path, engine: DockerEngine
) -> None:
    tag = "tfbuild-test/offline:1"
    words = (
        "build-tflite",
        "--release",
        RELEASE,
        "--offline",
        "--tag",
        tag,
        "--output",
        str(tmp_path / "dist"),
    )
    missing = island.invoke(*words)
    assert missing.returncode == 5
    assert "4 downloads are not in the cache" in missing.stderr
    assert "invoke bundle --load FILE" in missing.stderr

    loaded = island.invoke("bundle", "--load", str(tflite_bundle), "--json")
    assert loaded.ok, loaded.stderr
    assert json.loads(loaded.stdout)["status"] == "loaded"
    built = island.invoke(*words, "--json")
    try:
        assert built.ok, built.stderr[-8000:]
    finally:
        engine.remove_image(tag)
    manifest = json.loads((Path(json.loads(built.stdout)["output"]) / "manifest.json").read_text())
    assert all(case["exit_code"] == 0 for case in manifest["smoke"])
    assert not any(
        "install-builder.sh" in text for text in island.logs(f"tflite-{RELEASE}-opt-amd64").values()
    )


def test_the_same_cache_gives_the_same_bundle(tflite_bundle: Path, invoke: Invoke, tmp_path: Path) -> None:
    again = tmp_path / "again.bundle"
    ran = invoke("bundle", "--product", "tflite", "--release", RELEASE, "--file", str(again))
    assert ran.ok, ran.stderr[-4000:]
    assert again.read_bytes() == tflite_bundle.read_bytes()


def test_a_bundle_that_was_damaged_on_its_way_is_refused(
    tflite_bundle: Path, island: Island, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.bundle"
    shutil.copyfile(tflite_bundle, damaged)
    with damaged.open("r+b") as file:
        file.seek(damaged.stat().st_size // 2)
        file.write(b"damage")
    ran = island.invoke("bundle", "--load", str(damaged))
    assert ran.returncode == 5
    assert "cannot be used as a bundle" in ran.stderr
    left = [path for path in island.cache.rglob("*") if path.is_file() and path.stat().st_size > 4096]
    assert left == []


# -- what is made of wheels ------------------------------------------------------------------------------

TRAIN = str(PROJECT / "examples" / "keras" / "train")


@pytest.mark.parametrize(
    ("product", "origin", "words", "kinds", "answers"),
    [
        (
            "tflite",
            ("--from", "wheel"),
            ("--release", "2.14.0-wheel"),
            {"downloads", "bases", "builders"},
            {"add_float32, python": [3.0, 9.0]},
        ),
        ("keras", (), ("--release", "2.21.0", "--app", TRAIN), {"downloads", "bases"}, {"fit": [1.5, 0.5]}),
    ],
    ids=["tflite", "keras"],
)
def test_wheels_become_an_image_where_there_is_no_network(
    product: str,
    origin: tuple[str, ...],
    words: tuple[str, ...],
    kinds: set[str],
    answers: dict[str, list[float]],
    island: Island,
    invoke: Invoke,
    tmp_path: Path,
    engine: DockerEngine,
) -> None:
    file, tag = tmp_path / "wheels.bundle", f"tfbuild-test/offline:{product}"
    ran = invoke("bundle", "--product", product, *words, "--file", str(file), "--json")
    assert ran.ok, ran.stderr[-8000:]
    members = json.loads(ran.stdout)["bundle"]["members"]
    assert {member["path"].partition("/")[0] for member in members} == kinds

    build = [f"build-{product}", *origin, *words, "--offline", "--tag", tag, "--json"]
    build += ["--output", str(tmp_path / "dist")]
    missing = island.invoke(*build)
    assert missing.returncode == 5
    assert "invoke bundle --load FILE" in missing.stderr
    assert island.invoke("bundle", "--load", str(file)).ok
    file.unlink()
    built = island.invoke(*build)
    try:
        assert built.ok, built.stderr[-8000:]
        folder = Path(json.loads(built.stdout)["output"])
        if product == "tflite":
            require_same_again(island, folder)
    finally:
        engine.remove_image(tag)
    manifest = json.loads((folder / "manifest.json").read_text())
    smoke = {case["case"]: case["outputs"] for case in manifest["smoke"]}
    assert {case: smoke[case] for case in answers} == answers


def require_same_again(island: Island, folder: Path) -> None:
    """Also where there is no network the result can be proven to be the same bytes again."""
    again = island.invoke("reproduce", str(folder), "--offline", "--json")
    assert again.ok, again.stdout[-4000:] + again.stderr[-4000:]
    (rebuilt,) = json.loads(again.stdout)["builds"]
    assert (rebuilt["equal"], rebuilt["image"], rebuilt["other_inputs"]) == (True, "same", [])
    assert list((island.cache / "rebuilds").iterdir()) == []


# -- the model server, on an engine of its own ---------------------------------------------------------


def test_a_model_server_builds_on_an_engine_without_network_that_has_never_built(
    island: Island, invoke: Invoke, gateway: str, tmp_path: Path, engine: DockerEngine
) -> None:
    """Bazel's own download, its packages and the Debian system: all of it comes out of the bundle."""
    archive, sha256 = fresh_archive(tmp_path)
    mini, name = tmp_path / "mini", "2.19.1-offline"
    file = tmp_path / "server.bundle"
    with web.running(address=gateway) as site:
        url = site.on("/fresh.tar", web.whole(archive.read_bytes()))
        release = miniature_that_downloads(mini, name, url, sha256)
        words = ["--release", str(release), "--set", "policy=default"]
        env = {"TFBUILD_MIRRORS": f"https://mini.invalid/={mini}/"}
        ran = invoke("bundle", "--product", "serving", *words, "--file", str(file), env=env, timeout_s=3600)
        assert ran.ok, ran.stderr[-8000:]
        assert site.paths == ["/fresh.tar"]
    for packed in mini.glob("*.tar"):
        packed.unlink()
    # dockerd keeps sockets below these folders, whose names may not be long.
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"tfbuild-engine-{os.getpid()}"
    folder.mkdir()
    try:
        with lonely_engine(folder) as address:
            island.env["DOCKER_CONFIG"] = str(docker_context(tmp_path / "docker", "lonely", address))
            assert island.invoke("bundle", "--load", str(file)).ok
            build = ("build-serving", *words, "--offline", "--output", str(tmp_path / "dist"), "--json")
            built = island.invoke(*build, "--on", "lonely")
            assert built.ok, built.stderr[-8000:]
            image = json.loads(built.stdout)["image"]
            # It was built there, and brought here, so nobody has to ask the node again.
            own, there = engine.image(image), connect_to(address).image(image)
            assert own is not None
            assert there is not None
            assert own.id == there.id == json.loads(built.stdout)["image_id"]
        again = island.invoke(*build, "--on", "lonely")
        assert json.loads(again.stdout)["status"] == "up-to-date"
        engine.remove_image(image)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    manifest = json.loads((Path(json.loads(built.stdout)["output"]) / "manifest.json").read_text())
    cases = {case["case"]: case for case in manifest["smoke"]}
    assert cases["half_plus_two"]["outputs"] == [2.5, 3.0, 4.5]
    assert cache_root(os.environ) != island.cache
