"""Many builds of the miniature server on the engine that is there: side by side, shared work done once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.engine.conftest import PROJECT, Invoke
from tests.support.archives import pack_miniatures
from tests.support.second_engine import docker_context, lonely_engine
from tests.support.serving import MINIATURE, mirrors_of
from tfbuild.engine.engine import DockerEngine
from tfbuild.machine.cache import cache_root

BAD_PATCH = PROJECT / "tests" / "data" / "patches" / "does-not-apply.patch"
MATRIX = f"""\
builds:
  plain: {{product: serving, release: {PROJECT / MINIATURE}, name: m1, set: [runtime.labels.team=a]}}
  labelled: {{product: serving, release: {PROJECT / MINIATURE}, name: m2, set: [runtime.labels.team=b]}}
  broken: {{product: serving, release: {PROJECT / MINIATURE}, name: m3, set: [source.patches={BAD_PATCH}]}}
"""


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "archives").mkdir()
    pack_miniatures(tmp_path / "archives")
    (tmp_path / "matrix.yaml").write_text(MATRIX)
    return mirrors_of(tmp_path / "archives")


def test_all_that_can_be_built_is_built(
    env: dict[str, str], invoke: Invoke, engine: DockerEngine, tmp_path: Path
) -> None:
    words = ("build-all", str(tmp_path / "matrix.yaml"), "--output", str(tmp_path / "dist"), "--json")
    report = tmp_path / "report.xml"
    ran = invoke(*words, "--keep-going", "--junit", str(report), env=env)
    document = json.loads(ran.stdout)
    rows = {row["name"]: row for row in document["builds"]}
    try:
        assert ran.returncode == 6, ran.stderr[-8000:]
        assert {name: row["verdict"] for name, row in rows.items()} == {
            "plain": "built",
            "labelled": "built",
            "broken": "failed",
        }
        assert re.search(r'failures="1".*tests="3"|tests="3".*failures="1"', report.read_text())
        assert all(rows[name]["cache"]["steps"] > 0 for name in ("plain", "labelled"))
        for name in ("plain", "labelled"):
            manifest = json.loads((Path(rows[name]["output"]) / "manifest.json").read_text())
            assert {case["case"] for case in manifest["smoke"]} >= {"half_plus_two"}
        again = invoke(*words, env=env)
        assert [row["verdict"] for row in json.loads(again.stdout)["builds"]][:2] == [
            "up-to-date",
            "up-to-date",
        ]
    finally:
        for name in ("plain", "labelled"):
            engine.remove_image(rows[name]["image"])


def test_a_node_that_dies_is_named_and_the_build_goes_on_here(
    env: dict[str, str], invoke: Invoke, engine: DockerEngine, tmp_path: Path
) -> None:
    """The node is a second engine, without a network; it is stopped as soon as the build is there."""
    one = "".join(
        line for line in MATRIX.splitlines(keepends=True) if "broken" not in line and "plain" not in line
    )
    (tmp_path / "matrix.yaml").write_text(one)
    build_id = "serving-2.19.1-mini-opt-m2-amd64"
    nodes = tmp_path / "own" / "tfbuild" / "nodes"
    nodes.mkdir(parents=True)
    (nodes / "lonely.yaml").write_text("arch: amd64\n")
    note = cache_root(os.environ) / "state" / build_id / "node"
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text("lonely")  # as if it had been built there last
    folder = Path(os.environ.get("TMPDIR", "/tmp")) / f"tfbuild-node-{os.getpid()}"
    folder.mkdir()
    words = [str(Path(sys.executable).parent / "invoke"), "build-all", str(tmp_path / "matrix.yaml")]
    try:
        with lonely_engine(folder) as address:
            docker_folder = docker_context(tmp_path / "docker", "lonely", address)
            env |= {"DOCKER_CONFIG": str(docker_folder), "XDG_CONFIG_HOME": str(tmp_path / "own")}
            process = subprocess.Popen(
                [*words, "--output", str(tmp_path / "dist"), "--json"],
                cwd=PROJECT, env={**os.environ, **env},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert process.stderr is not None
            told = ""
            while "| [1/" not in told:
                line = process.stderr.readline()
                assert line, told
                told += line
        out, rest = process.communicate(timeout=900)
        told += rest
        (row,) = json.loads(out)["builds"]
        assert (process.returncode, row["verdict"], row["node"]) == (0, "built", None), told[-4000:]
        assert row["moves"] == ["lonely: its engine does not answer any more"]
        assert "labelled begins on lonely" in told
        assert "labelled goes on elsewhere; lonely: its engine does not answer any more" in told
        engine.remove_image(row["image"])
        doctor = invoke("doctor", env=env)
        assert "lonely: the engine of the docker context 'lonely' cannot be reached" in doctor.stdout
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_ctrl_c_ends_every_build(env: dict[str, str], engine: DockerEngine, tmp_path: Path) -> None:
    del engine
    argv = [str(Path(sys.executable).parent / "invoke"), "build-all", str(tmp_path / "matrix.yaml")]
    process = subprocess.Popen(
        [*argv, "--output", str(tmp_path / "dist"), "--keep-going"],
        cwd=PROJECT,
        env={**os.environ, **env, "TFBUILD_CACHE_DIR": str(tmp_path / "cache")},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    told = ""
    while "| [1/" not in told:
        line = process.stderr.readline()
        assert line, told
        told += line
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    told += process.stderr.read()
    assert process.wait(60) == 130, told
    assert time.monotonic() - began < 30
    assert "interrupted; 0 of 3 builds are done" in told
    assert "Traceback" not in told
    left = subprocess.run(
        ["pgrep", "-f", str(tmp_path / "dist")], capture_output=True, text=True, check=False
    )
    assert left.stdout == ""
