"""``examples/cluster/buildgrid`` on this machine, each worker with the same small share of a CPU.

What its Dockerfiles install by apt and pip is unpacked here, so that no registry is needed; all of it goes
with the benchmark, but what pip and mmdebstrap made, which the next one takes again.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import yaml

from benchmarks.lab import PROJECT, Lab, root_folder
from tfbuild.base.errors import HostError
from tfbuild.plan.roots import Root
from tfbuild.plan.words import host_arch

_EXAMPLE = PROJECT / "examples" / "cluster"
_PORT = 8980
_BASE = ("base-files", "bash", "coreutils", "dash", "grep", "sed")
_ROOTS = {
    "scheduler": ("trixie", (*_BASE, "postgresql", "python3")),
    "worker": ("sid", (*_BASE, "buildbox")),
}
_PYTHON = "3.13"  # trixie's
_USER = 100
# What the packages' own scripts would have made.
_FILES: Mapping[str, bytes] = {
    "etc/passwd": f"root:x:0:0::/root:/bin/bash\npostgres:x:{_USER}:{_USER}::/:/bin/bash\n".encode(),
    "etc/group": f"root:x:0:\npostgres:x:{_USER}:\n".encode(),
}
_FOLDERS = {"tmp": (0o1777, 0), "var/lib/postgresql": (0o700, _USER), "var/cas": (0o755, 0)}


@dataclass(frozen=True)
class Rig:
    """A cluster that runs; ``address`` is as builds see it."""

    address: str
    words: tuple[str, ...]
    lab: Lab

    def scale(self, workers: int, share: float) -> None:
        """So many workers, each with ``share`` of a CPU. Those that stay keep what they have."""
        _compose(self.lab, *self.words, "up", "--detach", "--no-recreate", "--scale", f"worker={workers}")
        found = self.lab.runner.capture([*program(), *self.words, "ps", "--quiet", "worker"]).stdout.split()
        ran = self.lab.runner.capture(["docker", "update", f"--cpus={share}", *found])
        if not ran.ok:
            raise HostError("the workers get no share", details=tuple(ran.stderr.splitlines()[-5:]))


@contextmanager
def buildgrid(lab: Lab, wait_s: float) -> Iterator[Rig]:
    """Raises :class:`HostError` where it does not come up."""
    client = docker.from_env()
    folder = lab.scratch / "cluster"
    shutil.copytree(_EXAMPLE, folder)
    file = folder / "buildgrid" / "compose.yaml"
    project = f"tfbuild-bench-{uuid.uuid4().hex[:8]}"
    words = ("--project-name", project, "--file", str(file))
    images = {name: f"tfbuild-bench/{name}:{project[-8:]}" for name in _ROOTS}
    try:
        for name, image in images.items():
            _make_image(lab, client, name, image)
        file.write_text(_services(file, images))
        _compose(lab, *words, "up", "--detach", "--scale", "worker=1")
        name = lab.runner.capture([*program(), *words, "ps", "--quiet", "scheduler"]).stdout.strip()
        scheduler = client.containers.get(name)
        client.networks.get("bridge").connect(scheduler)
        _wait_for_start(scheduler, wait_s)
        scheduler.reload()
        host = scheduler.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
        yield Rig(f"grpc://{host}:{_PORT}", words, lab)
    finally:
        lab.runner.capture([*program(), *words, "down", "--timeout", "1", "--volumes"], timeout_s=120)
        for image in images.values():
            client.api.remove_image(image, force=True)


def program() -> list[str]:
    """Docker Compose, as Docker or as Debian brings it."""
    found = shutil.which("docker-compose")
    return [found] if found else ["docker", "compose"]


def _compose(lab: Lab, *words: str) -> None:
    ran = lab.runner.capture([*program(), *words], timeout_s=300)
    if not ran.ok:
        raise HostError("the cluster does not start", details=tuple(ran.stderr.splitlines()[-5:]))


def _services(file: Path, images: Mapping[str, str]) -> str:
    """The example's own services, without the door; what differs is where images come from."""
    document = yaml.safe_load(file.read_text())
    del document["services"]["door"]
    for name, service in document["services"].items():
        del service["build"]
        service["image"] = images["worker" if name == "worker" else "scheduler"]
    return str(yaml.safe_dump(document))


def _make_image(lab: Lab, client: Any, name: str, image: str) -> None:
    suite, packages = _ROOTS[name]
    root = Root(suite, host_arch(), packages, None, None, 0, variant="extract", security_updates=False)
    rootfs = root_folder(lab, root) / "rootfs.tar"
    repository, _, tag = image.partition(":")
    client.api.import_image_from_file(str(rootfs), repository=repository, tag=tag)
    container = client.containers.create(image, ["/usr/bin/true"])
    try:
        container.put_archive("/", _packed(_python_packages(lab) if name == "scheduler" else None))
        path = "ENV PATH=/opt/buildgrid/bin:/usr/sbin:/usr/bin PYTHONPATH=/opt/buildgrid"
        container.commit(repository, tag, changes=path)
    finally:
        container.remove()


def _python_packages(lab: Lab) -> Path:
    """BuildGrid and what it needs, for the Python of the image, by the hashes of the example."""
    folder = lab.keep / "buildgrid"
    if (folder / "bin" / "bgd").exists():
        return folder
    partial = folder.with_name(f"buildgrid-{os.getpid()}")
    words = ("--require-hashes", "--only-binary=:all:", f"--python-version={_PYTHON}", f"--target={partial}")
    requirements = _EXAMPLE / "buildgrid" / "requirements.txt"
    argv = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        *words,
        f"--requirement={requirements}",
    ]
    ran = lab.runner.capture(argv, timeout_s=600)
    if not ran.ok:
        raise HostError("pip does not install BuildGrid", details=tuple(ran.stderr.splitlines()[-5:]))
    bgd = partial / "bin" / "bgd"
    bgd.write_text(re.sub(r"\A#!.*", "#!/usr/bin/python3", bgd.read_text()))
    partial.rename(folder)
    return folder


def _packed(packages: Path | None) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in _FILES.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
        for name, (mode, user) in _FOLDERS.items():
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode, folder.uid, folder.gid = tarfile.DIRTYPE, mode, user, user
            archive.addfile(folder)
        if packages:
            archive.add(packages, "opt/buildgrid")
    return stream.getvalue()


def _wait_for_start(container: Any, wait_s: float) -> None:
    """Until the server says that it listens: first the tables are made."""
    deadline = time.monotonic() + 60 + wait_s
    while b"Starting BuildGrid server" not in container.logs():
        if time.monotonic() > deadline:
            said = container.logs().decode(errors="replace").splitlines()[-5:]
            raise HostError("BuildGrid does not start", details=tuple(said))
        time.sleep(0.5)
