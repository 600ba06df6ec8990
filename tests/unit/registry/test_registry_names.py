"""Names in a registry, and who one is there."""

from __future__ import annotations

import base64
import json
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.errors import HostError, UsageError
from tfbuild.registry.auth import parse_challenge
from tfbuild.registry.credentials import Credentials, config_path, find_credentials
from tfbuild.registry.reference import parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("word", "shown", "wanted"),
    [
        ("registry.example/a/b:1.0", "registry.example/a/b:1.0", "1.0"),
        ("localhost/x", "localhost/x:latest", "latest"),
        ("registry.example:5000/x", "registry.example:5000/x:latest", "latest"),
        (f"registry.example/x@{DIGEST}", f"registry.example/x@{DIGEST}", DIGEST),
        (f"registry.example/x:1@{DIGEST}", f"registry.example/x@{DIGEST}", DIGEST),
        ("https://registry.example/x:1", "registry.example/x:1", "1"),
    ],
)
def test_a_name_says_where_and_what(word: str, shown: str, wanted: str) -> None:
    reference = parse_reference(word)
    assert (str(reference), reference.wanted, reference.plain) == (shown, wanted, False)


@pytest.mark.parametrize(
    "word", ["", "image", "team/image:1", "registry.example", "a.b/UPPER", "a.b/x@sha256:0"]
)
def test_a_name_without_a_registry_is_refused(word: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_reference(word)
    assert caught.value.hint


def test_a_nickname_is_told_apart_from_a_host() -> None:
    with pytest.raises(UsageError, match="no host that serves images"):
        parse_reference("docker.io/me/x:1")


def test_what_is_pushed_gets_a_name_and_not_a_digest() -> None:
    with pytest.raises(UsageError, match="is a digest"):
        parse_reference(f"registry.example/x@{DIGEST}", digest=False)


def test_plain_http_has_its_word_and_only_this_machine_goes_without() -> None:
    assert parse_reference("http://registry.example/x").plain
    for host in ("localhost:5000", "127.0.0.1:5000", "127.1.2.3"):
        assert parse_reference(f"{host}/x").is_loopback
    for host in ("registry.example:5000", "127.0.0.1.example", "localhost.example"):
        assert not parse_reference(f"{host}/x").is_loopback


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_name_or_a_usage_error(word: str) -> None:
    with suppress(UsageError):
        assert parse_reference(word).host


# -- docker's configuration -----------------------------------------------------------------------------


def config(folder: Path, **content: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(content))
    return path


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


def test_a_password_comes_from_the_file(tmp_path: Path) -> None:
    path = config(tmp_path, auths={"r.example": auth("me:a:b"), "https://old.example/v1/": auth("you:c")})
    runner = RecordingRunner()
    assert find_credentials("r.example", path, runner) == Credentials("me", "a:b")
    assert find_credentials("old.example", path, runner) == Credentials("you", "c")
    assert find_credentials("other.example", path, runner) is None
    assert find_credentials("r.example", tmp_path / "none", runner) is None


def test_an_identity_token_is_none_of_a_user(tmp_path: Path) -> None:
    path = config(tmp_path, auths={"r.example": {**auth("me:x"), "identitytoken": "refresh"}})
    assert find_credentials("r.example", path, RecordingRunner()) == Credentials("", "refresh", is_token=True)


@pytest.mark.parametrize(
    ("username", "expected"),
    [("me", Credentials("me", "s")), ("<token>", Credentials("", "s", is_token=True))],
)
def test_a_helper_of_the_host_comes_before_the_store_and_the_file(
    username: str, expected: Credentials, tmp_path: Path
) -> None:
    answer = json.dumps({"ServerURL": "r.example", "Username": username, "Secret": "s"})
    runner = RecordingRunner([Reply(("docker-credential-own",), stdout=answer)])
    path = config(
        tmp_path, credHelpers={"r.example": "own"}, credsStore="other", auths={"r.example": auth("no:no")}
    )
    assert find_credentials("r.example", path, runner) == expected
    assert [call.input for call in runner.calls] == [b"r.example"]


def test_a_store_that_knows_none_leaves_it_to_the_file(tmp_path: Path) -> None:
    told = "credentials not found in native keychain\n"
    runner = RecordingRunner([Reply(("docker-credential-store",), returncode=1, stdout=told)])
    path = config(tmp_path, credsStore="store", auths={"r.example": auth("me:x")})
    assert find_credentials("r.example", path, runner) == Credentials("me", "x")


@pytest.mark.parametrize(("code", "stdout"), [(1, "locked"), (0, "no json"), (0, "[]"), (0, "{}")])
def test_a_helper_that_does_not_work_is_told(code: int, stdout: str, tmp_path: Path) -> None:
    runner = RecordingRunner([Reply(("docker-credential-x",), returncode=code, stdout=stdout)])
    with pytest.raises(HostError) as caught:
        find_credentials("r.example", config(tmp_path, credsStore="x"), runner)
    assert "docker login" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["", "{", "\xff", '{"auths": {"r.example": {"auth": "hidden-word"'])
def test_a_damaged_configuration_is_told_without_its_text(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(HostError) as caught:
        find_credentials("r.example", tmp_path / "config.json", RecordingRunner())
    assert "hidden-word" not in f"{caught.value} {caught.value.details}"


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(max_size=9),
        lambda each: (
            st.lists(each, max_size=3)
            | st.dictionaries(st.sampled_from(["auths", "r.example", "auth", "x"]), each, max_size=3)
        ),
    )
)
def test_any_other_content_is_no_password(content: object) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_text(json.dumps(content))
        found = find_credentials("r.example", path, RecordingRunner())
        assert found is None or isinstance(found, Credentials)


def test_docker_says_where_its_configuration_is() -> None:
    assert config_path({"DOCKER_CONFIG": "/x"}, Path("/home/me")) == Path("/x/config.json")
    assert config_path({}, Path("/home/me")) == Path("/home/me/.docker/config.json")


def test_a_challenge_names_its_token_server() -> None:
    found = parse_challenge('Bearer realm="https://t.example/token",service="r",scope="a:b:pull,push"')
    assert found.scheme == "bearer"
    assert found.parameters == {"realm": "https://t.example/token", "service": "r", "scope": "a:b:pull,push"}
    assert parse_challenge("").scheme == ""
