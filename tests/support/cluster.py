"""A cluster that speaks the Remote Execution API: ``examples/cluster`` on the engine.

What its Dockerfile installs by apt is unpacked here: no registry is needed.
"""

from __future__ import annotations

import io
import re
import shutil
import tarfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import docker
import yaml
from docker.models.containers import Container

from tests.support.debian_registry import unpacked_root
from tests.support.plans import PROJECT
from tfbuild.config.remote.keys import CHROOT
from tfbuild.machine.runner import SubprocessRunner

# Tests of another copy of the project may run on the same engine.
_IMAGE = f"tfbuild-test/cluster:{uuid.uuid4().hex[:8]}"
_PORT = 8980
_PACKAGES = ("buildbox", "nginx-light")
# What a root filesystem that is only unpacked does not have; the second is nginx's user.
_LINKS = {name: f"usr/{name}" for name in ("bin", "lib", "lib64", "sbin")}
_EMPTY = "mnt"
_USER = b"nobody:x:65534:65534:::\n"
_GROUP = b"nogroup:x:65534:\n"
_DOOR = 8981
EXAMPLE = PROJECT / "examples" / "cluster"


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
        # The engine's own answer takes longer than a compiler does.
        return [int(each.name) for each in Path("/proc").glob("[0-9]*") if self._is_mine(each, word)]

    def _is_mine(self, process: Path, word: str) -> bool:
        try:
            return (
                word in (process / "comm").read_text()
                and self.container.id in (process / "cgroup").read_text()
            )
        except OSError:  # it has ended
            return False


@contextmanager
def cluster_image(folder: Path) -> Iterator[str]:
    """An image with the programs of the example; ``folder`` is for its root filesystem."""
    client = docker.from_env()
    rootfs = unpacked_root("sid", _PACKAGES, folder / "root", folder / "root.log")
    name, _, tag = _IMAGE.partition(":")
    client.api.import_image_from_file(str(rootfs), repository=name, tag=tag)
    try:
        container = client.containers.create(_IMAGE, ["/usr/bin/true"])
        try:
            container.put_archive("/", _links())
            container.commit(name, tag)
        finally:
            container.remove()
        yield _IMAGE
    finally:
        client.images.remove(_IMAGE, force=True)


@contextmanager
def running(image: str) -> Iterator[Cluster]:
    """The server with its two workers, as the example has it, without the door; removed afterwards."""
    service: Any = yaml.safe_load((EXAMPLE / "compose.yaml").read_text())["services"]["casd"]
    command, privileged = service["command"], service["privileged"]
    container = docker.from_env().containers.create(image, command, privileged=privileged)
    try:
        container.start()
        yield _listening(container)
    finally:
        container.remove(force=True, v=True)


@dataclass(frozen=True)
class Example:
    """The example as its compose file starts it; ``config`` is its ``team.yaml``, ``keys`` their folder."""

    cluster: Cluster
    config: Path
    keys: Path


@contextmanager
def example(
    runner: SubprocessRunner, compose: list[str], image: str, folder: Path, address: str
) -> Iterator[Example]:
    """All of ``examples/cluster``, in ``folder``; its door is at ``address`` of this machine."""
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    made = runner.capture(["bash", str(folder / "keys.sh"), address])
    assert made.ok, made.stderr
    file = folder / "compose.yaml"
    text = file.read_text().replace("build: .", f"image: {image}")
    # Other clusters may run beside this one.
    file.write_text(text.replace(f'"{_DOOR}:{_DOOR}"', f'"{address}::{_DOOR}"'))
    words = [*compose, "--project-name", f"tfbuild-test-{uuid.uuid4().hex[:8]}", "--file", str(file)]
    try:
        up = runner.capture([*words, "up", "--detach"], timeout_s=120)
        assert up.ok, up.stderr
        server, door = (_service(runner, words, name) for name in ("casd", "door"))
        # Builds reach the server itself too, for faults that need no door.
        docker.from_env().networks.get("bridge").connect(server)
        assert door.ports, door.logs().decode()
        port = door.ports[f"{_DOOR}/tcp"][0]["HostPort"]
        team = folder / "team.yaml"
        team.write_text(re.sub(r"grpcs://\S+", f"grpcs://{address}:{port}", team.read_text()))
        yield Example(_listening(server), team, folder / "keys")
    finally:
        runner.capture([*words, "down", "--timeout", "1", "--volumes"], timeout_s=120)


def _service(runner: SubprocessRunner, words: list[str], name: str) -> Container:
    found = runner.capture([*words, "ps", "--quiet", name], timeout_s=120).stdout.strip()
    return docker.from_env().containers.get(found)


def _listening(container: Container) -> Cluster:
    deadline = time.monotonic() + 60
    while b"listening" not in container.logs():
        assert time.monotonic() < deadline, container.logs().decode()
        time.sleep(0.1)
    container.reload()
    host = container.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
    return Cluster(container, f"grpc://{host}:{_PORT}")


def _links() -> bytes:
    text = io.BytesIO()
    with tarfile.open(fileobj=text, mode="w") as archive:
        for name, target in _LINKS.items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
        users = tarfile.TarInfo("etc/passwd")
        users.size, users.mode = len(_USER), 0o644
        archive.addfile(users, io.BytesIO(_USER))
        groups = tarfile.TarInfo("etc/group")
        groups.size, groups.mode = len(_GROUP), 0o644
        archive.addfile(groups, io.BytesIO(_GROUP))
        empty = tarfile.TarInfo(_EMPTY)
        empty.type, empty.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(empty)
    return text.getvalue()
