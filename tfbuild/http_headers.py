"""What the headers of an answer say about a download; pure."""

from __future__ import annotations

from collections.abc import Mapping

from tfbuild.mirrors import safe_url
from tfbuild.store import Validator

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
