"""Which URLs a download is tried at: ours, Bazel's and apt's. Pure: text in, text out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from tfbuild.base.errors import DownloadError, UsageError
from tfbuild.base.urls import DEBIAN_SCHEME, PYPI_SCHEME, MirrorRule, is_local, safe_url


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
