"""The cluster or the cache of a plan. No result depends on it, and so no key does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tfbuild.base.arch import Arch
from tfbuild.config.layers import BUILT_IN
from tfbuild.config.load import ResolvedConfig
from tfbuild.config.remote.rules import is_secure
from tfbuild.plan.roots import Root, root_of, unpacked

# Since when Debian has recc and casupload; older releases have neither.
TOOLS_SUITE = "sid"
TOOLS_PACKAGE = "buildbox"
# Where build secrets lie in the builder.
SECRETS = "/run/secrets"
# Ids of secrets by the key that names the file; of the last one its text alone is handed on.
SECRET_FILES: Mapping[str, str] = {
    "ca": "remote-ca",
    "certificate": "remote-certificate",
    "key": "remote-key",
}
TOKEN, BAZEL_RC = "remote-token", "remote-bazelrc"


@dataclass(frozen=True)
class Remote:
    """The section ``remote`` of a configuration, with the lines that gave its values.

    ``ca``, ``certificate``, ``key`` and ``token`` are paths of files. ``tools`` is the root filesystem that
    has the programs of the client, None where none are needed.
    """

    executor: str
    cache: str
    instance: str
    insecure: bool
    ca: str
    certificate: str
    key: str
    token: str
    timeout_s: int
    jobs: int | None
    upload: bool
    fallback: str
    platform: tuple[tuple[str, str], ...]
    root_property: str
    tools: Root | None
    origins: tuple[tuple[str, str], ...]

    @property
    def is_executed(self) -> bool:
        """Whether actions run elsewhere, and not only their results are kept there."""
        return bool(self.executor)

    @property
    def files(self) -> Mapping[str, str]:
        """The files that become build secrets, by their id."""
        found = {id: str(getattr(self, key)) for key, id in SECRET_FILES.items()}
        return {id: path for id, path in found.items() if path}

    @property
    def published(self) -> Remote:
        """What a result tells of it: where keys lie on this machine is nobody's business."""
        hidden = {*SECRET_FILES, "token"}
        origins = tuple((key, origin) for key, origin in self.origins if key not in hidden)
        return replace(self, ca="", certificate="", key="", token="", origins=origins)


def remote_of(config: ResolvedConfig, build_arch: Arch, recorder: str, *, tools: bool) -> Remote | None:
    """None where the configuration has neither an executor nor a cache. ``tools``: the build needs them."""
    keys = config.values.remote
    if not keys.executor and not keys.cache:
        return None
    given = {
        key: origin
        for key in type(keys).model_fields
        if (origin := config.origins.get(f"remote.{key}", BUILT_IN)) != BUILT_IN
    }
    return Remote(
        executor=keys.executor or "",
        cache=keys.cache or "",
        instance=keys.instance or "",
        insecure=keys.insecure,
        ca=keys.ca or "",
        certificate=keys.certificate or "",
        key=keys.key or "",
        token=keys.token or "",
        timeout_s=keys.timeout_s,
        jobs=keys.jobs,
        upload=keys.upload,
        fallback=keys.fallback,
        platform=tuple(sorted(keys.platform.items())),
        root_property=keys.root_property,
        tools=_tools(config, build_arch, recorder) if tools else None,
        origins=tuple((key, str(origin)) for key, origin in given.items()),
    )


def _tools(config: ResolvedConfig, build_arch: Arch, recorder: str) -> Root:
    """Only unpacked: its programs run by its own dynamic loader, beside the builder's older libraries."""
    base = root_of(config.values, TOOLS_SUITE, build_arch)
    # Fixes reach this suite directly: it has no security archive.
    return replace(
        unpacked(base, build_arch, (TOOLS_PACKAGE,), recorder), security_updates=False, security_mirror=None
    )


def remote_lines(remote: Remote) -> Iterator[str]:
    """Lines of ``--dry-run``: each value with the line that gave it."""
    for key, origin in remote.origins:
        value = getattr(remote, key, None)
        if key == "platform":
            value = ", ".join(f"{name}={text}" for name, text in remote.platform)
        if value is not None:
            yield f"  {key:<13} {value}  ({origin})"
    if not remote.is_executed:
        yield "  everything is compiled here; what others compiled is taken from the cache"
    elif remote.fallback == "local":
        yield "  compiles here what the cluster does not answer for; links are always made here"
    if remote.tools:
        yield f"  {TOOLS_PACKAGE} of Debian {remote.tools.suite}: the client, in the builder alone"


def remote_notes(remote: Remote | None) -> Iterator[str]:
    """What a plan has to say about it besides."""
    if remote is None:
        return
    yield "a remote cache or executor: the compile has the network, and can download"
    plain = [url for url in (remote.executor, remote.cache) if url and not is_secure(url)]
    if remote.insecure and plain:
        yield f"remote.insecure: what is compiled goes to and comes from {' and '.join(plain)} in plain text"
    elif remote.insecure:
        yield "remote.insecure changes nothing: the addresses have TLS"
    if remote.is_executed and not remote.upload:
        yield "remote.upload changes nothing for what the cluster compiles: it keeps that itself"


def cluster_values(remote: Remote | None) -> Mapping[str, str]:
    """What ``dockerfiles/common/remote.sh`` reads; nothing without a cluster."""
    if remote is None:
        return {}
    return {
        "executor": buildbox_address(remote.executor),
        "cas": buildbox_address(remote.cache or remote.executor),
        "instance": remote.instance,
        "property": remote.root_property,
        "fallback": remote.fallback,
        "upload": "true" if remote.upload else "false",
    }


def buildbox_address(url: str) -> str:
    """``url`` as the programs of buildbox spell it."""
    return url.replace("grpcs://", "https://").replace("grpc://", "http://")
