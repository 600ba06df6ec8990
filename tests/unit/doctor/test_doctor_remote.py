"""What doctor says of a cluster, by what that says of itself. A real one: tests/engine/test_remote.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfbuild.base.errors import HostError
from tfbuild.config.remote.keys import RemoteKeys
from tfbuild.doctor.checks import Status
from tfbuild.doctor.reapi import Capabilities, Credentials, ask_capabilities
from tfbuild.doctor.remote import check_remote

BOTH = Capabilities("2.0", "2.12", executes=True, caches=True)
CACHE = Capabilities("2.0", "2.0", executes=False, caches=True)


def keys(**given: str) -> RemoteKeys:
    return RemoteKeys.model_validate({"executor": "grpcs://build.example", **given})


def check(found: Capabilities | str, given: RemoteKeys) -> tuple[Status, str, str]:
    def ask(url: str, instance: str, credentials: Credentials, timeout_s: float) -> Capabilities:
        if isinstance(found, str):
            raise HostError(found)
        return found

    (result,) = check_remote(given, Path("/nowhere"), ask)
    return result.status, result.found, result.fix


def test_a_server_that_executes_is_told_with_its_version() -> None:
    status, found, _ = check(BOTH, keys(instance="main"))
    assert status is Status.OK
    assert found.startswith("grpcs://build.example: Remote Execution API 2.0 to 2.12, executes and caches")
    assert "'main'" in found


def test_a_server_too_new_for_the_bazel_of_a_release_is_told_as_that() -> None:
    """As buildbox-casd 1.4.30 says of itself; for TFLite it is right."""
    status, found, _ = check(Capabilities("2.1", "2.12", executes=True, caches=True), keys())
    assert (status, "Bazel until 7.7 cannot" in found) == (Status.OK, True)
    assert "Bazel" not in check(BOTH, keys())[1]


def test_a_cache_alone_is_no_executor() -> None:
    status, found, fix = check(CACHE, keys())
    assert (status, "executes nothing" in found, "remote.cache" in fix) == (Status.FATAL, True, True)


@pytest.mark.parametrize(("fallback", "status"), [("none", Status.FATAL), ("local", Status.WARNING)])
def test_one_that_is_gone_stops_a_build_only_without_a_fallback(fallback: str, status: Status) -> None:
    told, found, fix = check("unavailable: refused", keys(fallback=fallback))
    assert (told, "refused" in found) == (status, True)
    assert "remote.executor" in fix


def test_a_key_that_is_not_there_is_told_before_anybody_is_asked() -> None:
    given = keys(ca="ca.pem")
    assert "remote.ca: /nowhere/ca.pem cannot be read" in check(BOTH, given)[1]


def test_nobody_at_an_address_is_told_by_the_library_itself() -> None:
    with pytest.raises(HostError, match="unavailable"):
        ask_capabilities("grpc://127.0.0.1:1", "", Credentials(), 2)


def test_a_configuration_without_cluster_has_no_check() -> None:
    assert check_remote(RemoteKeys(), Path("/nowhere")) == ()
