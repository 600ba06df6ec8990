"""What can go wrong with a cluster while a build uses it; each fault is made on a real one."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from tests.support.cluster import Cluster
from tests.support.grpc_front import Change, Refused, grpc_front
from tests.support.tls_front import make_keys, tls_front

# Of a running cluster, and an address of this machine that builds can reach: what a build has to --set.
Setting = Callable[[Cluster, str], AbstractContextManager[tuple[str, ...]]]
_V2 = "/build.bazel.remote.execution.v2."
_READ, _READ_MANY = "/google.bytestream.ByteStream/Read", f"{_V2}ContentAddressableStorage/BatchReadBlobs"
_RESULT, _EXECUTE = f"{_V2}ActionCache/GetActionResult", f"{_V2}Execution/Execute"
_STORE = f"{_V2}ContentAddressableStorage/BatchUpdateBlobs"
_RUNNER, _COMPILER = "buildbox-run", "cc1plus"
_ALWAYS = 1 << 30


@dataclass(frozen=True)
class Fault:
    """``ends``: a build without a fallback cannot go on, and says ``says``."""

    name: str
    setting: Setting
    ends: bool = False
    says: str = "remote.fallback=local"


def plain(address: str) -> tuple[str, ...]:
    return (f"remote.executor={address}", "remote.insecure=yes")


@contextmanager
def _during(cluster: Cluster, process: str, act: Callable[[int], None]) -> Iterator[tuple[str, ...]]:
    """``act`` on the first process of an action that is seen there."""
    seen, over = threading.Event(), threading.Event()

    def watch() -> None:
        while not over.is_set():
            for pid in cluster.processes(process)[:1]:
                seen.set()
                act(pid)
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield plain(cluster.address)
        assert seen.is_set(), f"no {process} was seen: nothing went wrong"
    finally:
        over.set()
        thread.join()


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        """It was quicker, which is no fault of the cluster."""


def _killed(process: str) -> Setting:
    return lambda cluster, _: _during(cluster, process, _kill)


def _long(seconds: float) -> Setting:
    """An action that takes longer than a server may for an answer: no fault, but it looks like one."""

    def hold(pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(pid, signal.SIGCONT)

    return lambda cluster, _: _during(cluster, _COMPILER, hold)


def _restarted(cluster: Cluster, _: str) -> AbstractContextManager[tuple[str, ...]]:
    return _during(cluster, _RUNNER, lambda _: cluster.restart())


def _silent(seconds: float) -> Setting:
    """As behind a cut cable: nothing is refused, and nothing is answered."""

    def pause(cluster: Cluster) -> None:
        cluster.container.pause()
        time.sleep(seconds)
        cluster.container.unpause()

    return lambda cluster, _: _during(cluster, _RUNNER, lambda _: pause(cluster))


def _answers(change: Change) -> Setting:
    @contextmanager
    def setting(cluster: Cluster, host: str) -> Iterator[tuple[str, ...]]:
        with grpc_front(host, cluster.place, change) as address:
            yield plain(address)

    return setting


def _wrong_blob(method: str, message: bytes) -> bytes:
    """A byte of an object file is another one."""
    return _flipped(message) if method in (_READ, _READ_MANY) and len(message) > 200 else message


def _lost_blob(method: str, message: bytes) -> bytes:
    """The action cache knows results of which the storage has nothing."""
    if method in (_READ, _READ_MANY):
        raise Refused(grpc.StatusCode.NOT_FOUND)
    return message


def _flipped(message: bytes) -> bytes:
    place = len(message) // 2
    return message[:place] + bytes([message[place] ^ 1]) + message[place + 1 :]


def _slow(_: str, message: bytes) -> bytes:
    time.sleep(0.2)
    return message


def _refused(number: int, wanted: str, status: grpc.StatusCode) -> Setting:
    """The first ``number`` calls of the method ``wanted`` end with ``status``."""

    @contextmanager
    def setting(cluster: Cluster, host: str) -> Iterator[tuple[str, ...]]:
        left = number

        def refuse(method: str) -> grpc.StatusCode | None:
            nonlocal left
            if method != wanted or left == 0:
                return None
            left -= 1
            return status

        with grpc_front(host, cluster.place, lambda _, message: message, refuse) as address:
            yield plain(address)

    return setting


@contextmanager
def _expired(cluster: Cluster, host: str) -> Iterator[tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        keys = make_keys(Path(folder), host, expired=True)
        with tls_front(keys, host, cluster.place) as port:
            mine = (f"remote.certificate={keys.client[0]}", f"remote.key={keys.client[1]}")
            yield (f"remote.executor=grpcs://{host}:{port}", f"remote.ca={keys.ca}", *mine)


# One that a build survives, and one that it must not.
FEW = (
    Fault("worker-killed", _killed(_RUNNER)),
    Fault("wrong-blob", _answers(_wrong_blob), ends=True),
)
FAULTS = (
    *FEW,
    Fault("restarted", _restarted),
    Fault("expired", _expired, ends=True, says="remote.ca"),
    Fault("compiler-killed", _killed(_COMPILER), ends=True, says="memory"),
    Fault("silent-5s", _silent(5)),
    Fault("silent-60s", _silent(60)),
    Fault("long-action", _long(15)),
    Fault("slow", _answers(_slow)),
    Fault("lost-blob", _answers(_lost_blob), ends=True),
    Fault("busy-once", _refused(1, _EXECUTE, grpc.StatusCode.UNAVAILABLE)),
    Fault("busy", _refused(_ALWAYS, _EXECUTE, grpc.StatusCode.RESOURCE_EXHAUSTED), ends=True),
    Fault("full", _refused(_ALWAYS, _STORE, grpc.StatusCode.RESOURCE_EXHAUSTED), ends=True),
    Fault("no-action-cache", _refused(_ALWAYS, _RESULT, grpc.StatusCode.INTERNAL)),
)
