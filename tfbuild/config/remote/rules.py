"""What the section ``remote`` must not say. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from tfbuild.base.values import Origin
from tfbuild.config.remote.keys import RemoteKeys

_SECURE = frozenset({"grpcs", "https"})


def is_secure(url: str) -> bool:
    """Whether the address has TLS."""
    return urlsplit(url).scheme in _SECURE


def is_loopback(url: str) -> bool:
    """Whether the address can only be this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def contradictions(keys: RemoteKeys, origins: Mapping[str, Origin]) -> Iterator[tuple[Origin, str]]:
    """Each contradiction of the section with the place of the value that has to go."""
    for name in ("executor", "cache"):
        url = getattr(keys, name)
        if not url or is_secure(url) or is_loopback(url):
            continue
        where = origins[f"remote.{name}"]
        if keys.token:
            yield where, "remote.token would go over the network in plain text: use grpcs:// or https://"
        elif not keys.insecure:
            yield (
                where,
                f"'{url}' is plain text: anybody on the way can change what is built. Use TLS, or, "
                "in a network of your own, remote.insecure: true",
            )
    if keys.executor and keys.cache and not keys.cache.startswith("grpc"):
        yield origins["remote.cache"], "beside remote.executor the cache has to be one by gRPC"
    for one, other in (("certificate", "key"), ("key", "certificate")):
        if getattr(keys, one) and not getattr(keys, other):
            yield origins[f"remote.{one}"], f"remote.{one} needs remote.{other}"
