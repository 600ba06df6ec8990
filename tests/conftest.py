"""Keeps unit and golden tests from touching the world, so that a slip fails instead of doing harm."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

pytest_plugins = ("tests.support.no_skips",)

# A busy machine is not a slow test: no test asserts an absolute time.
settings.register_profile("tfbuild", deadline=None)
# By hand, before a release: pytest --hypothesis-profile=thorough tests/unit/cli/test_cli_fuzz.py
settings.register_profile("thorough", deadline=None, max_examples=5000)
settings.load_profile("tfbuild")

_GUARDED = tuple(Path(__file__).parent / name for name in ("unit", "golden"))


@pytest.fixture(autouse=True)
def _no_side_effects(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No processes, no connections and no Docker engine, except what the marks allow.

    ``real_processes`` allows processes, ``real_sockets`` connections to the loopback interface. No mark
    allows the engine, or any other host: such tests belong into ``tests/engine``.
    """
    if not any(request.node.path.is_relative_to(folder) for folder in _GUARDED):
        return
    if request.node.get_closest_marker("real_processes") is None:
        _forbid_processes(monkeypatch)
    _guard_sockets(monkeypatch, loopback=request.node.get_closest_marker("real_sockets") is not None)
    docker = sys.modules.get("docker")
    if docker is not None:
        for name in ("from_env", "DockerClient", "APIClient"):
            monkeypatch.setattr(docker, name, _forbidden("the Docker engine"))


def _forbidden(what: str) -> Callable[..., NoReturn]:
    def fail(*args: object, **kwargs: object) -> NoReturn:
        # Not an Exception: code under test that catches those must not hide it.
        pytest.fail(f"a unit test reached for {what}: {args} {kwargs}", pytrace=True)

    return fail


def _forbid_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", _forbidden("a process"))
    for name in ("system", "fork", "forkpty", "posix_spawn", "posix_spawnp", "popen"):
        monkeypatch.setattr(os, name, _forbidden("a process"))


def _guard_sockets(monkeypatch: pytest.MonkeyPatch, *, loopback: bool) -> None:
    for name in ("connect", "connect_ex", "bind"):
        original = getattr(socket.socket, name)

        def guarded(
            self: socket.socket, address: object, original: Callable[..., object] = original
        ) -> object:
            if not (loopback and _is_loopback(address)):
                _forbidden("the network")(address)
            return original(self, address)

        monkeypatch.setattr(socket.socket, name, guarded)
    getaddrinfo = socket.getaddrinfo

    def resolve(host: str, *args: object, **kwargs: object) -> object:
        if not (loopback and _is_loopback((host,))):
            _forbidden("the name service")(host)
        return getaddrinfo(host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def _is_loopback(address: object) -> bool:
    if not isinstance(address, tuple) or not address:
        return False  # an AF_UNIX path: the engine's socket, for one
    host = address[0].decode() if isinstance(address[0], bytes) else str(address[0])
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


# What a mark needs that not every machine has, and the variable that says it is there.
_WANTS = {
    "archives": "TFBUILD_TEST_MIRROR",
    "faults": "TFBUILD_TEST_FAULTS",
    "gpu_image": "TFBUILD_TEST_GPU_IMAGE",
}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Left out, not skipped: a machine without the archives cannot get them by being set up better."""
    lacking = [mark for mark, variable in _WANTS.items() if not os.environ.get(variable)]
    outside = [item for item in items if any(item.get_closest_marker(mark) for mark in lacking)]
    config.hook.pytest_deselected(items=outside)
    items[:] = [item for item in items if item not in outside]
