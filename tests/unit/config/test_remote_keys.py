"""The sections 'remote' and 'cache': what they must not say, and what they were once called."""

from __future__ import annotations

import pytest

from tests.support.plans import PROJECT
from tfbuild.base.arch import Arch
from tfbuild.base.errors import ConfigError
from tfbuild.products.table import load_config

SHARED = ("cache.registry=registry.example/team/x",)
PLAIN, TLS = "remote.executor=grpc://build.example:8980", "remote.executor=grpcs://build.example"


def problems(*sets: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(PROJECT, "opt", Arch.AMD64, sets)
    return "\n".join(map(str, caught.value.problems))


@pytest.mark.parametrize(
    ("sets", "says"),
    [
        ((PLAIN,), "remote.insecure: true"),
        (("remote.cache=http://172.17.0.1:8080",), "remote.insecure: true"),
        (("remote.cache=redis://cache.example",), "remote.insecure: true"),
        # Whoever listens could write as whose token it is.
        ((PLAIN, "remote.insecure=true", "remote.token=/t"), "remote.token would go over the network"),
        ((TLS, "remote.cache=https://cache.example"), "has to be one by gRPC"),
        ((TLS, "remote.certificate=/c"), "remote.certificate needs remote.key"),
        ((TLS, "remote.key=/k"), "remote.key needs remote.certificate"),
        (("remote.executor=https://build.example",), "does not match"),
        (("remote.executor=grpcs://build.example/main",), "remote.instance"),
        (("remote.cache=grpcs://",), "does not match"),
        (("remote.fallback=lokal",), "'local'"),
        (("cache.registry=http://registry.example/team/x",), "cache.insecure: true"),
        (("cache.registry=registry.example/team/x:1.0",), "the names in the repository are given by builds"),
        (("cache.registry=team/x",), "no repository of a registry"),
        (("cache.registry=me:word@registry.example/x",), "use docker login"),
        ((*SHARED, "cache.upload=yes", "cache.public_key=/k"), "give signing.key, or --sign KEY"),
        (("serving.remote_cache=grpcs://x",), "is called remote.cache now"),
        (("serving.remote_executor=grpcs://x",), "is called remote.executor now"),
    ],
)
def test_what_cannot_be_so_is_told_with_the_key_that_helps(sets: tuple[str, ...], says: str) -> None:
    assert says in problems(*sets)


@pytest.mark.parametrize(
    "sets",
    [
        (TLS, "remote.token=/t", "remote.certificate=/c", "remote.key=/k"),
        (PLAIN, "remote.insecure=true"),
        ("remote.executor=grpc://127.0.0.1:8980",),
        (*SHARED, "cache.public_key=/k"),
        (*SHARED, "cache.upload=yes", "cache.public_key=/k", "signing.key=/s"),
        ("cache.registry=http://localhost:5000/x",),
        ("cache.registry=http://registry.example/x", "cache.insecure=yes"),
        ("remote.cache=http://localhost:1", "remote.token=/t"),
        ("remote.cache=grpc://[::1]:9092",),
    ],
)
def test_tls_and_this_machine_need_nothing_else(sets: tuple[str, ...]) -> None:
    load_config(PROJECT, "opt", Arch.AMD64, sets)
