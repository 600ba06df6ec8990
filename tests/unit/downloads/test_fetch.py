"""Downloads from a server that misbehaves as real ones do."""

from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.support import http_server as web
from tests.support.plans import PROJECT
from tests.support.reporters import SilentReporter
from tfbuild.base.errors import ChecksumError, DownloadError, HostError, UsageError
from tfbuild.base.urls import parse_mirror_rules
from tfbuild.base.values import Pin, Unhashed
from tfbuild.downloads import fetch
from tfbuild.downloads.attempts import LONGEST_RETRY_AFTER_S, Timeouts
from tfbuild.downloads.fetch import Fetcher, new_session
from tfbuild.downloads.mirrors import url_resolver
from tfbuild.machine.files import hash_file

pytestmark = [pytest.mark.real_sockets, pytest.mark.timeout(60)]

BODY = bytes(range(256)) * 2048  # 512 KiB: several chunks
OTHER = b"x" * len(BODY)
TLS = PROJECT / "tests" / "data" / "tls"
NOW = 1_800_000_000.0


@dataclass
class Told(SilentReporter):
    """Remembers what a user would have read."""

    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    transfers: list[tuple[str, int, int | None]] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def transfer(self, name: str, done: int, total: int | None) -> None:
        self.transfers.append((name, done, total))


@dataclass
class Bench:
    """A fetcher with a cache of its own whose sleeps are recorded and not slept."""

    root: Path
    told: Told = field(default_factory=Told)
    sleeps: list[float] = field(default_factory=list)

    def fetcher(
        self,
        *,
        offline: bool = False,
        attempts: int = 3,
        resolve_urls: Callable[[str], tuple[str, ...]] = lambda url: (url,),
        env: dict[str, str] | None = None,
    ) -> Fetcher:
        return Fetcher(
            self.root,
            reporter=self.told,
            offline=offline,
            resolve_urls=resolve_urls,
            env=env or {},
            sleep=self.sleeps.append,
            clock=lambda: NOW,
            attempts=attempts,
            timeouts=Timeouts(connect_s=5, read_s=0.3),
        )

    def parts(self) -> list[Path]:
        return sorted(self.root.rglob("*.part"))


@pytest.fixture
def site() -> Iterator[web.Site]:
    with web.running() as server:
        yield server


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    names = (
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "SSL_CERT_FILE",
    )
    for name in names:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "cache")


def pin(*urls: str, body: bytes = BODY, size: int | None = len(BODY), name: str = "source") -> Pin:
    return Pin(name, urls, hashlib.sha256(body).hexdigest(), "source-1.0.tar.gz", size)


def test_a_file_arrives_with_progress_and_is_not_asked_for_again(site: web.Site, bench: Bench) -> None:
    wanted = pin(site.on("/f", web.whole(BODY)))
    path = bench.fetcher().fetch(wanted)
    assert path.read_bytes() == BODY
    assert path == bench.root / "downloads" / f"sha256-{wanted.sha256}" / "source-1.0.tar.gz"
    assert bench.told.transfers[-1] == ("source", len(BODY), len(BODY))
    assert bench.fetcher().fetch(wanted) == path
    assert site.paths == ["/f"]


def test_a_cut_transfer_is_resumed_where_it_ended(site: web.Site, bench: Bench) -> None:
    etag = '"v1"'
    cuts = (web.cut(BODY, 200_000, etag=etag), web.cut(BODY, 100_000, etag=etag))
    url = site.on("/f", *cuts, web.whole(BODY, etag=etag))
    assert bench.fetcher().fetch(pin(url)).read_bytes() == BODY
    asked = [(seen.headers.get("range"), seen.headers.get("if-range")) for seen in site.seen]
    assert asked == [(None, None), ("bytes=200000-", etag), ("bytes=300000-", etag)]
    assert "after 200000 of 524288 bytes" in bench.told.notes[0]
    assert bench.parts() == []


def test_the_next_run_resumes_what_the_last_one_left(site: web.Site, bench: Bench) -> None:
    url = site.on("/f", web.cut(BODY, 200_000))
    with pytest.raises(DownloadError):
        bench.fetcher(attempts=1).fetch(pin(url))
    site.on("/f", web.whole(BODY))
    assert bench.fetcher().fetch(pin(url)).read_bytes() == BODY
    assert site.seen[-1].headers["range"] == "bytes=200000-"


def test_a_part_that_is_already_whole_needs_no_server(bench: Bench) -> None:
    wanted = pin("http://127.0.0.1:9/f")
    folder = bench.root / "downloads" / f"sha256-{wanted.sha256}"
    folder.mkdir(parents=True)
    (folder / "source-1.0.tar.gz.part").write_bytes(BODY)
    assert bench.fetcher().fetch(wanted).read_bytes() == BODY


@pytest.mark.parametrize("size", [len(BODY), None])
@pytest.mark.parametrize(
    "broken",
    [
        web.cut(BODY, 70_000),
        web.cut(BODY, 70_000, promised=len(BODY) * 2),
        web.cut(BODY, 0),
        web.cut_chunked(BODY, 70_000),
        web.stall(BODY, 70_000),
        web.hang_up(),
        web.status(500),
        web.status(503),
        web.status(408),
    ],
    ids=["cut", "cut-lying", "nothing", "chunked", "stall", "hang-up", "500", "503", "408"],
)
def test_passing_trouble_is_tried_again_after_a_pause(
    site: web.Site, bench: Bench, broken: web.Answer, size: int | None
) -> None:
    url = site.on("/f", broken, broken, web.whole(BODY))
    assert bench.fetcher().fetch(pin(url, size=size)).read_bytes() == BODY
    assert bench.sleeps == [2.0, 4.0]
    assert len(bench.told.notes) == 2


def test_a_length_beyond_the_file_does_no_harm_when_all_of_it_came(site: web.Site, bench: Bench) -> None:
    url = site.on("/f", web.cut(BODY, len(BODY), promised=len(BODY) + 1000))
    assert bench.fetcher().fetch(pin(url)).read_bytes() == BODY
    assert bench.sleeps == []


def test_a_length_short_of_the_file_is_not_taken_for_the_file(site: web.Site, bench: Bench) -> None:
    lying = web.cut(BODY, len(BODY), promised=1000)
    with pytest.raises(ChecksumError):
        bench.fetcher().fetch(pin(site.on("/f", lying)))
    url = site.on("/g", web.whole(BODY))
    assert bench.fetcher().fetch(pin(site.url + "/f", url)).read_bytes() == BODY


def test_a_server_that_stays_down_is_given_up_with_every_try_told(site: web.Site, bench: Bench) -> None:
    url = site.on("/f", web.status(503))
    with pytest.raises(DownloadError) as failure:
        bench.fetcher(attempts=6).fetch(pin(url), hint="use --release 2.14.1-debian")
    assert len(site.seen) == 6
    assert sum(bench.sleeps) >= 60  # an outage of a minute is survived
    assert len(failure.value.details) == 6
    assert "HTTP 503 Service Unavailable" in failure.value.details[0]
    assert "TFBUILD_MIRRORS" in str(failure.value.hint)
    assert "use --release 2.14.1-debian" in str(failure.value.hint)


@pytest.mark.parametrize(
    ("header", "pause"),
    [
        ("7", 7.0),
        ("0", None),
        (formatdate(NOW + 30, usegmt=True), 30.0),
        (formatdate(NOW - 30, usegmt=True), None),
        ("86400", LONGEST_RETRY_AFTER_S),
        ("9" * 5000, 2.0),
        ("soon", 2.0),
    ],
)
def test_retry_after_decides_the_pause(
    site: web.Site, bench: Bench, monkeypatch: pytest.MonkeyPatch, header: str, pause: float | None
) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)  # urllib3 asks it
    url = site.on("/f", web.status(429, Retry_After=header), web.whole(BODY))
    bench.fetcher().fetch(pin(url))
    assert bench.sleeps == ([] if pause is None else [pause])


@pytest.mark.parametrize("code", [404, 403, 410, 401, 400])
def test_a_url_that_will_not_come_back_is_left_at_once(site: web.Site, bench: Bench, code: int) -> None:
    wanted = pin(site.on("/a", web.status(code)), site.on("/b", web.whole(BODY)))
    assert bench.fetcher().fetch(wanted).read_bytes() == BODY
    assert site.paths == ["/a", "/b"]
    assert bench.sleeps == []


def test_a_mirror_that_is_down_costs_no_wait_when_another_answers(site: web.Site, bench: Bench) -> None:
    wanted = pin(site.on("/a", web.status(503)), site.on("/b", web.whole(BODY)))
    bench.fetcher().fetch(wanted)
    assert site.paths == ["/a", "/b"]
    assert bench.sleeps == []


def test_redirects_are_followed_and_circles_are_left(site: web.Site, bench: Bench) -> None:
    circle = site.on("/a", web.redirect("/b"))
    site.on("/b", web.redirect("/a"))
    good = site.on("/c", web.redirect("/d"))
    site.on("/d", web.whole(BODY))
    assert bench.fetcher().fetch(pin(circle, good)).read_bytes() == BODY
    assert bench.sleeps == []
    with pytest.raises(DownloadError, match="from any address") as failure:
        bench.fetcher().fetch(pin(circle, body=OTHER))
    assert "redirects" in failure.value.details[0]


def test_a_redirect_out_of_http_is_not_followed(site: web.Site, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "local").write_bytes(BODY)
    url = site.on("/f", web.redirect(f"file://{tmp_path}/local"))
    with pytest.raises(DownloadError) as failure:
        bench.fetcher().fetch(pin(url))
    assert len(failure.value.details) == 1


def test_wrong_bytes_are_deleted_and_reported_with_both_hashes(site: web.Site, bench: Bench) -> None:
    url = site.on("/f", web.whole(OTHER))
    wanted = pin(url)
    with pytest.raises(ChecksumError) as failure:
        bench.fetcher().fetch(wanted)
    assert failure.value.exit_code == 5
    assert failure.value.details[:3] == (
        f"Expected: sha256 {wanted.sha256}",
        f"Actual:   sha256 {hashlib.sha256(OTHER).hexdigest()} ({len(OTHER)} bytes)",
        f"URL:      {url}",
    )
    assert len(site.seen) == 1
    assert not any(file.read_bytes() == OTHER for file in bench.root.rglob("*") if file.is_file())


def test_after_wrong_bytes_the_next_mirror_is_asked(site: web.Site, bench: Bench) -> None:
    wanted = pin(site.on("/a", web.whole(OTHER)), site.on("/b", web.whole(BODY)))
    assert bench.fetcher().fetch(wanted).read_bytes() == BODY
    assert "wrong content" in bench.told.notes[0]


def test_wrong_bytes_are_the_news_even_when_other_mirrors_are_gone(site: web.Site, bench: Bench) -> None:
    wrong, gone = site.on("/a", web.whole(OTHER)), site.on("/b", web.status(404))
    with pytest.raises(ChecksumError) as failure:
        bench.fetcher().fetch(pin(gone, wrong))
    assert f"URL:      {wrong}" in failure.value.details
    assert sum(line.startswith("Tried") for line in failure.value.details) == 2


def test_a_login_page_with_status_200_is_no_file(site: web.Site, bench: Bench) -> None:
    with pytest.raises(ChecksumError) as failure:
        bench.fetcher().fetch(pin(site.on("/f", web.html()), size=None))
    assert "an HTML page" in "\n".join(failure.value.details)


def test_more_than_the_pinned_size_is_not_read_to_the_end(site: web.Site, bench: Bench) -> None:
    with pytest.raises(ChecksumError) as failure:
        bench.fetcher().fetch(pin(site.on("/f", web.whole(OTHER * 20)), size=len(BODY)))
    assert "more than the pinned 524288 bytes" in failure.value.details[1]


def test_compression_on_the_way_is_not_asked_for_and_not_taken_for_the_file(
    site: web.Site, bench: Bench
) -> None:
    wanted = pin(site.on("/a", web.gzipped(BODY)), size=None)
    with pytest.raises(ChecksumError) as failure:
        bench.fetcher().fetch(wanted)
    assert site.seen[0].headers["accept-encoding"] == "identity"
    assert "Content-Encoding: gzip" in "\n".join(failure.value.details)


def test_a_gzip_file_that_is_labelled_as_encoded_stays_as_it_is(site: web.Site, bench: Bench) -> None:
    packed: list[bytes] = []

    def mislabelled(handler: web.Handler) -> None:
        handler.reply(200, packed[0], {"Content-Encoding": "x-gzip"})

    packed.append(gzip.compress(BODY, mtime=0))
    wanted = pin(site.on("/f", mislabelled), body=packed[0], size=len(packed[0]))
    assert bench.fetcher().fetch(wanted).read_bytes() == packed[0]


def test_a_server_without_ranges_is_read_from_the_start(site: web.Site, bench: Bench) -> None:
    url = site.on("/f", web.cut(BODY, 100_000), web.no_ranges(BODY))
    assert bench.fetcher().fetch(pin(url)).read_bytes() == BODY


def test_a_file_that_changed_between_two_tries_is_read_from_the_start(site: web.Site, bench: Bench) -> None:
    url = site.on("/f", web.cut(OTHER, 100_000, etag='"old"'), web.whole(BODY, etag='"new"'))
    assert bench.fetcher().fetch(pin(url)).read_bytes() == BODY
    assert site.seen[1].headers["if-range"] == '"old"'


def test_a_part_of_another_file_does_not_convict_an_honest_mirror(site: web.Site, bench: Bench) -> None:
    wanted = pin(site.on("/a", web.cut(OTHER, 100_000)), site.on("/b", web.whole(BODY)))
    assert bench.fetcher().fetch(wanted).read_bytes() == BODY
    assert [seen.headers.get("range") for seen in site.seen] == [None, "bytes=100000-", None]


def test_a_range_beyond_the_end_starts_over(site: web.Site, bench: Bench) -> None:
    wanted = pin(
        site.on("/a", web.cut(BODY + OTHER, len(BODY) + 5)), site.on("/b", web.whole(BODY)), size=None
    )
    assert bench.fetcher().fetch(wanted).read_bytes() == BODY
    assert [seen.headers.get("range") for seen in site.seen] == [None, f"bytes={len(BODY) + 5}-", None]


def test_a_range_other_than_the_one_asked_for_starts_over(site: web.Site, bench: Bench) -> None:
    wrong_range = web.status(206, BODY[:50], Content_Range=f"bytes 0-49/{len(BODY)}")
    url = site.on("/f", web.cut(BODY, 100_000), wrong_range, web.whole(BODY))
    assert bench.fetcher().fetch(pin(url)).read_bytes() == BODY


def test_a_cached_file_is_not_read_again_until_it_was_touched(
    site: web.Site, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = pin(site.on("/f", web.whole(BODY)))
    path = bench.fetcher().fetch(wanted)
    read: list[Path] = []

    def counted(file: Path) -> str:
        read.append(file)
        return hash_file(file)

    monkeypatch.setattr(fetch, "hash_file", counted)
    assert bench.fetcher(offline=True).fetch(wanted) == path
    assert read == []
    path.touch()
    assert bench.fetcher(offline=True).fetch(wanted) == path
    assert bench.fetcher(offline=True).fetch(wanted) == path
    assert read == [path]


def test_a_changed_byte_is_noticed_even_when_the_time_was_set_back(site: web.Site, bench: Bench) -> None:
    wanted = pin(site.on("/f", web.whole(BODY)))
    path = bench.fetcher().fetch(wanted)
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert bench.fetcher().fetch(wanted).read_bytes() == BODY
    assert "damaged" in bench.told.warnings[0]


@pytest.mark.parametrize("damage", ["longer", "same size", "touched"])
def test_a_cached_file_is_used_only_while_it_is_right(site: web.Site, bench: Bench, damage: str) -> None:
    wanted = pin(site.on("/f", web.whole(BODY)))
    path = bench.fetcher().fetch(wanted)
    path.write_bytes({"longer": BODY + b"!", "same size": OTHER, "touched": BODY}[damage])
    assert bench.fetcher().fetch(wanted).read_bytes() == BODY
    damaged = damage != "touched"
    assert len(site.seen) == (2 if damaged else 1)
    assert [("damaged" in text) for text in bench.told.warnings] == ([True] if damaged else [])


def test_offline_uses_the_cache_and_names_all_that_is_missing(site: web.Site, bench: Bench) -> None:
    here = pin(site.on("/f", web.whole(BODY)))
    bench.fetcher().fetch(here)
    asked = len(site.seen)
    offline = bench.fetcher(offline=True)
    assert offline.fetch_all([here])["source"].read_bytes() == BODY
    missing = [pin(site.url + "/x", body=name.encode(), name=name) for name in ("left", "right")]
    with pytest.raises(DownloadError) as failure:
        offline.fetch_all([here, *missing])
    text = "\n".join(failure.value.details)
    assert "left" in text
    assert "right" in text
    with pytest.raises(DownloadError, match="offline, and left"):
        offline.fetch(missing[0])
    assert len(site.seen) == asked


def test_a_mirror_may_be_a_folder_even_offline(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "mirror dir" / "x").mkdir(parents=True)
    (tmp_path / "mirror dir" / "x" / "f.tar.gz").write_bytes(BODY)
    (tmp_path / "plain").symlink_to(tmp_path / "mirror dir")
    for number, base in enumerate((f"{tmp_path}/plain", f"file://{tmp_path}/mirror%20dir/")):
        rules = parse_mirror_rules(f"https://example.invalid/={base}")
        box = Bench(bench.root / str(number))
        fetcher = box.fetcher(offline=True, resolve_urls=url_resolver(rules))
        assert fetcher.fetch(pin("https://example.invalid/x/f.tar.gz")).read_bytes() == BODY
        with pytest.raises(DownloadError) as failure:
            fetcher.fetch(pin("https://example.invalid/x/gone", body=OTHER))
        assert "No such file" in failure.value.details[0]


def test_wrong_bytes_in_a_mirror_folder_are_not_used(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(OTHER)
    with pytest.raises(ChecksumError):
        bench.fetcher().fetch(pin(str(tmp_path / "f")))


def test_names_and_passwords_are_never_told(
    site: web.Site, bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    site.on("/f", web.cut(BODY, 1000), web.status(503), web.whole(OTHER))
    secret = pin(site.url.replace("//", "//user:s3cr3t@") + "/f", "http://user:s3cr3t@127.0.0.1:9/f")
    with pytest.raises(ChecksumError) as failure:
        bench.fetcher().fetch(secret)
    assert site.seen[0].headers["authorization"].startswith("Basic ")
    kept = [file.read_text(errors="replace") for file in bench.root.rglob("*") if file.is_file()]
    told = [str(failure.value), *failure.value.details, str(failure.value.hint), *bench.told.notes, *kept]
    assert "s3cr3t" not in "\n".join(told) + caplog.text


def test_credentials_come_from_netrc(site: web.Site, bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password s3cr3t\n")
    bench.fetcher().fetch(pin(site.on("/f", web.whole(BODY))))
    assert site.seen[0].headers["authorization"].startswith("Basic ")


def test_a_proxy_of_the_environment_is_used(
    site: web.Site, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", site.url)
    site.server.answers["http://mirror.invalid/f"] = [web.whole(BODY)]
    assert bench.fetcher().fetch(pin("http://mirror.invalid/f")).read_bytes() == BODY


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_private_ca_is_honoured(bench: Bench, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    with web.running(TLS / "server.pem") as site:
        url = site.on("/f", web.whole(BODY))
        with pytest.raises(DownloadError) as failure:
            bench.fetcher().fetch(pin(url))
        assert "certificate is not trusted" in failure.value.details[0]
        assert len(failure.value.details) == 1
        assert "SSL_CERT_FILE or REQUESTS_CA_BUNDLE" in str(failure.value.hint)
        monkeypatch.setenv(variable, str(TLS / "ca.pem"))
        env = {variable: str(TLS / "ca.pem")}
        assert bench.fetcher(env=env).fetch(pin(url)).read_bytes() == BODY


def test_a_ca_file_that_does_not_exist_is_said_before_anything_is_tried() -> None:
    with pytest.raises(HostError, match="SSL_CERT_FILE names a file that does not exist"):
        new_session({"SSL_CERT_FILE": "/nonexistent/ca.pem"})


def test_a_refused_connection_says_so(bench: Bench) -> None:
    with pytest.raises(DownloadError) as failure:
        bench.fetcher(attempts=1).fetch(pin("http://127.0.0.1:9/f"))
    assert failure.value.details == ("Tried 1: http://127.0.0.1:9/f: Connection refused",)


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/f", "http://", "no url", "http://127.0.0.1:99999/f"])
def test_what_is_no_url_is_told_and_not_repeated(bench: Bench, url: str) -> None:
    with pytest.raises(DownloadError) as failure:
        bench.fetcher().fetch(pin(url))
    assert len(failure.value.details) == 1


def test_a_pin_without_urls_says_that_nothing_is_known(bench: Bench) -> None:
    with pytest.raises(DownloadError, match="no address is known"):
        bench.fetcher().fetch(pin())


@pytest.mark.parametrize("filename", ["../f", "a/b", "", ".hidden", "a\nb"])
def test_a_file_name_that_is_a_path_is_refused(bench: Bench, filename: str) -> None:
    with pytest.raises(UsageError, match="file name"):
        bench.fetcher().fetch(Pin("p", (), "0" * 64, filename))


def test_a_pin_without_a_hash_is_refused(bench: Bench) -> None:
    with pytest.raises(UsageError, match="no sha256"):
        bench.fetcher().fetch(Pin("p", (), "", "f"))


def many(site: web.Site, count: int) -> list[Pin]:
    bodies = [bytes([number]) * 100_000 for number in range(count)]
    return [
        pin(site.on(f"/{n}", web.whole(body)), body=body, size=len(body), name=f"file{n}")
        for n, body in enumerate(bodies)
    ]


def test_many_files_arrive_at_once_in_order(site: web.Site, bench: Bench) -> None:
    pins = many(site, 9)
    both = threading.Barrier(2, timeout=20)
    for path in ("/0", "/1"):  # answered only when both have been asked for
        answer = site.server.answers[path][0]

        def together(handler: web.Handler, answer: web.Answer = answer) -> None:
            both.wait()
            answer(handler)

        site.on(path, together)
    paths = bench.fetcher().fetch_all(pins, workers=3)
    assert list(paths) == [p.name for p in pins]
    assert [path.read_bytes()[0] for path in paths.values()] == list(range(9))


def test_the_same_bytes_under_two_names_are_fetched_once(site: web.Site, bench: Bench) -> None:
    url = site.on("/f", web.whole(BODY))
    paths = bench.fetcher().fetch_all([pin(url, name="one"), pin(url, name="two")])
    assert paths["one"] == paths["two"]
    assert len(site.seen) == 1


def test_nothing_to_fetch_is_fine(bench: Bench) -> None:
    assert bench.fetcher().fetch_all([]) == {}


def test_one_failure_stops_the_others_and_is_told(site: web.Site, bench: Bench) -> None:
    slow = pin(site.on("/slow", web.stall(BODY, 100_000)), name="slow")
    gone = pin(site.on("/gone", web.status(404)), body=OTHER, name="gone")
    with pytest.raises(DownloadError, match="gone could not be downloaded"):
        bench.fetcher(attempts=1000).fetch_all([slow, gone])


class Interrupting(Told):
    """Ctrl-C in the middle of the first file."""

    def transfer(self, name: str, done: int, total: int | None) -> None:
        super().transfer(name, done, total)
        if done != total:
            signal.raise_signal(signal.SIGINT)


def test_an_interrupt_leaves_the_part_for_the_next_run(site: web.Site, bench: Bench) -> None:
    body = BODY * 8
    wanted = pin(site.on("/f", web.whole(body)), body=body, size=len(body))
    bench.told = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        bench.fetcher().fetch(wanted)
    (part,) = bench.parts()
    kept = part.stat().st_size
    assert kept >= 1 << 20
    bench.told = Told()
    assert bench.fetcher().fetch(wanted).read_bytes() == body
    assert site.seen[-1].headers["range"] == f"bytes={kept}-"


def test_an_interrupt_ends_parallel_downloads_that_wait_for_bytes(site: web.Site, bench: Bench) -> None:
    stuck = many(site, 3)
    for number in range(3):
        site.on(f"/{number}", web.stall(BODY, 70_000))
    fetcher = Fetcher(bench.root, reporter=bench.told, env={}, timeouts=Timeouts(read_s=600))

    def interrupt_when_all_wait() -> None:
        while len(site.seen) < 3 or len(bench.parts()) < 3:
            time.sleep(0.02)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    threading.Thread(target=interrupt_when_all_wait, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        fetcher.fetch_all([Pin(p.name, p.urls, p.sha256, p.filename) for p in stuck])
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("tfbuild-")]


def _fetch_in_child(root: Path, wanted: Pin, results: multiprocessing.Queue[bytes]) -> None:
    results.put(Fetcher(root, reporter=SilentReporter(), env={}).fetch(wanted).read_bytes())


@pytest.mark.real_processes
def test_two_processes_download_once(site: web.Site, bench: Bench) -> None:
    def slowly(handler: web.Handler) -> None:
        time.sleep(0.5)
        web.whole(BODY)(handler)

    wanted = pin(site.on("/f", slowly))
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[bytes] = context.Queue()
    children = [context.Process(target=_fetch_in_child, args=(bench.root, wanted, results)) for _ in range(2)]
    for child in children:
        child.start()
    assert [results.get(timeout=30) == BODY for _ in children] == [True, True]
    for child in children:
        child.join()
    assert len(site.seen) == 1


def test_a_disk_that_takes_no_more_is_a_matter_of_the_host(site: web.Site, bench: Bench) -> None:
    wanted = pin(site.on("/f", web.whole(BODY)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(HostError, match="File too large") as failure:
            bench.fetcher().fetch(wanted)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert failure.value.exit_code == 4
    assert bench.fetcher().fetch(wanted).read_bytes() == BODY
    assert site.seen[-1].headers["range"] == "bytes=100000-"


# -- a file whose hash nobody published ----------------------------------------------------------------

UNSEEN = Unhashed("serving", ("https://example.org/s.tar.gz",), "s.tar.gz", "s", "7" * 40, "s.lock.json")


def test_a_file_without_a_hash_arrives_whole_and_is_adopted_with_its_own(
    bench: Bench, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror.tar.gz"
    mirror.write_bytes(BODY)
    fetcher = bench.fetcher(resolve_urls=lambda _: (str(mirror),), offline=True)
    path, url = fetcher.fetch_unhashed(UNSEEN)
    assert (path.read_bytes(), url) == (BODY, str(mirror))
    pin = Pin("serving", UNSEEN.urls, hashlib.sha256(BODY).hexdigest(), "s.tar.gz")
    kept = fetcher.adopt(path, pin)
    mirror.unlink()
    assert fetcher.fetch(pin) == kept
    assert not path.exists()
    assert bench.told.warnings == []


def test_a_part_of_a_file_without_a_hash_is_never_taken_for_the_whole(bench: Bench, site: web.Site) -> None:
    """Neither one that an earlier run left, nor one that the server cut off."""
    left = bench.root / "downloads" / f"tree-{UNSEEN.tree}" / "s.tar.gz.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(OTHER[:1000])
    etag = '"v1"'
    answers = (web.cut_chunked(BODY, 200_000), web.cut(BODY, 100_000, etag=etag), web.whole(BODY, etag=etag))
    url = site.on("/s.tar.gz", *answers)
    path, _ = bench.fetcher(attempts=5, resolve_urls=lambda _: (url,)).fetch_unhashed(UNSEEN)
    assert path.read_bytes() == BODY
    assert bench.parts() == []


def test_offline_a_file_without_a_hash_is_missing_by_its_name(bench: Bench) -> None:
    with pytest.raises(DownloadError, match="serving"):
        bench.fetcher(offline=True).fetch_unhashed(UNSEEN)
