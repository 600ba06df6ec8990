"""When a failed download is tried again. Pure."""

from __future__ import annotations

from datetime import timezone
from email.utils import parsedate_to_datetime

# 2 + 4 + 8 + 16 + 32 s: an outage of about a minute is survived.
ATTEMPTS = 6
_FIRST_BACKOFF_S = 2.0
_LONGEST_BACKOFF_S = 60.0
# A server may ask for hours; a person who waits wants to hear of it before that.
LONGEST_RETRY_AFTER_S = 120.0


def backoff(failures: int) -> float:
    """Seconds to wait after the ``failures``-th failure (counted from 1) of one URL."""
    return min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(failures - 1, 16))


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds that a ``Retry-After`` header asks for, capped; None when absent or not understood.

    It holds seconds or an HTTP date (RFC 9110, section 10.2.3); ``now`` is in seconds since the epoch.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        # More digits than these are beyond the cap anyway, and int() refuses some thousands of them.
        return min(LONGEST_RETRY_AFTER_S, float(text[:12]))
    try:
        date = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    try:
        return min(LONGEST_RETRY_AFTER_S, max(0.0, date.timestamp() - now))
    except (OverflowError, ValueError):
        return None


def is_transient(status: int) -> bool:
    """Whether the same request may succeed later: timeouts, too many requests, and server errors."""
    return status in {408, 425, 429} or status >= 500
