"""A cluster that speaks the Remote Execution API: buildbox-casd in a container of the engine.

Its image is the root filesystem that builds have their client from.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import docker
from docker.models.containers import Container

_IMAGE = "tfbuild-test/cluster:1"
_PORT = 8980


@dataclass(frozen=True)
class Cluster:
    """A running one; ``address`` is as the engine's containers see it."""

    container: Container
    address: str

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        return str(urlsplit(self.address).hostname), _PORT

    def log(self) -> str:
        return str(self.container.logs().decode(errors="replace"))

    def stop(self) -> None:
        self.container.kill()


@contextmanager
def cluster_image(rootfs: Path) -> Iterator[str]:
    """``rootfs`` as an image of the engine."""
    client = docker.from_env()
    client.api.import_image_from_file(str(rootfs), repository=_IMAGE.partition(":")[0], tag="1")
    try:
        yield _IMAGE
    finally:
        client.images.remove(_IMAGE, force=True)


@contextmanager
def running(image: str, words: Sequence[str] = ()) -> Iterator[Cluster]:
    """One server with two workers that run actions in bubblewrap; removed afterwards."""
    argv = ["/usr/bin/buildbox-casd", "--buildbox-run=/usr/bin/buildbox-run-bubblewrap"]
    argv += [f"--bind=0.0.0.0:{_PORT}", "--jobs=2", "--log-level=info", *words, "/cas"]
    # Privileged, for bubblewrap's namespaces and FUSE.
    container = docker.from_env().containers.run(image, argv, detach=True, privileged=True)
    try:
        deadline = time.monotonic() + 60
        while b"listening" not in container.logs():
            assert time.monotonic() < deadline, container.logs().decode()
            time.sleep(0.1)
        container.reload()
        host = container.attrs["NetworkSettings"]["IPAddress"]
        yield Cluster(container, f"grpc://{host}:{_PORT}")
    finally:
        container.remove(force=True, v=True)
