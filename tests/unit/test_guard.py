"""The guard of tests/conftest.py: a unit test that reaches out fails."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable

import pytest

Failed = pytest.fail.Exception


def _connect(host: str) -> Callable[[], object]:
    return lambda: socket.socket().connect((host, 9))


@pytest.mark.parametrize(
    "reach_out",
    [
        lambda: subprocess.run(["true"], check=True),
        lambda: os.system("true"),
        lambda: os.fork(),  # by name: the guard has replaced it
        _connect("127.0.0.1"),
        _connect("192.0.2.1"),
        lambda: socket.getaddrinfo("mirror.invalid", 80),
        lambda: socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock"),
    ],
    ids=["run", "system", "fork", "loopback", "elsewhere", "name", "engine"],
)
def test_reaching_out_fails(reach_out: Callable[[], object]) -> None:
    with pytest.raises(Failed, match="a unit test reached for"):
        reach_out()


@pytest.mark.real_sockets
def test_with_the_mark_only_the_loopback_interface_is_there() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname()):
            pass
    with pytest.raises(Failed, match="the network"):
        _connect("192.0.2.1")()
    with pytest.raises(Failed, match="a process"):
        subprocess.run(["true"], check=True)


@pytest.mark.real_processes
def test_with_the_mark_processes_run() -> None:
    assert subprocess.run(["true"], check=False).returncode == 0
    with pytest.raises(Failed, match="the network"):
        _connect("127.0.0.1")()
