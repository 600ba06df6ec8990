"""Debian's registry with TLS and a password, and the programs of others that look into one, in a container.

The root is made as those of the builds are; the network is this machine's, so what runs inside and outside
reaches the registry at the same address.
"""

from __future__ import annotations

import base64
import io
import json
import secrets
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
import docker
import requests
import trustme

from tfbuild.base.arch import Arch
from tfbuild.build.roots import archives_of, bootstrap
from tfbuild.machine.apt import debian_archive_mirrors, debian_security_mirrors
from tfbuild.machine.host import gather
from tfbuild.machine.runner import SubprocessRunner
from tfbuild.plan.roots import Root

PACKAGES = (
    *("base-files", "bash", "coreutils", "ca-certificates"),
    *("cosign", "docker-registry", "minisign", "oras", "skopeo"),
    *("opensc", "openssl", "softhsm2"),
)
USER, PASSWORD = "release", "marked-registry-password"
_STORE = "/var/lib/docker-registry"
_CONFIG = """\
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: /var/lib/docker-registry}, delete: {enabled: true}}
http:
  addr: ADDRESS
  tls: {certificate: /etc/registry/server.pem, key: /etc/registry/server.pem}
auth: {htpasswd: {realm: tests, path: /etc/registry/htpasswd}}
"""


def make_root(folder: Path, log: Path) -> Path:
    """The root filesystem's archive."""
    return unpacked_root("trixie", PACKAGES, folder, log)


def unpacked_root(suite: str, packages: tuple[str, ...], folder: Path, log: Path) -> Path:
    """An archive in ``folder`` of ``packages`` and what they depend on, only unpacked."""
    runner, host = SubprocessRunner(), gather()
    arch = host.arch or Arch.AMD64
    root = Root(
        suite, arch, packages, None, None, 1_700_000_000, variant="extract", security_updates=suite != "sid"
    )
    main = debian_archive_mirrors(runner, os_id=host.os.id, codename=host.os.codename)
    archives = archives_of(root, main, debian_security_mirrors(runner))
    bootstrap(root, folder, archives, runner=runner, log=log, host=arch, is_root=host.is_root)
    return folder / "rootfs.tar"


@dataclass(frozen=True)
class DebianRegistry:
    """``config`` is a folder for DOCKER_CONFIG that knows the password, ``authority`` the CA's file; inside
    the container both are in /srv/tests."""

    container: Any
    host: str
    config: Path
    authority: Path

    @property
    def env(self) -> dict[str, str]:
        """What a program outside needs; this machine may have an authority of its own in either variable."""
        ca = str(self.authority)
        return {"DOCKER_CONFIG": str(self.config), "SSL_CERT_FILE": ca, "REQUESTS_CA_BUNDLE": ca}

    def put(self, files: Mapping[str, bytes]) -> None:
        """Files below /srv/tests."""
        self.container.put_archive("/", _packed({f"srv/tests/{name}": data for name, data in files.items()}))

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """``argv`` in the container, in /srv/tests."""
        env = {"DOCKER_CONFIG": "/srv/tests", "SSL_CERT_FILE": "/srv/tests/ca.pem", "HOME": "/srv/tests"}
        more = {"environment": env, "workdir": "/srv/tests", "demux": True}
        code, streams = self.container.exec_run(list(argv), **more)
        out, err = (each or b"" for each in streams)
        return subprocess.CompletedProcess(argv, code, out.decode(), err.decode())

    def stored(self) -> Iterator[tuple[str, bytes]]:
        """Each file that the registry keeps."""
        chunks, _ = self.container.get_archive(_STORE)
        with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
            for member in tar:
                if file := tar.extractfile(member):
                    yield member.name, file.read()

    def log(self) -> bytes:
        return bytes(self.container.logs())


@contextmanager
def running(rootfs: Path, folder: Path, address: str) -> Iterator[DebianRegistry]:
    """The registry, until the end of the block. ``address`` is one of this machine, but no loopback one: to
    such a one buildx would speak plain http."""
    client = docker.from_env()
    with rootfs.open("rb") as file:
        client.api.import_image_from_data(file, repository="tfbuild-test/registry", tag="1")
    host = f"{address}:{_free_port(address)}"
    authority = trustme.CA()
    certificate = authority.issue_cert(address).private_key_and_cert_chain_pem.bytes()
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config = json.dumps({"auths": {host: {"auth": login}}}).encode()
    ca = authority.cert_pem.bytes()
    folder.joinpath("config.json").write_bytes(config)
    folder.joinpath("ca.pem").write_bytes(ca)
    files = {
        "etc/registry/config.yml": _CONFIG.replace("ADDRESS", host).encode(),
        "etc/registry/server.pem": certificate,
        "etc/registry/htpasswd": f"{USER}:".encode() + bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)),
        "srv/tests/config.json": config,
        "srv/tests/ca.pem": ca,
        f"{_STORE[1:]}/empty": b"",
    }
    container = client.containers.create(
        "tfbuild-test/registry:1",
        ["/usr/bin/docker-registry", "serve", "/etc/registry/config.yml"],
        name=f"tfbuild-test-registry-{secrets.token_hex(4)}",
        network_mode="host",
        environment={"OTEL_TRACES_EXPORTER": "none"},
    )
    try:
        container.put_archive("/", _packed(files))
        container.start()
        _wait_for(f"https://{host}/v2/", folder / "ca.pem", container)
        yield DebianRegistry(container, host, folder, folder / "ca.pem")
    finally:
        container.remove(force=True, v=True)
        client.images.remove("tfbuild-test/registry:1", force=True)


def _packed(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            tar.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _wait_for(url: str, authority: Path, container: Any) -> None:
    for _ in range(100):
        try:
            if requests.get(url, verify=str(authority), timeout=5).status_code == 401:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.1)
    raise AssertionError(container.logs().decode()[-2000:])
