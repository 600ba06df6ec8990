"""What a network can do to a download, case by case: alone it fails as it should, with a mirror it succeeds.

Each case is met three times: by itself (exit code 5, a message with the next step), followed by a mirror that
is right, and, where asking again can help, by a server that is right the second time. No wrong byte may ever
be where a build would look for it.
"""

from __future__ import annotations

import datetime
import hashlib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.support import http_server as web
from tests.support.plans import PROJECT
from tests.support.reporters import SilentReporter
from tfbuild.base.errors import DownloadError, ExitCode
from tfbuild.base.urls import parse_mirror_rules
from tfbuild.base.values import Pin
from tfbuild.cli.run import run_command
from tfbuild.downloads.attempts import AttemptFailed, Timeouts, steady
from tfbuild.downloads.fetch import Fetcher
from tfbuild.downloads.mirrors import url_resolver

pytestmark = [pytest.mark.real_sockets, pytest.mark.timeout(60)]

BODY = bytes(range(256)) * 1024
# The same length: nothing but the hash tells them apart.
OTHER = BODY[::-1]
ORIGIN = "https://upstream.invalid/"
TLS = PROJECT / "tests" / "data" / "tls"


def trickle(body: bytes) -> web.Answer:
    """A byte now and then: each comes in time, all together never."""

    def answer(handler: web.Handler) -> None:
        handler.reply(200, body[:1], {"Content-Length": str(len(body))})
        for _ in range(200):
            time.sleep(0.05)
            handler.wfile.write(b"x")
            handler.wfile.flush()

    return answer


def ignored_range(body: bytes) -> web.Answer:
    """Claims to continue where it was asked to, and begins at the start."""

    def answer(handler: web.Handler) -> None:
        asked = handler.headers.get("Range", "")
        if not asked:
            web.cut(body, 100_000)(handler)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        rest = len(body) - start
        handler.reply(206, body[:rest], {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"})

    return answer


@dataclass(frozen=True)
class Case:
    """``answer`` is what the server does, ``says`` what the error tells; ``again``: a retry can help."""

    answer: web.Answer
    says: str
    again: bool = False


CASES = {
    "truncated": Case(web.cut(BODY, 70_000), "the connection ended, after 70000 of 262144", again=True),
    "truncated, chunked": Case(
        web.cut_chunked(BODY, 70_000), "cut off or garbled, after 70000 of unknown bytes", again=True
    ),
    "a length that is a lie": Case(
        web.cut(OTHER, len(BODY), promised=2 * len(BODY)), "the connection ended, after", again=True
    ),
    "more than promised": Case(web.whole(OTHER * 3), "more than the pinned 262144 bytes"),
    "stalled": Case(web.stall(BODY, 70_000), "stalled: no byte for 0.3 s", again=True),
    "a trickle": Case(trickle(BODY), "stalled: ", again=True),
    "closed": Case(web.hang_up(), "Remote end closed connection", again=True),
    "redirects in a circle": Case(web.redirect("/f"), "more than 10 redirects, perhaps in a circle"),
    "redirect to nowhere": Case(web.redirect("http://127.0.0.1:9/"), "Connection refused", again=True),
    "redirect to a file": Case(web.redirect("file:///etc/passwd"), "not a URL that can be fetched"),
    "range ignored, unsaid": Case(ignored_range(BODY), "the connection ended, after", again=True),
    "another file": Case(web.whole(OTHER), "wrong content: sha256 "),
    "404": Case(web.status(404), "HTTP 404 Not Found"),
    "429": Case(web.status(429, Retry_After="1"), "HTTP 429 Too Many Requests", again=True),
    "503": Case(web.status(503, Retry_After="1"), "HTTP 503 Service Unavailable", again=True),
    "HTML with 200": Case(web.html(), "an HTML page: perhaps of a login, a proxy or an error"),
    "compressed": Case(web.gzipped(BODY), "compressed on the way (Content-Encoding: gzip)"),
}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
    ):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def site() -> Iterator[web.Site]:
    with web.running() as server:
        yield server


def pin(size: int | None = len(BODY)) -> Pin:
    return Pin("source", (f"{ORIGIN}f",), hashlib.sha256(BODY).hexdigest(), "source-1.0.tar.gz", size)


def fetch(cache: Path, *mirrors: str, env: dict[str, str] | None = None, attempts: int = 2) -> bytes:
    """Through mirrors in their order; without one that is right the origin, which nobody reaches, is last."""
    rules = parse_mirror_rules(" ".join(f"{ORIGIN}={each}/" for each in mirrors))
    fetcher = Fetcher(
        cache,
        reporter=SilentReporter(),
        # Without the origin: what is told is about the mirrors.
        resolve_urls=lambda url: url_resolver(rules)(url)[: len(mirrors)],
        env=env or {},
        sleep=lambda _: None,
        attempts=attempts,
        timeouts=Timeouts(connect_s=5, read_s=0.3),
    )
    return fetcher.fetch(pin()).read_bytes()


def assert_nothing_wrong_is_kept(cache: Path) -> None:
    """No file where a build looks; what is left of a try is marked as a part."""
    for file in (cache / "downloads").rglob("*"):
        assert file.is_dir() or file.suffix in {".part", ".json"}, file


def failed(cache: Path, *mirrors: str, env: dict[str, str] | None = None) -> DownloadError:
    with pytest.raises(DownloadError) as failure:
        fetch(cache, *mirrors, env=env)
    assert failure.value.exit_code == ExitCode.DOWNLOAD
    assert "TFBUILD_MIRRORS=PREFIX=REPLACEMENT" in str(failure.value.hint)
    assert_nothing_wrong_is_kept(cache)
    return failure.value


@pytest.mark.parametrize("name", CASES)
def test_alone_it_is_told_and_leaves_nothing_wrong(name: str, site: web.Site, tmp_path: Path) -> None:
    site.on("/f", CASES[name].answer)
    error = failed(tmp_path / "cache", site.url)
    assert CASES[name].says in "\n".join(error.details)
    assert site.url in "\n".join(error.details)


@pytest.mark.parametrize("name", CASES)
def test_the_next_mirror_makes_it_good(name: str, site: web.Site, tmp_path: Path) -> None:
    site.on("/bad/f", CASES[name].answer)
    # Redirects of the case lead back to itself.
    site.on("/f", CASES[name].answer)
    site.on("/good/f", web.whole(BODY))
    assert fetch(tmp_path / "cache", f"{site.url}/bad", f"{site.url}/good") == BODY


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.again])
def test_the_same_server_makes_it_good_when_asked_again(name: str, site: web.Site, tmp_path: Path) -> None:
    site.on("/f", CASES[name].answer, CASES[name].answer, web.whole(BODY))
    assert fetch(tmp_path / "cache", site.url, attempts=4) == BODY


def test_an_exit_code_and_a_next_step_reach_the_terminal(
    site: web.Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.on("/f", web.html())

    def command() -> int:
        return len(fetch(tmp_path / "cache", site.url))

    assert run_command(command) == 5
    told = capsys.readouterr().err
    assert "what was downloaded is not what is pinned" in told
    assert "an HTML page" in told
    assert "TFBUILD_MIRRORS" in told


def test_a_trickle_is_judged_by_what_comes_in_a_while() -> None:
    ticks = iter([0.0, 20.0, 40.0, 61.0, 61.0, 80.0, 122.0])
    timeouts = Timeouts(read_s=60, least=100)
    chunks = steady([b"x" * 40, b"x" * 40, b"x" * 40, b"y", b"y"], timeouts, lambda: next(ticks))
    got = [next(chunks) for _ in range(5)]
    assert b"".join(got) == b"x" * 120 + b"yy"
    with pytest.raises(AttemptFailed, match="2 bytes in 60 s"):
        next(chunks)


# -- certificates --------------------------------------------------------------------------------------

Certified = Callable[..., AbstractContextManager[web.Site]]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


def server_of(authority: trustme.CA, folder: Path, *, expired: bool = False) -> Path:
    """A certificate of 127.0.0.1 with its key, as a file."""
    now = datetime.datetime.now(datetime.timezone.utc)
    begin, end = now - datetime.timedelta(days=30), now + datetime.timedelta(days=-1 if expired else 30)
    issued = authority.issue_cert("127.0.0.1", not_before=begin, not_after=end)
    path = folder / "server.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(str(path))
    return path


def bundle_of(authority: trustme.CA, folder: Path) -> dict[str, str]:
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return {"SSL_CERT_FILE": str(path)}


def test_a_private_authority_that_is_known_is_good(authority: trustme.CA, tmp_path: Path) -> None:
    with web.running(server_of(authority, tmp_path)) as site:
        site.on("/f", web.whole(BODY))
        assert fetch(tmp_path / "cache", site.url, env=bundle_of(authority, tmp_path)) == BODY


@pytest.mark.parametrize("known", ["none", "another"])
def test_a_private_authority_that_is_not_known_is_told(
    known: str, authority: trustme.CA, tmp_path: Path
) -> None:
    env = bundle_of(trustme.CA(), tmp_path) if known == "another" else {}
    with web.running(server_of(authority, tmp_path)) as site, web.running() as plain:
        site.on("/f", web.whole(BODY))
        plain.on("/f", web.whole(BODY))
        error = failed(tmp_path / "cache", site.url, env=env)
        assert "its TLS certificate is not trusted: " in error.details[0]
        assert len(error.details) == 1  # asking again would not help
        assert "SSL_CERT_FILE or REQUESTS_CA_BUNDLE" in str(error.hint)
        assert site.seen == []
        assert fetch(tmp_path / "cache", site.url, plain.url, env=env) == BODY


def test_an_expired_certificate_is_told_and_never_accepted(authority: trustme.CA, tmp_path: Path) -> None:
    env = bundle_of(authority, tmp_path)
    with web.running(server_of(authority, tmp_path, expired=True)) as site, web.running() as plain:
        site.on("/f", web.whole(BODY))
        plain.on("/f", web.whole(BODY))
        error = failed(tmp_path / "cache", site.url, env=env)
        assert "certificate has expired" in error.details[0]
        assert site.seen == []
        assert fetch(tmp_path / "cache", site.url, plain.url, env=env) == BODY


def test_what_speaks_no_tls_at_all_is_told(authority: trustme.CA, tmp_path: Path) -> None:
    with web.running() as site:
        error = failed(tmp_path / "cache", site.url.replace("http:", "https:"))
        assert error.details[0].startswith(f"Tried 1: https:{site.url.removeprefix('http:')}/f: ")


def test_the_authority_of_the_committed_certificate_still_holds() -> None:
    """The pair in tests/data is used by tests that need the same bytes each time."""
    context = ssl.create_default_context(cafile=str(TLS / "ca.pem"))
    assert context.cert_store_stats()["x509_ca"] == 1
