"""Whether the cluster of a configuration answers, and can do what is wanted of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tfbuild.base.errors import HostError
from tfbuild.config.remote.keys import RemoteKeys
from tfbuild.doctor.checks import CheckResult, Status
from tfbuild.doctor.reach import prober
from tfbuild.doctor.reapi import Capabilities, Credentials, ask_capabilities

_ID = "remote"
_TIMEOUT_S = 10
# And nothing newer, as 7.7.1 says itself; the releases of the model server are built with such a Bazel.
_BAZEL_SPEAKS = "2.0"
Ask = Callable[[str, str, Credentials, float], Capabilities]


def check_remote(keys: RemoteKeys, project: Path, ask: Ask = ask_capabilities) -> tuple[CheckResult, ...]:
    """A check of each address, in the order of the section's keys. Files are those of ``project``."""
    asked = (("executor", keys.executor), ("cache", keys.cache))
    return tuple(_check(name, url, keys, project, ask) for name, url in asked if url)


def _check(name: str, url: str, keys: RemoteKeys, project: Path, ask: Ask) -> CheckResult:
    wanted = "execution" if name == "executor" else "a cache"
    instance = f" for the instance '{keys.instance}'" if keys.instance else ""
    needed = f"a server that offers {wanted}{instance}"
    bad = Status.WARNING if keys.fallback == "local" else Status.FATAL
    fix = f"check remote.{name}, or leave it out: --set remote.{name}=null"
    try:
        if not url.startswith("grpc"):
            return _of_http(url, needed, bad, fix)
        found = ask(url, keys.instance or "", _credentials(keys, project), min(_TIMEOUT_S, keys.timeout_s))
    except HostError as error:
        return CheckResult(_ID, bad, f"{url}: {error.message}", needed, error.hint or fix)
    told = f"{url}: Remote Execution API {found.oldest} to {found.version}"
    if name == "executor" and not found.executes:
        fix = "it is a cache alone: use it as remote.cache"
        return CheckResult(_ID, bad, f"{told}, executes nothing{instance}", needed, fix)
    if not found.caches:
        return CheckResult(_ID, bad, f"{told}, no cache with SHA-256{instance}", needed, fix)
    can = "executes and caches" if found.executes else "caches"
    bazel = (
        "" if found.oldest == _BAZEL_SPEAKS else f"; Bazel until 7.7 cannot use it: it speaks {_BAZEL_SPEAKS}"
    )
    return CheckResult(_ID, Status.OK, f"{told}, {can}{instance}{bazel}", needed)


def _of_http(url: str, needed: str, bad: Status, fix: str) -> CheckResult:
    if not url.startswith("http"):
        return CheckResult(_ID, Status.OK, f"{url} is ccache's, and not asked here", needed)
    wrong = prober(os.environ)(url, False)
    return CheckResult(_ID, bad if wrong else Status.OK, f"{url}: {wrong or 'answers'}", needed, fix)


def _credentials(keys: RemoteKeys, project: Path) -> Credentials:
    def read(key: str) -> bytes:
        path: str | None = getattr(keys, key)
        if not path:
            return b""
        try:
            return (project / path).read_bytes()
        except OSError as error:
            text = f"remote.{key}: {project / path} cannot be read ({error.strerror})"
            raise HostError(text, hint=f"the file that remote.{key} names has to be here") from error

    token = read("token").decode(errors="replace").strip()
    return Credentials(read("ca"), read("certificate"), read("key"), token)
