"""Addresses of downloads: which hold credentials, and the rules that replace one by a mirror's. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from tfbuild.base.errors import UsageError

DEBIAN_SCHEME = "debian:"
SECURITY_SCHEME = "debian-security:"
VARIABLE = "TFBUILD_MIRRORS"
PYPI_SCHEME = "pypi:"
WAY_OUT_OFFLINE = "run the same command once without --offline, or load a bundle: invoke bundle --load FILE"
# Greedy: a password may itself hold an "@".
CREDENTIALS = re.compile(r"//[^/?#\s]*@")
_HINT = (
    "TFBUILD_MIRRORS=PREFIX=REPLACEMENT[,...], for example https://github.com/=https://proxy.example/github/"
)


@dataclass(frozen=True)
class MirrorRule:
    """URLs that begin with ``prefix`` are tried with ``replacement`` in its place first."""

    prefix: str
    replacement: str


@dataclass(frozen=True)
class Mirror(MirrorRule):
    """A rule as the plan has it: with the line that gave it, without user names and passwords."""

    origin: str


def parse_mirror_rules(text: str) -> tuple[MirrorRule, ...]:
    """The rules in ``TFBUILD_MIRRORS``: ``PREFIX=REPLACEMENT``, separated by commas or white space.

    A prefix is the beginning of a URL, up to a whole path component (``https://github.com/``,
    ``debian:pool/``, ``pypi:``). A replacement is an http(s) or file URL, or an absolute path.

    :raises UsageError: with every rule that cannot be understood.
    """
    words = text.replace(",", " ").split()
    problems = tuple(f"{safe_url(word)}: {why}" for word in words if (why := rule_problem(word)))
    if problems:
        raise UsageError(f"{VARIABLE} cannot be understood", details=problems, hint=_HINT)
    return tuple(parse_rule(word) for word in words)


def parse_rule(word: str) -> MirrorRule:
    """The rule ``PREFIX=REPLACEMENT``, in which :func:`rule_problem` finds nothing wrong."""
    prefix, _, replacement = word.partition("=")
    return MirrorRule(prefix, replacement)


def planned(rule: MirrorRule, origin: str) -> Mirror:
    """``rule`` for the plan."""
    return Mirror(safe_url(rule.prefix), safe_url(rule.replacement), origin)


def safe_url(text: str) -> str:
    """``text`` with user names and passwords taken out of the URLs in it, for messages and files."""
    return CREDENTIALS.sub("//", text)


def is_local(url: str) -> bool:
    """Whether ``url`` is a file URL or an absolute path: it needs no network."""
    return url.startswith(("/", "file:"))


def has_credentials(text: str) -> bool:
    """Whether a URL in ``text`` holds a user name or a password."""
    return safe_url(text) != text


def rule_problem(word: str) -> str | None:
    """Why ``word`` is no rule, or None."""
    prefix, equals, replacement = word.partition("=")
    if not equals:
        return "no '=' in it"
    if ":" not in prefix:
        return "what precedes '=' is not the beginning of a URL"
    if replacement.startswith(("http://", "https://")):
        return None if _host(replacement) else "the replacement names no host"
    if is_local(replacement):
        return None
    return "what follows '=' is neither an http(s) or file URL nor an absolute path"


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""
