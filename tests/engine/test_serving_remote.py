"""A remote cache: the compile has the network then, and another output base takes what the first one left."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from tests.support.bazel_cache import Cache, running
from tests.support.serving import MINIATURE, PROJECT, Serve
from tfbuild.engine.engine import DockerEngine


@pytest.fixture
def cache(engine: DockerEngine) -> Iterator[Cache]:
    """On the address under which containers of the engine's usual network know this machine."""
    network = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]
    if not engine.info().local or "Gateway" not in network:
        pytest.skip("needs an engine on this machine with a bridge")
    with running(network["Gateway"]) as found:
        yield found


def _release(folder: Path, name: str) -> str:
    """The miniature under another name: another build id, and so an output base of its own."""
    text = (PROJECT / MINIATURE).read_text()
    path = folder / f"{name}.yaml"
    path.write_text(text.replace("release: 2.19.1-mini\n", f"release: {name}\n"))
    return str(path)


def test_what_one_build_left_another_takes(
    serve: Serve, cache: Cache, tmp_path: Path, engine: DockerEngine
) -> None:
    # The disk cache, which all builds on this engine share, would have it too.
    # Also for the tools of the build: an output base of an earlier run has them, and would not upload them.
    fresh = f"TFBUILD_TEST={time.time_ns()}"
    raw = ("--", "--disk_cache=", f"--action_env={fresh}", f"--host_action_env={fresh}")
    closing, tags = [], []
    try:
        for name in ("2.19.1-minia", "2.19.1-minib"):
            tags.append(f"tfbuild-test/remote:{name}")
            words = ("--name", "remote", "--output", str(tmp_path), "--tag", tags[-1], "--json")
            remote = ("--set", f"remote.cache={cache.address}", "--set", "remote.insecure=yes")
            ran = serve(*words, *remote, *raw, release=_release(tmp_path, name), timeout_s=3600)
            assert ran.ok, ran.stderr[-4000:]
            logs = Path(json.loads(ran.stdout)["output"]) / "logs"
            log = next(logs.glob("*-compile-compile.log")).read_text(errors="replace")
            closing.append(re.findall(r"INFO: \d+ processes?: (.*)\.$", log, re.MULTILINE)[-1])
            assert cache.blobs
            if name.endswith("a"):
                assert not [path for path in cache.found if path.startswith("/ac/")]
    finally:
        for tag in tags:
            engine.remove_image(tag)
    hits = [sum(int(n) for n in re.findall(r"(\d+) remote cache hit", line)) for line in closing]
    local = [sum(int(n) for n in re.findall(r"(\d+) local", line)) for line in closing]
    assert hits[0] == 0, closing
    assert hits[1] > 10, closing
    # The stamp of the link is compiled with the time of the build, and so in each build.
    assert local[1] <= 1 < local[0], closing
