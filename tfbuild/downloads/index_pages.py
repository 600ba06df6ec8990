"""Which files a page of a Python index offers. Pure: bytes in, URLs out.

pypi-simple reads the pages, HTML and JSON: https://packaging.python.org/specifications/simple-repository-api/
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import Message
from urllib.parse import unquote, urldefrag, urlsplit

from packaging.utils import canonicalize_name

from tfbuild.base.errors import UsageError

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


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


@dataclass(frozen=True)
class IndexFile:
    """A file that a project's page offers. ``yanked`` is the reason why it shall not be taken any more (PEP
    592), perhaps empty; None: it is not yanked."""

    name: str
    yanked: str | None = None


def project_files(page: str | bytes, content_type: str, url: str) -> tuple[IndexFile, ...]:
    """All files of the project whose page this is, yanked ones too; none for what is no page of an index."""
    # Slow to import, and most commands read no page.
    from bs4 import ParserRejectedMarkup
    from pypi_simple import ProjectPage, RepositoryPage, UnsupportedRepoVersionError

    kind, charset = _kind(content_type)
    try:
        with warnings.catch_warnings():  # as below
            warnings.simplefilter("ignore")
            if kind.endswith("json"):
                packages = ProjectPage.from_json_data(json.loads(page), url).packages
                return tuple(
                    IndexFile(each.filename, each.yanked_reason or "" if each.is_yanked else None)
                    for each in packages
                )
            encoding = (charset or "utf-8") if isinstance(page, bytes) else None
            found = RepositoryPage.from_html(page, url, encoding).links
            return tuple(IndexFile(file_name(each.url), _yanked(each.attrs)) for each in found)
    except (ValueError, UnsupportedRepoVersionError, ParserRejectedMarkup):
        return ()


def _yanked(attributes: Mapping[str, str | list[str]] | None) -> str | None:
    """The attribute data-yanked of a link."""
    value = (attributes or {}).get("data-yanked")
    return " ".join(value) if isinstance(value, list) else value


def links(page: str | bytes, content_type: str, url: str) -> tuple[str, ...]:
    """The files that the page at ``url`` offers, as absolute URLs without fragments; yanked ones too, since
    a lock names its files. None for what is not a page of an index.
    """
    # Slow to import, and most commands read no page.
    from bs4 import ParserRejectedMarkup
    from pypi_simple import ProjectPage, RepositoryPage, UnsupportedRepoVersionError

    kind, charset = _kind(content_type)
    try:
        with warnings.catch_warnings():  # about what a server sent: nothing that a user could mend
            warnings.simplefilter("ignore")
            if kind.endswith("json"):
                found = [each.url for each in ProjectPage.from_json_data(json.loads(page), url).packages]
            else:
                # Without a charset Beautiful Soup would guess, slowly.
                encoding = (charset or "utf-8") if isinstance(page, bytes) else None
                # Not ProjectPage: in a page of --find-links the text of a link need not be the file's name.
                found = [each.url for each in RepositoryPage.from_html(page, url, encoding).links]
            return tuple(urldefrag(each).url for each in found)
    except (ValueError, UnsupportedRepoVersionError, ParserRejectedMarkup):
        return ()


def _kind(content_type: str) -> tuple[str, str | None]:
    """Media type and charset of a Content-Type: https://www.rfc-editor.org/rfc/rfc9110#section-8.3"""
    header = Message()
    header["Content-Type"] = " ".join(content_type.split())  # a header has no line breaks
    return header.get_content_type(), header.get_content_charset()


def choose(found: Iterable[str], filename: str) -> tuple[str, ...]:
    """Those of ``found`` that are called ``filename``."""
    return tuple(dict.fromkeys(url for url in found if file_name(url) == filename))


def file_name(url: str) -> str:
    """The last part of a URL's path."""
    try:
        return unquote(urlsplit(url).path).rpartition("/")[2]
    except ValueError:
        return ""
