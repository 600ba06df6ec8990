"""``doctor --config``: the registry that builders are shared in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.registry import HOST, Answer, FakeRegistry, always
from tests.support.reporters import ListReporter
from tfbuild.cli.registry.check import check_registry
from tfbuild.config.remote.layers import CacheKeys
from tfbuild.doctor.checks import CheckResult, Status
from tfbuild.registry.connect import Access


def checked(registry: FakeRegistry, **more: str) -> CheckResult:
    access = Access(registry.session, lambda _: None, ListReporter())
    keys = CacheKeys.model_validate({"registry": f"{HOST}/team/image", **more})
    (found,) = check_registry(keys, access)
    return found


def test_one_that_answers_is_fine_and_without_a_key_that_is_told() -> None:
    found = checked(FakeRegistry())
    assert found.status is Status.OK
    assert "who may write there decides" in found.found
    nothing = Access(FakeRegistry().session, lambda _: None, ListReporter())
    assert check_registry(CacheKeys(), nothing) == ()


@pytest.mark.parametrize(("fallback", "status"), [("none", Status.FATAL), ("local", Status.WARNING)])
def test_one_that_wants_a_password_stops_a_build_only_without_a_fallback(
    fallback: str, status: Status
) -> None:
    found = checked(FakeRegistry("user:word"), fallback=fallback)
    assert found.status is status
    assert f"docker login {HOST}" in found.fix


def test_a_key_that_is_not_there_is_told(tmp_path: Path) -> None:
    found = checked(FakeRegistry(), public_key=str(tmp_path / "team.pub"))
    assert found.status is Status.FATAL
    assert "cache.public_key" in found.fix


def test_who_uploads_is_asked_for_as_such() -> None:
    registry = FakeRegistry()
    registry.faults.append(always("GET", "manifests", Answer(403)))
    assert "read and write" in checked(registry, upload="yes").needed
