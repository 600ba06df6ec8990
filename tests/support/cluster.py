"""A cluster that speaks the Remote Execution API: ``examples/cluster`` on the engine, without its door.

Its image is the root filesystem that builds have their client from.
"""

from __future__ import annotations

import io
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import yaml
from docker.models.containers import Container

from tests.support.plans import PROJECT
from tfbuild.config.remote.keys import CHROOT

_IMAGE = "tfbuild-test/cluster:1"
_PORT = 8980
# What a root filesystem that is only unpacked does not have.
_LINKS = {name: f"usr/{name}" for name in ("bin", "lib", "lib64", "sbin")}
_EMPTY = "mnt"


@dataclass(frozen=True)
class Cluster:
    """A running one; ``address`` is as the engine's containers see it."""

    container: Container
    address: str

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        return str(urlsplit(self.address).hostname), _PORT

    def stop(self) -> None:
        self.container.kill()

    def restart(self) -> None:
        """At once; what is in its storage stays."""
        self.container.restart(timeout=0)

    def run(self, root: str, *command: str) -> str:
        """What ``command`` says as an action in the root filesystem of that digest."""
        words = (
            "/usr/bin/trexe",
            f"--remote=http://127.0.0.1:{_PORT}",
            f"--platform-properties={CHROOT}={root}",
        )
        ran = self.container.exec_run(
            [*words, f"--input-path=/{_EMPTY}", "--skip-cache-lookup", "--", *command]
        )
        return str(ran.output.decode())

    def processes(self, word: str) -> list[int]:
        """Ids, as this machine counts, of its programs with ``word`` in their name."""
        told = self.container.top(ps_args="-eo pid,comm")
        return [int(pid) for pid, name in told["Processes"] if word in name]


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
def running(image: str) -> Iterator[Cluster]:
    """The server with its two workers, as the example has it; removed afterwards."""
    service: Any = yaml.safe_load((PROJECT / "examples/cluster/compose.yaml").read_text())["services"]["casd"]
    command, privileged = service["command"], service["privileged"]
    container = docker.from_env().containers.create(image, command, privileged=privileged)
    try:
        container.put_archive("/", _links())
        container.start()
        deadline = time.monotonic() + 60
        while b"listening" not in container.logs():
            assert time.monotonic() < deadline, container.logs().decode()
            time.sleep(0.1)
        container.reload()
        host = container.attrs["NetworkSettings"]["IPAddress"]
        yield Cluster(container, f"grpc://{host}:{_PORT}")
    finally:
        container.remove(force=True, v=True)


def _links() -> bytes:
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as archive:
        for name, target in _LINKS.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        empty = tarfile.TarInfo(_EMPTY)
        empty.type, empty.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(empty)
    return text.getvalue()
