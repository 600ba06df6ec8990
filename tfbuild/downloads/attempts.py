"""What has been tried for one download, which URL comes next, and how it all is told. No effects."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from tfbuild.base.errors import ChecksumError, DownloadError
from tfbuild.base.urls import WAY_OUT_OFFLINE, safe_url
from tfbuild.base.values import Pin
from tfbuild.downloads.store import Validator


class AttemptFailed(Exception):
    """One try at one URL failed.

    ``permanent``: the same URL would fail again. ``delay_s``: what the server asked to wait.
    ``actual``: the hash of whole but wrong bytes. ``untrusted``: the certificate was not accepted.
    """

    def __init__(
        self,
        reason: str,
        *,
        permanent: bool = False,
        delay_s: float | None = None,
        actual: str = "",
        untrusted: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = safe_url(reason)
        self.permanent = permanent or bool(actual)
        self.delay_s = delay_s
        self.actual = actual
        self.untrusted = untrusted


@dataclass(frozen=True)
class Timeouts:
    """Seconds without an answer to a connect, and without bytes to speak of (a stall), that end a try."""

    connect_s: float = 15.0
    read_s: float = 60.0
    # Bytes that have to come within each read_s: a byte now and then is a stall too.
    least: int = 64 * 1024


def steady(
    chunks: Iterable[bytes], timeouts: Timeouts, clock: Callable[[], float] = time.monotonic
) -> Iterator[bytes]:
    """``chunks`` as they come, as long as they are enough.

    :raises AttemptFailed: fewer than ``timeouts.least`` bytes in ``timeouts.read_s`` seconds.
    """
    since, received = clock(), 0
    for chunk in chunks:
        yield chunk
        received += len(chunk)
        if clock() - since >= timeouts.read_s:
            if received < timeouts.least:
                raise AttemptFailed(f"stalled: {received} bytes in {timeouts.read_s:g} s")
            since, received = clock(), 0


@dataclass
class Source:
    """One URL of a download: how often it failed, and when it may be tried again (epoch seconds)."""

    url: str
    order: int
    failures: int = 0
    ready_at: float = 0.0


@dataclass
class Attempts:
    """All the URLs of one pin.

    A URL that failed for the moment is tried again later, ``limit`` times in all, and meanwhile the
    others are: a mirror that is down costs no wait as long as another one answers.
    """

    pin: Pin
    urls: tuple[str, ...]
    limit: int
    _live: list[Source] = field(init=False)
    _log: list[str] = field(init=False, default_factory=list)
    _wrong: tuple[str, str] | None = field(init=False, default=None)
    _untrusted: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._live = [Source(url, order) for order, url in enumerate(self.urls)]

    def next(self) -> Source | None:
        """The URL to try next; its ``ready_at`` may lie ahead. None when none is left."""
        return min(self._live, key=lambda s: (s.ready_at, s.order), default=None)

    def failed(self, source: Source, failure: AttemptFailed, now: float) -> None:
        """Record a failure and decide when, if ever, ``source`` is tried again."""
        self._log.append(f"{safe_url(source.url)}: {failure.reason}")
        self._untrusted |= failure.untrusted
        if failure.actual and self._wrong is None:
            self._wrong = (source.url, failure.actual)
        source.failures += 1
        if failure.permanent or source.failures >= self.limit:
            self._live.remove(source)
            return
        delay = backoff(source.failures) if failure.delay_s is None else failure.delay_s
        source.ready_at = now + delay

    def error(self, hint: str) -> DownloadError:
        """What to raise when no URL is left; ``hint`` is the caller's own way out."""
        if self._wrong is not None:
            return self._checksum_error(hint)
        if not self.urls:
            return DownloadError(
                f"no address is known for {self.pin.name}",
                details=(_expected(self.pin),),
                hint=_joined(_MIRRORS_HINT, hint),
            )
        return DownloadError(
            f"{self.pin.name} could not be downloaded from any address",
            details=self._tries(),
            hint=_joined(CA_HINT if self._untrusted else "", _MIRRORS_HINT, hint),
        )

    def _checksum_error(self, hint: str) -> ChecksumError:
        url, actual = self._wrong or ("", "")
        return ChecksumError(
            f"{self.pin.name}: what was downloaded is not what is pinned; it has been deleted",
            details=(
                f"Expected: sha256 {self.pin.sha256}",
                f"Actual:   {actual}",
                f"URL:      {safe_url(url)}",
                *self._tries(),
            ),
            hint=_joined(
                "the file was replaced at its origin, or a proxy answered in its place; "
                "do not change the pin without knowing why",
                _MIRRORS_HINT,
                hint,
            ),
        )

    def _tries(self) -> tuple[str, ...]:
        return tuple(f"Tried {number}: {line}" for number, line in enumerate(self._log, start=1))


_MIRRORS_HINT = "set TFBUILD_MIRRORS=PREFIX=REPLACEMENT to a mirror or a folder that you can reach"
CA_HINT = "for a private certificate authority set SSL_CERT_FILE or REQUESTS_CA_BUNDLE to its PEM file"


def _joined(*parts: str) -> str:
    return "; or ".join(part for part in parts if part)


def _expected(pin: Pin) -> str:
    """Of an archive whose content decides (a git tree) there is no hash to tell."""
    return f"Expected: {pin.filename}" + (f", sha256 {pin.sha256}" if pin.sha256 else "")


def missing_offline(pin: Pin, hint: str) -> DownloadError:
    """What to raise when ``pin`` would have to come from the network, which is forbidden."""
    return DownloadError(
        f"offline, and {pin.name} is not in the cache",
        details=(_expected(pin),),
        hint=f"{WAY_OUT_OFFLINE}; or {hint}" if hint else WAY_OUT_OFFLINE,
    )


def root_cause(error: BaseException) -> BaseException:
    """The exception at the bottom of a chain, also where libraries keep it in ``reason`` or ``args``."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        inner = (getattr(current, "reason", None), *current.args, current.__cause__, current.__context__)
        current = next((e for e in inner if isinstance(e, BaseException)), None)
    return seen[-1]


def is_unknown_host(cause: BaseException) -> bool:
    """Whether a name server answered that there is no such host: it would say so again.

    That it could not be asked (EAI_AGAIN) is another matter. The class is socket.gaierror, the numbers are
    EAI_NONAME and EAI_NODATA of glibc's netdb.h.
    """
    return type(cause).__name__ == "gaierror" and getattr(cause, "errno", None) in {-2, -5}


def described(cause: BaseException) -> str:
    """A few words for a low-level exception."""
    if (
        type(cause).__name__ == "IncompleteRead"
    ):  # of http.client and of urllib3; the caller tells the numbers
        return "the connection ended"
    if isinstance(cause, ValueError):  # what http.client says of a chunk without a length
        return "the answer is cut off or garbled"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    text = str(cause)
    return text if 0 < len(text) <= 120 else type(cause).__name__


def status_text(status: int) -> str:
    """An HTTP status with its standard name; the server's own words are not to be trusted."""
    try:
        text = f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        text = f"HTTP {status}"
    if status in {401, 407}:
        text += " (credentials can be put into ~/.netrc; those of a proxy into its variable)"
    return text


# 2 + 4 + 8 + 16 + 32 s: an outage of about a minute is survived.
ATTEMPTS = 6
_FIRST_BACKOFF_S = 2.0
_LONGEST_BACKOFF_S = 60.0
# A server may ask for hours; a person who waits wants to hear of it before that.
LONGEST_RETRY_AFTER_S = 120.0


def backoff(failures: int) -> float:
    """Seconds to wait after the ``failures``-th failure (counted from 1) of one URL."""
    return min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 16))


def retry_after(header: str | None) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, capped; None when absent or not understood."""
    from urllib3.exceptions import InvalidHeader
    from urllib3.util import Retry

    try:
        return min(LONGEST_RETRY_AFTER_S, Retry().parse_retry_after(header or ""))
    except (InvalidHeader, ValueError, OverflowError):  # ValueError: some thousands of digits
        return None


def is_transient(status: int) -> bool:
    """Whether the same request may succeed later: timeouts, too many requests, and server errors."""
    return status in {408, 425, 429} or status >= 500


Headers = Mapping[str, str]  # names in any case, as requests has them


def content_length(headers: Headers) -> int | None:
    """Bytes to come, or None where the server does not tell."""
    text = headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() else None


def validator(url: str, headers: Headers) -> Validator:
    """The version of what ``url`` serves."""
    return Validator(safe_url(url), headers.get("ETag", ""), headers.get("Last-Modified", ""))


def suspicion(headers: Headers) -> str:
    """What the headers of wrong content say about how it came to be wrong."""
    encoding = headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        return f", compressed on the way (Content-Encoding: {encoding})"
    if headers.get("Content-Type", "").startswith("text/html"):
        return ", an HTML page: perhaps of a login, a proxy or an error"
    return ""
