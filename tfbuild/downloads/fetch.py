"""Downloads, each checked against its pin. The only module that talks HTTP."""

from __future__ import annotations

import os
import shutil
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
import urllib3.exceptions

from tfbuild.base.errors import DownloadError, UsageError
from tfbuild.base.urls import is_local, safe_url
from tfbuild.base.values import Pin, Reporter, Unhashed
from tfbuild.downloads.attempts import (
    ATTEMPTS,
    AttemptFailed,
    Attempts,
    Source,
    Timeouts,
    content_length,
    described,
    is_transient,
    is_unknown_host,
    missing_offline,
    retry_after,
    root_cause,
    status_text,
    steady,
    suspicion,
    validator,
)
from tfbuild.downloads.certificates import require_certificates
from tfbuild.downloads.pool import Pool
from tfbuild.downloads.store import Entry, Part, disk_errors, entry_of, unhashed_entry
from tfbuild.machine.cache import prepare_cache
from tfbuild.machine.files import hash_file
from tfbuild.machine.locks import hold

_CHUNK = 256 * 1024
# A progress line per chunk would cost more than the download.
_REPORT_EVERY = 1 << 20
_MAX_REDIRECTS = 10
# Longer than any sane download of another process.
_LOCK_WAIT_S = 3600.0


class _Stopped(Exception):
    """Another download failed, or the user interrupted."""


class _StartOver(Exception):
    """The part on disk and what this server offers do not go together."""


@dataclass
class _Job:
    """One pin on its way."""

    pin: Pin
    entry: Entry
    session: requests.Session
    stop: threading.Event


def _same(url: str) -> tuple[str, ...]:
    return (url,)


def new_session(env: Mapping[str, str]) -> requests.Session:
    """A session that honours proxies, ``~/.netrc``, and both variables for a private CA.

    requests itself reads REQUESTS_CA_BUNDLE (which therefore wins) but not OpenSSL's SSL_CERT_FILE:
    https://requests.readthedocs.io/en/latest/user/advanced/#ssl-cert-verification

    :raises HostError: one of the two names a file that does not exist, or that has no certificate in it.
    """
    require_certificates(env)
    session = requests.Session()
    session.max_redirects = _MAX_REDIRECTS
    if env.get("SSL_CERT_FILE"):
        session.verify = env["SSL_CERT_FILE"]
    return session


class Fetcher:
    """Gets pinned files into the cache below ``cache_dir`` (see :mod:`tfbuild.downloads.store`).

    ``resolve_urls`` maps each URL of a pin to those to try (:func:`tfbuild.downloads.mirrors.url_resolver`).
    ``offline`` forbids every connection; local mirrors (paths, ``file:``) still work. ``env`` and
    ``session_factory`` make the HTTP session; proxies and netrc come from the process environment.
    ``sleep`` and ``clock`` (epoch seconds) are for tests. ``reporter`` is called from several threads.
    """

    def __init__(
        self,
        cache_dir: Path,
        *,
        reporter: Reporter,
        offline: bool = False,
        resolve_urls: Callable[[str], tuple[str, ...]] = _same,
        env: Mapping[str, str] | None = None,
        session_factory: Callable[[], requests.Session] | None = None,
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.time,
        attempts: int = ATTEMPTS,
        timeouts: Timeouts | None = None,
        lock_wait_s: float = _LOCK_WAIT_S,
    ) -> None:
        self._root = cache_dir
        self._reporter = reporter
        self._offline = offline
        self._resolve_urls = resolve_urls
        environment = os.environ if env is None else env
        self._new_session = session_factory or (lambda: new_session(environment))
        self._sleep = sleep
        self._clock = clock
        self._attempts = attempts
        self._timeouts = timeouts or Timeouts()
        self._lock_wait_s = lock_wait_s
        self._open_responses: set[requests.Response] = set()

    def fetch(self, pin: Pin, *, hint: str = "") -> Path:
        """The file that ``pin`` names, from the cache or downloaded; it always has the pinned hash.

        ``hint`` is added to the way out that a failure shows.

        :raises ChecksumError: something else was served everywhere; it is deleted.
        :raises DownloadError: no URL gave it, or it is missing while offline.
        :raises LockedError: another process has been downloading it for too long.
        :raises HostError: the cache cannot be written, or the disk is full.
        """
        return self._fetch(pin, hint, threading.Event())

    def fetch_unhashed(self, source: Unhashed, *, hint: str = "") -> tuple[Path, str]:
        """A whole file that nobody has a hash of, and the URL that gave it. It is not checked: the caller
        looks at what is in it, and hands it to :meth:`adopt` or deletes it.

        :raises: as :meth:`fetch`.
        """
        entry = unhashed_entry(self._root, source)
        prepare_cache(self._root)
        pin = Pin(source.name, source.urls, "", source.filename)
        with (
            hold(
                self._root / "locks" / f"download-{source.tree[:16]}.lock",
                what=f"downloading {source.name}",
                wait_s=self._lock_wait_s,
                on_wait=self._note,
            ),
            disk_errors(entry.folder),
        ):
            entry.folder.mkdir(exist_ok=True)
            if self._offline and entry.file.exists():  # out of a bundle
                return entry.file, safe_url(next(iter(source.urls), ""))
            entry.discard_part()  # nothing could tell whether it belongs to the same file
            url = self._download(pin, entry, hint, threading.Event())
        return entry.file, safe_url(url)

    def adopt(self, path: Path, pin: Pin) -> Path:
        """Move ``path``, whose hash ``pin`` now has, to where pinned downloads lie."""
        entry = entry_of(self._root, pin)
        with disk_errors(entry.folder):
            entry.folder.mkdir(exist_ok=True)
            path.replace(entry.file)
            entry.stamp()
            shutil.rmtree(path.parent, ignore_errors=True)
        return entry.file

    def fetch_all(self, pins: Sequence[Pin], workers: int = 4, *, hint: str = "") -> dict[str, Path]:
        """All ``pins``, ``workers`` at a time; the files by the pins' names, in the order of ``pins``.

        The first failure stops the others, whose parts stay for the next run. Offline, one error
        names everything that is missing.

        :raises: as :meth:`fetch`.
        """
        if len({pin.name for pin in pins}) != len(pins):
            raise UsageError("two pins have the same name", details=tuple(sorted(p.name for p in pins)))
        if self._offline:
            return self._fetch_all_offline(pins, hint)
        pool = Pool[Pin, Path](lambda pin, stop: self._fetch(pin, hint, stop), self._abort_responses)
        return dict(zip((pin.name for pin in pins), pool.run(pins, workers), strict=True))

    def _fetch_all_offline(self, pins: Sequence[Pin], hint: str) -> dict[str, Path]:
        found: dict[str, Path] = {}
        missing: list[DownloadError] = []
        for pin in pins:
            try:
                found[pin.name] = self.fetch(pin, hint=hint)
            except DownloadError as error:
                missing.append(error)
        if len(missing) == 1:
            raise missing[0]
        if missing:
            raise DownloadError(
                f"offline, and {len(missing)} downloads are not in the cache",
                details=tuple(line for error in missing for line in (error.message, *error.details)),
                hint=missing[0].hint,
            )
        return found

    def _fetch(self, pin: Pin, hint: str, stop: threading.Event) -> Path:
        entry = entry_of(self._root, pin)
        if entry.is_stamped():
            return entry.file
        prepare_cache(self._root)
        lock = self._root / "locks" / f"download-{entry.sha256[:16]}.lock"
        what = f"downloading {pin.name}"
        with (
            hold(lock, what=what, wait_s=self._lock_wait_s, on_wait=self._note, cancelled=stop.is_set),
            disk_errors(entry.folder),
        ):
            entry.folder.mkdir(exist_ok=True)
            if not self._is_whole(pin, entry):
                self._download(pin, entry, hint, stop)
        return entry.file

    def _is_whole(self, pin: Pin, entry: Entry) -> bool:
        if not entry.file.exists():
            return False
        if entry.is_stamped():  # another process has fetched it while we waited for the lock
            return True
        actual = hash_file(entry.file)
        if actual == entry.sha256:
            entry.stamp()
            return True
        entry.discard()
        self._reporter.warn(
            f"{pin.name}: the cached file is damaged and is fetched again "
            f"(expected sha256 {entry.sha256}, actual {actual}): {entry.file}"
        )
        return False

    def _download(self, pin: Pin, entry: Entry, hint: str, stop: threading.Event) -> str:
        """Get the file from the first URL that has it; returns that."""
        urls = tuple(dict.fromkeys(u for url in pin.urls for u in self._resolve_urls(url)))
        if self._offline:
            urls = tuple(url for url in urls if is_local(url))
            if not urls:
                raise missing_offline(pin, hint)
        attempts = Attempts(pin, urls, self._attempts)
        with self._new_session() as session:
            job = _Job(pin, entry, session, stop)
            while (source := attempts.next()) is not None:
                self._wait_for(source, stop)
                try:
                    self._attempt(job, source.url)
                except AttemptFailed as failure:
                    attempts.failed(source, failure, self._clock())
                    self._tell_failure(job, source, failure, attempts.next())
                else:
                    return source.url
        raise attempts.error(hint)

    def _wait_for(self, source: Source, stop: threading.Event) -> None:
        delay = source.ready_at - self._clock()
        if delay > 0:
            if self._sleep is None:
                stop.wait(delay)
            else:
                self._sleep(delay)
        if stop.is_set():
            raise _Stopped

    def _tell_failure(
        self, job: _Job, source: Source, failure: AttemptFailed, following: Source | None
    ) -> None:
        if following is None:
            return
        delay = max(0.0, following.ready_at - self._clock())
        when = f"again in {delay:.0f} s" if delay else "now"
        what = f"{job.pin.name}: {safe_url(source.url)}: {failure.reason}"
        self._note(f"{what}; trying {safe_url(following.url)} {when}")

    def _attempt(self, job: _Job, url: str) -> None:
        if is_local(url):
            self._copy(job, url)
            return
        partial = Part.resume(job.entry, job.pin.size)
        if partial.digest.hexdigest() == job.entry.sha256:  # the last run ended just before the rename
            self._finish(job, partial.size)
            return
        with suppress(_StartOver):
            self._receive(job, url, partial)
            return
        job.entry.discard_part()
        self._receive(job, url, Part())

    def _copy(self, job: _Job, url: str) -> None:
        path = Path(unquote(urlsplit(url).path)) if url.startswith("file:") else Path(url)
        try:
            source = path.open("rb")
        except OSError as error:
            raise AttemptFailed(error.strerror or "cannot be read", permanent=True) from error
        job.entry.discard_part()
        with source:
            self._store(job, iter(lambda: source.read(_CHUNK), b""), Part(), path.stat().st_size)
        self._accept(job, hash_file(job.entry.part), "")

    def _receive(self, job: _Job, url: str, partial: Part) -> None:
        with self._response(job, url, partial) as response:
            resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
            kept = partial if resumed else Part()
            length = content_length(response.headers)
            job.entry.write_origin(validator(url, response.headers))
            total = job.pin.size or (None if length is None else kept.size + length)
            started_at = kept.size
            broken: AttemptFailed | None = None
            try:
                self._store(job, _body(response, self._timeouts), kept, total)
            except AttemptFailed as failure:
                broken = failure
            actual = kept.digest.hexdigest()
            if actual != job.entry.sha256:
                self._raise_if_cut(job, kept.size, started_at, length, broken)
                if resumed:
                    # The part may have come from elsewhere: only a whole file can convict this server.
                    raise _StartOver
            self._accept(job, actual, suspicion(response.headers))

    @contextmanager
    def _response(self, job: _Job, url: str, partial: Part) -> Iterator[requests.Response]:
        # Identity: the bytes that are hashed must be the file's own.
        headers = {"Accept-Encoding": "identity"}
        if partial.size:
            headers["Range"] = f"bytes={partial.size}-"
            if validator := partial.origin.if_range(safe_url(url)):
                headers["If-Range"] = validator
        timeouts = (self._timeouts.connect_s, self._timeouts.read_s)
        try:
            response = job.session.get(url, headers=headers, stream=True, timeout=timeouts)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise explained(error, self._timeouts) from error
        self._open_responses.add(response)
        try:
            self._check_status(response, partial)
            yield response
        finally:
            self._open_responses.discard(response)
            response.close()

    def _check_status(self, response: requests.Response, partial: Part) -> None:
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        if partial.size and status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _StartOver
        if partial.size and status == HTTPStatus.PARTIAL_CONTENT:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {partial.size}-"):
                raise _StartOver
            return
        raise AttemptFailed(
            status_text(status),
            permanent=not is_transient(status),
            delay_s=retry_after(response.headers.get("Retry-After")),
        )

    def _store(self, job: _Job, chunks: Iterator[bytes], part: Part, total: int | None) -> None:
        """Append ``chunks`` to the part; ends early once that is longer than the pinned size."""
        reported = part.size
        # closing: what was written must be on disk even while an exception keeps the generator alive.
        with closing(part.append(job.entry.part, chunks)) as sizes:
            for size in sizes:
                if job.stop.is_set():
                    raise _Stopped
                if job.pin.size is not None and size > job.pin.size:
                    return
                if size - reported >= _REPORT_EVERY:
                    reported = size
                    self._reporter.transfer(job.pin.name, size, total)

    def _raise_if_cut(
        self, job: _Job, size: int, started_at: int, length: int | None, broken: AttemptFailed | None
    ) -> None:
        received = size - started_at
        if broken is not None:
            raise AttemptFailed(f"{broken.reason}, after {received} of {length or 'unknown'} bytes")
        if job.pin.size is not None and size > job.pin.size:
            return
        if length is not None and received < length:
            raise AttemptFailed(f"the connection ended after {received} of {length} bytes")
        if length is None and job.pin.size is not None and size < job.pin.size:
            raise AttemptFailed(f"the connection ended after {size} of {job.pin.size} bytes")

    def _accept(self, job: _Job, actual: str, suspicion: str) -> None:
        """Commit a whole part when its hash is right; otherwise delete it."""
        size = job.entry.part.stat().st_size
        if job.entry.accepts(actual):
            self._finish(job, size)
            return
        job.entry.discard_part()
        if job.pin.size is not None and size > job.pin.size:
            found = f"more than the pinned {job.pin.size} bytes"
        else:
            found = f"sha256 {actual} ({size} bytes)"
        raise AttemptFailed(f"wrong content: {found}{suspicion}", actual=found)

    def _finish(self, job: _Job, size: int) -> None:
        job.entry.commit()
        self._reporter.transfer(job.pin.name, size, size)

    def _note(self, text: str) -> None:
        self._reporter.note(text)

    def _abort_responses(self) -> None:
        # Wakes threads that wait for bytes. urllib3 has it since 2.3; before, they end at the read timeout.
        for response in tuple(self._open_responses):
            with suppress(AttributeError, ValueError, RuntimeError, OSError):
                response.raw.shutdown()


def _body(response: requests.Response, timeouts: Timeouts) -> Iterator[bytes]:
    """The bytes as they are on the wire: requests' own iterator would unpack a Content-Encoding.

    As they come: a read of a whole chunk would wait for a server that sends a byte a minute.
    """
    chunks = iter(lambda: response.raw.read1(_CHUNK, decode_content=False), b"")
    try:
        yield from steady(chunks, timeouts)
    except (urllib3.exceptions.HTTPError, requests.RequestException, OSError, ValueError) as error:
        raise explained(error, timeouts) from error


def explained(error: Exception, timeouts: Timeouts) -> AttemptFailed:
    """A reason without the URLs that requests puts into its messages: they may hold credentials."""
    cause = root_cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        reason = f"its TLS certificate is not trusted: {cause.verify_message}"
        return AttemptFailed(reason, permanent=True, untrusted=True)
    if isinstance(error, requests.TooManyRedirects):
        return AttemptFailed(f"more than {_MAX_REDIRECTS} redirects, perhaps in a circle", permanent=True)
    if isinstance(error, (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError)):
        return AttemptFailed(f"no connection within {timeouts.connect_s:g} s")
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return AttemptFailed(f"stalled: no byte for {timeouts.read_s:g} s")
    if isinstance(error, ValueError):  # all of requests' complaints about a URL are ValueErrors too
        return AttemptFailed(f"not a URL that can be fetched ({type(error).__name__})", permanent=True)
    where = "the proxy: " if isinstance(error, requests.exceptions.ProxyError) else ""
    return AttemptFailed(where + described(cause), permanent=is_unknown_host(cause))
