"""Where a Python index keeps a wheel. Pure: text in, text out.

The simple API: https://packaging.python.org/specifications/simple-repository-api/ (HTML and JSON).
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import canonicalize_name

from tfbuild.base.errors import UsageError

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_DEFAULT = re.compile(r"--index-url\s+<url>.*?\(default:?\s+(\S+?)\)", re.DOTALL)
# What pip's own command line would override, in that order: https://pip.pypa.io/en/stable/topics/configuration/
_SECTIONS = ("global", "download", ":env:")
_TRUE = {"1", "true", "yes", "on"}


@dataclass(frozen=True)
class IndexSettings:
    """What pip would ask: indexes in their order, and folders or pages with links."""

    indexes: tuple[str, ...]
    find_links: tuple[str, ...]


def parse_settings(config_list: str, download_help: str) -> IndexSettings:
    """From ``pip config list`` and ``pip download --help``, which tells the default index.

    :raises UsageError: pip names no index and no links.
    """
    values: dict[str, tuple[int, str]] = {}
    for line in config_list.splitlines():
        key, equals, literal = line.partition("=")
        section, _, name = key.rpartition(".")
        if not equals or section not in _SECTIONS:
            continue
        rank = _SECTIONS.index(section)
        if rank >= values.get(name, (-1, ""))[0]:
            values[name] = (rank, _literal(literal))
    words = {name: value.split() for name, (_, value) in values.items()}
    find_links = tuple(words.get("find-links", ()))
    if "".join(words.get("no-index", ())).lower() in _TRUE:
        return IndexSettings((), find_links)
    own = words.get("index-url") or _DEFAULT.findall(download_help)[:1]
    indexes = tuple(dict.fromkeys((*own, *words.get("extra-index-url", ()))))
    if not indexes and not find_links:
        raise UsageError(
            "pip names no package index", hint="pip config set global.index-url URL, or set PIP_INDEX_URL"
        )
    return IndexSettings(indexes, find_links)


def _literal(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def split_pypi(url: str) -> tuple[str, str]:
    """Name and file of ``pypi:NAME/FILENAME``. Raises :class:`UsageError` for anything else."""
    name, slash, filename = url.partition(":")[2].partition("/")
    if not name or not slash or not filename or "/" in filename or filename.startswith("."):
        raise UsageError(f"{url!r} names no file of a Python index", hint="pypi:NAME/FILENAME")
    return canonicalize_name(name), filename


def page_url(index: str, name: str) -> str:
    """The project's page; a folder of such pages is an index too."""
    base = index if "://" in index or index.startswith("file:") else f"file://{index}"
    return f"{base.rstrip('/')}/{name}/"


class _Links(HTMLParser):
    """The links of a page, and the base that they are relative to."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        href = values.get("href")
        if not href:
            return
        if tag == "base" and not self.base:
            self.base = href
        elif tag == "a":
            self.links.append(href)


def links(text: str, content_type: str, url: str) -> tuple[str, ...]:
    """The files that the page at ``url`` offers, as absolute URLs without fragments."""
    if content_type.partition(";")[0].strip().endswith("json"):
        found = _json_links(text)
        return tuple(urldefrag(urljoin(url, each)).url for each in found)
    parser = _Links()
    parser.feed(text)
    base = urljoin(url, parser.base)
    return tuple(urldefrag(urljoin(base, each)).url for each in parser.links)


def _json_links(text: str) -> tuple[str, ...]:
    try:
        files = json.loads(text)["files"]
        return tuple(str(each["url"]) for each in files)
    except (ValueError, KeyError, TypeError):
        return ()


def choose(found: Iterable[str], filename: str) -> tuple[str, ...]:
    """Those of ``found`` that are called ``filename``."""
    return tuple(dict.fromkeys(url for url in found if file_name(url) == filename))


def file_name(url: str) -> str:
    """The last part of a URL's path."""
    try:
        return unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        return ""
