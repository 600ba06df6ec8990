"""The section ``remote``: a cluster that speaks the Remote Execution API, or a cache alone. Pure.

https://github.com/bazelbuild/remote-apis
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from tfbuild.base.urls import has_credentials
from tfbuild.config.types import JobCount, Keys, LabelName, PositiveInt, Text, YamlBool

# What a worker of buildbox takes the root filesystem of an action from.
CHROOT = "chrootRootDigest"


def _address(value: str) -> str:
    if has_credentials(value):
        raise ValueError("a user name or password: it would end up in plans; use remote.token, or ~/.netrc")
    parts = urlsplit(value)
    if not parts.hostname:
        raise ValueError("no host in it")
    if parts.scheme.startswith("grpc") and parts.path.strip("/"):
        raise ValueError("a path means nothing to gRPC: what selects a part of a cluster is remote.instance")
    return value


ExecutorUrl = Annotated[str, Field(pattern=r"^grpcs?://[^\s]+$"), AfterValidator(_address)]
CacheUrl = Annotated[str, Field(pattern=r"^(grpcs?|https?|redis)://[^\s]+$"), AfterValidator(_address)]


class RemoteKeys(Keys):
    """Where else actions run, and where their results are kept."""

    executor: ExecutorUrl | None = Field(
        default=None,
        description="Address of remote execution, grpcs://HOST:PORT; the compile has the network.",
    )
    cache: CacheUrl | None = Field(
        default=None,
        description="Address of a cache: grpc(s)://; https:// for Bazel, http:// for Bazel and ccache, "
        "redis:// for ccache. Null: the executor's own, or none.",
    )
    instance: Text | None = Field(default=None, description="Name of the instance on the server.")
    insecure: YamlBool = Field(
        default=False, description="Allow addresses without TLS that are not on this machine."
    )
    ca: Text | None = Field(
        default=None,
        description="PEM file of the server's certificate authority; relative to the file that names it.",
    )
    certificate: Text | None = Field(default=None, description="Certificate of this client, PEM.")
    key: Text | None = Field(default=None, description="Private key of 'certificate', PEM without password.")
    token: Text | None = Field(
        default=None, description="File with a token that is sent as 'Authorization: Bearer'."
    )
    timeout_s: PositiveInt = Field(default=60, description="Seconds to wait for an answer of the server.")
    jobs: JobCount | None = Field(
        default=None,
        description="Actions at a time, as many as the cluster has room for; null: as without one.",
    )
    upload: YamlBool = Field(
        default=True, description="Put what was compiled here into the cache; false: only read it."
    )
    fallback: Literal["none", "local"] = Field(
        default="none", description="'local' compiles here when the server is gone; 'none' ends the build."
    )
    platform: Mapping[LabelName, Text] = Field(
        default_factory=dict, description="NAME: value that a worker must have."
    )
    root_property: LabelName = Field(
        default=CHROOT,
        description="Property that names the builder's root filesystem by its digest in the CAS; a part of "
        "each action's key, so that another compiler never has a hit.",
    )
