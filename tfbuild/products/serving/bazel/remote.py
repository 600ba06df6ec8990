"""The section ``remote`` in Bazel's words; pure. https://bazel.build/reference/command-line-reference"""

from __future__ import annotations

from collections.abc import Iterator

from tfbuild.base.errors import ConfigError
from tfbuild.config.load import ResolvedConfig
from tfbuild.plan.remote.section import SECRETS, Remote

# First elsewhere; here what is marked as local in a BUILD file, for those reasons that it has.
_STRATEGY = ("--spawn_strategy=remote,standalone", "--genrule_strategy=remote,standalone")
_TLS = {
    "remote-ca": "--tls_certificate",
    "remote-certificate": "--tls_client_certificate",
    "remote-key": "--tls_client_key",
}


def require_remote(config: ResolvedConfig) -> None:
    """Raises :class:`ConfigError` for a cache that Bazel cannot speak to."""
    if (config.values.remote.cache or "").startswith("redis:"):
        text = "Bazel has no cache in Redis: use grpcs:// or https://"
        raise ConfigError((config.problem("remote.cache", text),))


def remote_arguments(remote: Remote | None) -> Iterator[str]:
    """Options of the compile alone. They are in no key of the plan: no result depends on them."""
    if remote is None:
        return
    if remote.executor:
        yield f"--remote_executor={remote.executor}"
        yield from _STRATEGY
        yield "--disk_cache="  # whatever is in it was compiled here
    if remote.cache:
        yield f"--remote_cache={remote.cache}"
    if remote.instance:
        yield f"--remote_instance_name={remote.instance}"
    yield f"--remote_timeout={remote.timeout_s}"
    yield "--remote_download_toplevel"
    if not remote.upload:
        yield "--noremote_upload_local_results"
    if remote.fallback == "local":
        yield "--remote_local_fallback"
    for secret in remote.files:
        yield f"{_TLS[secret]}={SECRETS}/{secret}"
    for name, value in remote.platform:
        yield f"--remote_default_exec_properties={name}={value}"
