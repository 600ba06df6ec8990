"""A second Docker engine on this machine, as the engine of another one, and its docker context."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from tfbuild.engine.engine import DockerEngine, connect


@contextmanager
def lonely_engine(folder: Path) -> Iterator[str]:
    """A Docker engine in an empty network namespace that has never seen an image; its address."""
    with _engine(folder, ("unshare", "--net"), "none") as address:
        yield address


@contextmanager
def neighbour_engine(folder: Path) -> Iterator[str]:
    """A Docker engine that has never seen an image, and whose builds reach this machine; its address."""
    bridge = f"tfb{secrets.token_hex(4)}"  # at most 15 characters
    options = {"com.docker.network.bridge.name": bridge}
    network = docker.from_env().networks.create(bridge, driver="bridge", options=options)
    try:
        with _engine(folder, (), bridge) as address:
            yield address
    finally:
        network.remove()


@contextmanager
def _engine(folder: Path, within: tuple[str, ...], bridge: str) -> Iterator[str]:
    daemon = shutil.which("dockerd") or shutil.which("dockerd", path="/usr/sbin:/usr/local/sbin")
    if os.geteuid() != 0 or daemon is None:
        pytest.skip("a second engine needs root and dockerd")
    address = f"unix://{folder}/docker.sock"
    argv = [*within, daemon, f"--host={address}", f"--data-root={folder}/data"]
    argv += [f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
    argv += [f"--bridge={bridge}", "--iptables=false", "--ip6tables=false"]
    with (folder / "dockerd.log").open("w") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            _wait_for(folder / "docker.sock", process)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, (path.parent / "dockerd.log").read_text()[-4000:]
        assert time.monotonic() < deadline, "the engine does not start"
        time.sleep(0.2)


def docker_context(folder: Path, name: str, address: str) -> Path:
    """``folder`` as docker's own, with a context for the engine at ``address``; as docker itself writes it.

    https://github.com/docker/cli/blob/v26.1.5/cli/context/store/store.go
    """
    meta = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    meta.mkdir(parents=True)
    document = {
        "Name": name,
        "Metadata": {},
        "Endpoints": {"docker": {"Host": address, "SkipTLSVerify": False}},
    }
    (meta / "meta.json").write_text(json.dumps(document))
    (folder / "config.json").write_text("{}")
    return folder


def connect_to(address: str) -> DockerEngine:
    """The engine at ``address``."""
    return connect(client_factory=lambda **options: docker.DockerClient(address, **options), env={})
