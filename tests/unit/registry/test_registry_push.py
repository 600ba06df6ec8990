"""What a push leaves in a registry, and what it makes of one that fails."""

from __future__ import annotations

import json

import pytest
import requests

from tests.support.registry import (
    HOST,
    TOKEN_SERVER,
    Answer,
    FakeRegistry,
    always,
    digest_of,
    error_body,
    once,
)
from tests.support.reporters import ListReporter
from tfbuild.base.errors import PackagingError, VerificationError
from tfbuild.registry import client
from tfbuild.registry.content import EMPTY, OCI_INDEX, content_of, index_of, manifest_of
from tfbuild.registry.credentials import Credentials
from tfbuild.registry.push import Publication, Referrer, push

LAYER = content_of(bytes(range(256)) * 40, "application/octet-stream", "a layer")
IMAGE = manifest_of((LAYER.descriptor,), name="an image", artifact_type="x/y")
TOP = index_of((IMAGE.descriptor,), "an index")
BILL = content_of(b'{"bill": 1}', "application/spdx+json", "bill")
ABOUT = manifest_of(
    (BILL.descriptor,), name="bill", artifact_type="application/spdx+json", subject=TOP.descriptor
)
WHOLE = Publication(
    TOP, (IMAGE,), (EMPTY, LAYER, BILL), (Referrer(TOP.descriptor, ABOUT, ("sha256-x.sig",)),)
)
BROKEN = requests.ConnectionError("reset")


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_CHUNK", 4096)


def pushed(registry: FakeRegistry, tag: str = "1.0", credentials: Credentials | None = None) -> int:
    reporter = ListReporter()
    return push(WHOLE, registry.open(tag, credentials, reporter=reporter), reporter)


def assert_whole(registry: FakeRegistry) -> None:
    assert registry.tags["1.0"] == TOP.descriptor.digest
    assert registry.blobs[LAYER.descriptor.digest] == LAYER.text


@pytest.mark.parametrize("lists", [True, False])
def test_everything_is_there_and_found_from_its_name(lists: bool) -> None:
    registry = FakeRegistry(lists_referrers=lists)
    assert pushed(registry) == len(LAYER.text) + len(BILL.text) + len(EMPTY.text)
    assert_whole(registry)
    (found,) = registry.open().referrers(TOP.descriptor.digest)
    assert (found.digest, found.artifact_type) == (ABOUT.descriptor.digest, "application/spdx+json")
    fallback = f"sha256-{TOP.descriptor.digest[7:]}"
    assert (fallback in registry.tags) is not lists
    if not lists:
        listing = json.loads(registry.manifests[registry.tags[fallback]])
        assert listing["mediaType"] == OCI_INDEX


def test_the_name_is_given_last() -> None:
    registry = FakeRegistry()
    pushed(registry)
    stored = [asked.path for asked in registry.seen if asked.method == "PUT"]
    assert stored[-1] == "manifests/1.0"
    read = [asked.path for asked in registry.seen if asked.method == "GET"]
    assert f"blobs/{LAYER.descriptor.digest}" in read


def test_a_second_push_sends_nothing_and_keeps_the_list() -> None:
    registry = FakeRegistry(lists_referrers=False)
    pushed(registry)
    before = dict(registry.tags)
    assert pushed(registry) == 0
    assert registry.tags == before


def test_what_others_attached_stays_in_the_list() -> None:
    registry = FakeRegistry(lists_referrers=False)
    registry.blobs[EMPTY.descriptor.digest] = EMPTY.text
    other = manifest_of((), name="scan", artifact_type="x/scan", subject=TOP.descriptor)
    fallback = f"sha256-{TOP.descriptor.digest[7:]}"
    repository = registry.open()
    repository.put_manifest(other.descriptor.digest, other)
    repository.put_manifest(fallback, index_of((other.descriptor,), "list"))
    pushed(registry)
    digests = {each.digest for each in repository.referrers(TOP.descriptor.digest)}
    assert digests == {other.descriptor.digest, ABOUT.descriptor.digest}


# -- faults -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer", [Answer(429, headers={"Retry-After": "1"}), Answer(503), Answer(500), BROKEN]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("HEAD", "blobs/"), ("POST", "blobs/uploads/"), ("PATCH", "blobs/uploads/"), ("PUT", "blobs/")),
        *(
            ("PUT", "manifests/sha256:"),
            ("PUT", "manifests/1.0"),
            ("GET", "manifests/"),
            ("GET", "blobs/sha"),
        ),
    ],
)
def test_what_fails_for_the_moment_is_tried_again(method: str, path: str, answer: Answer | Exception) -> None:
    registry = FakeRegistry()
    registry.faults.append(once(method, path, answer, 2))
    pushed(registry)
    assert_whole(registry)


def test_an_interrupted_upload_goes_on_where_it_was() -> None:
    registry = FakeRegistry()
    sizes: list[int] = []

    def cut(asked: object) -> Answer | None:
        method, body = asked.method, asked.body  # type: ignore[attr-defined]
        if method != "PATCH":
            return None
        sizes.append(len(body))
        if len(sizes) == 2:
            raise BROKEN
        return None

    registry.faults.append(cut)
    pushed(registry)
    assert_whole(registry)
    of_layer = [size for size in sizes if size > 100]
    assert of_layer == [4096, 4096, 4096, 10240 - 8192]  # the second one twice, nothing else


def test_an_upload_that_breaks_after_each_piece_gets_there() -> None:
    """More breaks than tries, and each time it is further."""
    registry = FakeRegistry()
    long = content_of(bytes(4096 * 12), "application/octet-stream", "a long layer")
    seen: list[str] = []

    def cut(asked: object) -> Answer | None:
        if asked.method == "PATCH" and seen.append(asked.path) is None and len(seen) % 2 == 0:  # type: ignore[attr-defined,func-returns-value]
            raise BROKEN
        return None

    registry.faults.append(cut)
    registry.open().put_blob(long)
    assert registry.blobs[long.descriptor.digest] == long.text
    assert len(seen) > 12 + 6


def test_an_upload_that_the_registry_forgot_begins_anew() -> None:
    registry = FakeRegistry()
    registry.faults.append(once("PATCH", "blobs/uploads/", Answer(404, error_body("BLOB_UPLOAD_UNKNOWN"))))
    registry.faults.append(once("GET", "blobs/uploads/", Answer(404)))
    pushed(registry)
    assert_whole(registry)


@pytest.mark.parametrize("answer", [Answer(503), BROKEN])
def test_a_registry_that_stays_away_ends_it_and_the_name_stays(answer: Answer | Exception) -> None:
    registry = FakeRegistry()
    pushed(registry)
    registry.tags["1.0"] = old = IMAGE.descriptor.digest
    registry.faults.append(once("PUT", "manifests/sha256:", answer, 1 << 30))
    with pytest.raises(PackagingError) as caught:
        pushed(registry)
    assert "same command again" in (caught.value.hint or "")
    assert registry.tags["1.0"] == old


def test_what_a_registry_refuses_is_told_in_its_words() -> None:
    registry = FakeRegistry()
    registry.faults.append(always("PUT", "manifests/", Answer(413, error_body("TOO_LARGE", "quota\x1b[31m"))))
    with pytest.raises(PackagingError) as caught:
        pushed(registry)
    assert "HTTP 413 TOO_LARGE: quota" in caught.value.details[0]
    assert "\x1b" not in caught.value.details[0]
    assert len([asked for asked in registry.seen if asked.method == "PUT" and "manifests" in asked.path]) == 1


# -- who one is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tokens", [True, False])
def test_a_password_is_given_when_it_is_asked_for(tokens: bool) -> None:
    registry = FakeRegistry("me:secret-word", tokens=tokens)
    pushed(registry, credentials=Credentials("me", "secret-word"))
    assert_whole(registry)
    assert "Authorization" not in registry.seen[0].headers
    asked = [each for each in registry.seen if each.path == TOKEN_SERVER]
    assert len(asked) == int(tokens)
    if tokens:
        assert asked[0].query["scope"] == "repository:team/image:pull,push"


def test_an_identity_token_is_changed_for_one_of_the_registry() -> None:
    registry = FakeRegistry("me:x", tokens=True)
    pushed(registry, credentials=Credentials("", "refresh", is_token=True))
    assert_whole(registry)


def test_a_token_that_has_run_out_is_renewed() -> None:
    registry = FakeRegistry("me:x", tokens=True)

    def expires(asked: object) -> None:
        if asked.path.startswith("manifests/1.0") and registry.token == "t-1":  # type: ignore[attr-defined]
            registry.token = "t-2"

    registry.faults.append(expires)
    pushed(registry, credentials=Credentials("me", "x"))
    assert_whole(registry)


@pytest.mark.parametrize("credentials", [None, Credentials("me", "wrong-word")])
@pytest.mark.parametrize("tokens", [True, False])
def test_a_wrong_password_is_told_without_it(credentials: Credentials | None, tokens: bool) -> None:
    registry = FakeRegistry("me:secret-word", tokens=tokens)
    with pytest.raises(PackagingError) as caught:
        pushed(registry, credentials=credentials)
    assert f"docker login {HOST}" in (caught.value.hint or "")
    assert "wrong-word" not in f"{caught.value} {caught.value.details}"
    assert len(registry.seen) < 10


def test_a_token_server_without_tls_gets_no_password() -> None:
    registry = FakeRegistry("me:secret-word")
    ask = {"WWW-Authenticate": 'Bearer realm="http://tokens.example/token",service="x"'}
    registry.faults.append(always("HEAD", "blobs/", Answer(401, headers=ask)))
    with pytest.raises(PackagingError):
        pushed(registry, credentials=Credentials("me", "secret-word"))
    assert not [each for each in registry.seen if each.path.startswith("http://")]


def test_another_host_that_an_upload_goes_to_gets_no_password() -> None:
    registry = FakeRegistry("me:secret-word")
    there = {"Location": "https://storage.example/put?sig=1"}

    def elsewhere(asked: object) -> Answer | None:
        path, method = asked.path, asked.method  # type: ignore[attr-defined]
        if path == "https://storage.example/put":
            assert "Authorization" not in asked.headers  # type: ignore[attr-defined]
            if method == "PUT":
                registry.blobs[asked.query["digest"]] = kept.pop()  # type: ignore[attr-defined]
                return Answer(201)
            kept.append(kept.pop() + asked.body if kept else asked.body)  # type: ignore[attr-defined]
            return Answer(202, headers=there)
        is_begun = method == "POST" and "Authorization" in asked.headers  # type: ignore[attr-defined]
        return Answer(202, headers=there) if is_begun else None

    kept: list[bytes] = []
    registry.faults.append(elsewhere)
    pushed(registry, credentials=Credentials("me", "secret-word"))
    assert_whole(registry)


# -- a registry that lies -----------------------------------------------------------------------------------


def test_other_bytes_read_back_stop_it_before_the_name_moves() -> None:
    registry = FakeRegistry()
    wrong = bytes([LAYER.text[0] ^ 1]) + LAYER.text[1:]
    registry.faults.append(always("GET", f"blobs/{LAYER.descriptor.digest}", Answer(200, wrong)))
    with pytest.raises(VerificationError, match="something else under the digest") as caught:
        pushed(registry)
    assert f"served: {digest_of(wrong)}" in caught.value.details
    assert "1.0" not in registry.tags


@pytest.mark.parametrize("content", [IMAGE, TOP, ABOUT])
def test_another_manifest_under_a_digest_stops_it(content: object) -> None:
    registry = FakeRegistry()
    digest = content.descriptor.digest  # type: ignore[attr-defined]
    registry.faults.append(always("GET", f"manifests/{digest}", Answer(200, b"{}")))
    with pytest.raises(VerificationError, match="something else under the digest"):
        pushed(registry)
    assert "1.0" not in registry.tags


@pytest.mark.parametrize("name", ["1.0", "sha256-x.sig"])
def test_another_manifest_under_a_name_is_told(name: str) -> None:
    registry = FakeRegistry()
    registry.faults.append(always("GET", f"manifests/{name}$", Answer(200, IMAGE.text)))
    with pytest.raises(VerificationError, match=f"serves another manifest under {name}"):
        pushed(registry)


def test_a_list_without_what_was_attached_is_told() -> None:
    registry = FakeRegistry()
    body = b'{"manifests": []}'
    kind = {"Content-Type": OCI_INDEX}
    registry.faults.append(always("GET", "referrers/", Answer(200, body, kind)))
    with pytest.raises(VerificationError, match="does not list bill"):
        pushed(registry)
    assert "1.0" not in registry.tags


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"manifests": [{}]}', b'{"manifests": [{"digest": 1}]}']
)
def test_a_list_that_is_none_is_told(body: bytes) -> None:
    registry = FakeRegistry()
    registry.faults.append(always("GET", "referrers/", Answer(200, body, {"Content-Type": OCI_INDEX})))
    with pytest.raises(VerificationError, match="cannot be understood"):
        registry.open().referrers(TOP.descriptor.digest)


def test_a_read_that_breaks_goes_on_where_it_was() -> None:
    registry = FakeRegistry()
    registry.blobs[LAYER.descriptor.digest] = LAYER.text
    short = Answer(200, LAYER.text[:1000], {"Content-Length": str(len(LAYER.text))})
    registry.faults.append(once("GET", "blobs/", short))
    assert b"".join(registry.open().blob(LAYER.descriptor)) == LAYER.text
    assert registry.seen[-1].headers["Range"] == "bytes=1000-"
