"""Which URLs a download is tried at: ours, Bazel's and apt's. Pure: text in, text out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from tfbuild.errors import DownloadError, UsageError

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


def rewrite(url: str, rules: Iterable[MirrorRule]) -> tuple[str, ...]:
    """``url`` as each matching rule has it, in the order of the rules, and then ``url`` itself."""
    found = [hit for rule in rules if (hit := _apply(url, rule)) is not None]
    return _unique([*found, url])


def debian_urls(path: str, archive_mirrors: tuple[str, ...], snapshot: str) -> tuple[str, ...]:
    """Where ``path`` of the Debian archive (``pool/...``, with or without ``debian:``) may be had.

    ``archive_mirrors`` come first; then ``snapshot``, the archive as it was at one moment
    (``https://snapshot.debian.org/archive/debian/<timestamp>``), unless empty.

    :raises UsageError: ``path`` is absolute or climbs out of the archive.
    """
    relative = path.removeprefix(DEBIAN_SCHEME)
    if not relative or relative.startswith("/") or ".." in relative.split("/"):
        raise UsageError(f"{path!r} is not a path in the Debian archive", hint="debian:pool/main/...")
    bases = (*archive_mirrors, *((snapshot,) if snapshot else ()))
    return _unique(f"{base.rstrip('/')}/{relative}" for base in bases)


def url_resolver(
    rules: tuple[MirrorRule, ...],
    archive_mirrors: tuple[str, ...] = (),
    snapshot: str = "",
    python_index: Callable[[str], tuple[str, ...]] | None = None,
) -> Callable[[str], tuple[str, ...]]:
    """A function from the URL of a pin to the URLs to try, in order.

    Rules apply to ``debian:`` and ``pypi:`` URLs as they stand, and to the URLs that these become.
    ``python_index`` says which URLs a ``pypi:`` one becomes; where a rule already names a place, its failure
    is none.
    """

    def expand(url: str) -> tuple[str, ...]:
        if url.startswith(DEBIAN_SCHEME):
            return debian_urls(url, archive_mirrors, snapshot)
        return python_index(url) if python_index else ()

    def resolve(url: str) -> tuple[str, ...]:
        if not url.startswith((DEBIAN_SCHEME, PYPI_SCHEME)):
            return rewrite(url, rules)
        direct = rewrite(url, rules)[:-1]
        try:
            expanded = expand(url)
        except DownloadError:
            if not direct:
                raise
            expanded = ()
        return _unique([*direct, *(u for full in expanded for u in rewrite(full, rules))])

    return resolve


def archive_addresses(address: str, scheme: str, rules: Iterable[MirrorRule]) -> tuple[str, ...]:
    """Where apt may find the archive that is at ``address``, in order; ``address`` itself is the last.

    Rules match ``scheme`` as it stands, and the address. apt is in the builder too, where no folder of this
    machine is: replacements without http are left out. User names and passwords are for apt's auth.conf.
    """
    found: list[str] = []
    for rule in rules:
        for url in (scheme, f"{address.rstrip('/')}/"):
            hit = _apply(url, rule)
            if hit is not None and not is_local(hit):
                found.append(safe_url(hit).rstrip("/"))
    return _unique([*found, address.rstrip("/")])


def downloader_config(rules: Sequence[MirrorRule]) -> str:
    """The rules as Bazel's ``--experimental_downloader_config`` takes them; empty where none is for it.

    Bazel matches a URL without its scheme as a whole, tries every rewritten URL in the order of the lines,
    and the URL itself only when a line gives it back (UrlRewriter.java and UrlRewriterConfig.java in
    https://github.com/bazelbuild/bazel). Folders are on this machine, not in the builder: left out.
    """
    lines: list[str] = []
    for rule in rules:
        _, slashes, prefix = rule.prefix.partition("//")
        if not slashes or is_local(rule.replacement):
            continue
        # In a replacement only these two mean something: java.util.regex.Matcher.
        target = re.sub(r"([$\\])", r"\\\1", safe_url(rule.replacement))
        if prefix.endswith("/"):
            lines.append(f"rewrite {re.escape(prefix)}(.*) {target.rstrip('/')}/$1")
        else:
            lines.append(rf"rewrite {re.escape(prefix)}((?:\?.*)?) {target}$1")
            lines.append(f"rewrite {re.escape(prefix)}/(.*) {target.rstrip('/')}/$1")
    return "".join(f"{line}\n" for line in (*lines, "rewrite (.*) $1")) if lines else ""


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
        return "what stands before '=' is not the beginning of a URL"
    if replacement.startswith(("http://", "https://")):
        return None if _host(replacement) else "the replacement names no host"
    if is_local(replacement):
        return None
    return "what stands after '=' is neither an http(s) or file URL nor an absolute path"


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _apply(url: str, rule: MirrorRule) -> str | None:
    if not url.startswith(rule.prefix):
        return None
    rest = url[len(rule.prefix) :]
    # "https://example.com" must not match "https://example.community/".
    if rest and not rule.prefix.endswith(("/", ":")) and not rest.startswith(("/", "?")):
        return None
    if not rest or rest.startswith("?"):
        return rule.replacement + rest
    return f"{rule.replacement.rstrip('/')}/{rest.lstrip('/')}"


def _unique(urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(urls))
