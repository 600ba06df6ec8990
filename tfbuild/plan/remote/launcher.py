"""The section ``remote`` in the words of recc and ccache; pure.

recc: https://buildgrid.gitlab.io/recc; ccache: https://ccache.dev/manual/latest.html#_remote_storage_backends
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tfbuild.base.errors import ConfigError
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.remote.section import SECRETS, TOKEN, Remote, buildbox_address, cluster_values

_RETRIES, _RETRY_DELAY_MS = 2, 500
_TLS = {
    "remote-ca": "RECC_SERVER_CERT",
    "remote-certificate": "RECC_CLIENT_CERT",
    "remote-key": "RECC_CLIENT_KEY",
}


def require_remote(config: ResolvedConfig) -> None:
    """Raises :class:`ConfigError` for what neither recc nor ccache can do."""
    keys = config.values.remote
    problems = []
    if (keys.cache or "").startswith("https:"):
        text = "ccache speaks no https: use grpcs://, or http:// in a network of your own"
        problems.append(config.problem("remote.cache", text))
    if by_ccache(keys.executor or "", keys.cache or ""):
        if keys.certificate or keys.ca:
            name = "ca" if keys.ca else "certificate"
            text = "ccache has no TLS: this is for a cluster or a cache by gRPC"
            problems.append(config.problem(f"remote.{name}", text))
        if not config.values.compile.ccache:
            text = "a cache by http:// or redis:// is ccache's: set compile.ccache true"
            problems.append(config.problem("compile.ccache", text))
    if problems:
        raise ConfigError(tuple(problems))


def by_ccache(executor: str, cache: str) -> bool:
    """Whether the cache is one that ccache speaks to by itself, without a client of the cluster."""
    return bool(cache) and not executor and not cache.startswith("grpc")


def request_files(remote: Remote | None, jobs: int | None = None) -> Mapping[str, str]:
    """Name → text of the files in ``request/`` that are about it; nothing without one. ``jobs`` at a time are
    what was asked for, before the size of the cluster."""
    if remote is None:
        return {}
    if by_ccache(remote.executor, remote.cache):
        return {"remote": _lines(_of_ccache(remote))}
    return {
        "remote": _lines({**cluster_values(remote), "jobs": str(jobs or remote.jobs or "")}),
        "recc": "".join(f"{each}\n" for each in _recc(remote)),
    }


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f"{name}\t{value}\n" for name, value in values.items())


def _of_ccache(remote: Remote) -> Mapping[str, str]:
    layout = "|layout=bazel" if remote.cache.startswith("http") else ""
    read_only = "" if remote.upload else "|read-only"
    return {"ccache": f"{remote.cache}{layout}{read_only}", "fallback": remote.fallback}


def _recc(remote: Remote) -> Iterator[str]:
    """The environment of recc. Paths stay as they are, so that a file is the same wherever it is compiled."""
    yield from ("RECC_PROJECT_ROOT=/", "RECC_NO_PATH_REWRITE=1", "RECC_DEPS_GLOBAL_PATHS=1")
    cas = buildbox_address(remote.cache or remote.executor)
    yield f"RECC_SERVER={buildbox_address(remote.executor) or cas}"
    yield f"RECC_CAS_SERVER={cas}"
    yield f"RECC_INSTANCE={remote.instance}"
    yield f"RECC_REQUEST_TIMEOUT={remote.timeout_s}"
    yield f"RECC_RETRY_LIMIT={_RETRIES}"
    yield f"RECC_RETRY_DELAY={_RETRY_DELAY_MS}"
    if not remote.is_executed:
        yield "RECC_CACHE_ONLY=1"
        if remote.upload:
            yield "RECC_CACHE_UPLOAD_LOCAL_BUILD=1"
    for secret in remote.files:
        yield f"{_TLS[secret]}={SECRETS}/{secret}"
    if remote.token:
        yield f"RECC_ACCESS_TOKEN_PATH={SECRETS}/{TOKEN}"
    for name, value in remote.platform:
        yield f"RECC_REMOTE_PLATFORM_{name}={value}"
