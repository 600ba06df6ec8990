"""Finds the files of ``pypi:NAME/FILENAME`` at the indexes that the host's pip is configured with."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from tfbuild.base.errors import DownloadError
from tfbuild.base.urls import WAY_OUT_OFFLINE, is_local, safe_url
from tfbuild.downloads.index_pages import (
    ACCEPT,
    IndexFile,
    choose,
    file_name,
    links,
    page_url,
    project_files,
    split_pypi,
)
from tfbuild.downloads.pip_settings import IndexSettings

if TYPE_CHECKING:
    import requests

Found = TypeVar("Found")
_TIMEOUTS = (15.0, 60.0)  # seconds: to connect, without a byte
_HINT = "pip config list shows the indexes; TFBUILD_MIRRORS=pypi:=URL/ names another place"
_CLOSED = "pip's configuration forbids every index (no-index), and names no other place (find-links)"


class PythonIndex:
    """Answers which URLs a wheel may be had at; asks each index once per project.

    ``settings`` is called when the first wheel is needed. ``new_session`` makes an HTTP session; None
    forbids every connection, and only local indexes count.
    """

    def __init__(
        self, settings: Callable[[], IndexSettings], new_session: Callable[[], requests.Session] | None
    ) -> None:
        self._ask = settings
        self._new_session = new_session
        self._settings: IndexSettings | None = None
        self._pages: dict[str, tuple[str, ...] | str] = {}
        self._lock = threading.Lock()

    def urls(self, url: str) -> tuple[str, ...]:
        """Where ``url`` (``pypi:NAME/FILENAME``) may be had, local places first.

        :raises DownloadError: no index has the file; it says which were asked, and what they answered.
        """
        name, filename = split_pypi(url)
        with self._lock:  # the same page is not asked for by four threads at once
            self._settings = self._settings or self._ask()
            places = (
                *self._settings.find_links,
                *(page_url(index, name) for index in self._settings.indexes),
            )
            asked = [] if places else [_CLOSED]
            found: list[str] = []
            for place in sorted(places, key=lambda each: not is_local(each)):
                if found and not is_local(place):
                    break
                page = self._page(place)
                if isinstance(page, str):
                    asked.append(f"{safe_url(place)}: {page}")
                    continue
                here = choose(page, filename)
                found += here
                if not here:
                    asked.append(f"{safe_url(place)}: has no {'such file' if page else 'files'}")
        if not found:
            offline = self._new_session is None
            raise DownloadError(
                f"no Python index has {filename}" + (" (offline)" if offline else ""),
                details=tuple(asked),
                hint=f"{WAY_OUT_OFFLINE}; or {_HINT}" if offline else _HINT,
            )
        return tuple(dict.fromkeys(found))

    def _page(self, place: str) -> tuple[str, ...] | str:
        if place not in self._pages:
            self._pages[place] = _local_page(place) if is_local(place) else self._remote_page(place)
        return self._pages[place]

    def project(self, name: str) -> tuple[IndexFile, ...]:
        """All files of the project ``name`` at the first index that has it, yanked ones too.

        :raises DownloadError: no index has it; it says which were asked, and what they answered.
        """
        with self._lock:
            self._settings = self._settings or self._ask()
            asked = []
            for place in (page_url(index, name) for index in self._settings.indexes):
                found = _local_project(place) if is_local(place) else self._remote(place, project_files)
                if found and not isinstance(found, str):
                    return found
                asked.append(f"{safe_url(place)}: {found or 'has no files'}")
        raise DownloadError(f"no Python index has {name}", details=tuple(asked or [_CLOSED]), hint=_HINT)

    def _remote_page(self, place: str) -> tuple[str, ...] | str:
        return self._remote(place, links)

    def _remote(
        self, place: str, read: Callable[[bytes, str, str], tuple[Found, ...]]
    ) -> tuple[Found, ...] | str:
        if self._new_session is None:
            return "not asked: offline"
        try:
            with self._new_session() as session:
                answer = session.get(place, headers={"Accept": ACCEPT}, timeout=_TIMEOUTS)
                if answer.status_code != 200:
                    return f"HTTP {answer.status_code}"
                return read(answer.content, answer.headers.get("Content-Type", "text/html"), answer.url)
        except (OSError, ValueError) as error:  # requests' errors are both
            return f"cannot be reached ({type(error).__name__})"


def _local_page(place: str) -> tuple[str, ...] | str:
    """The links of a local page, or the files of a folder, as paths are given to pip."""
    path = Path(unquote(urlsplit(place).path)) if place.startswith("file:") else Path(place)
    page = path / "index.html" if path.is_dir() else path
    try:
        if page.is_file() and page.suffix in {".html", ".htm"}:
            return links(page.read_bytes(), "text/html", page.absolute().as_uri())
        if path.is_dir():
            with os.scandir(path) as entries:
                return tuple(sorted((path.absolute() / each.name).as_uri() for each in entries))
    except (OSError, ValueError) as error:
        return f"cannot be read ({error})"
    return "not there"


def _local_project(place: str) -> tuple[IndexFile, ...] | str:
    """The files of a local index; only a page can say that one is yanked."""
    path = Path(unquote(urlsplit(place).path)) if place.startswith("file:") else Path(place)
    page = path / "index.html" if path.is_dir() else path
    if page.is_file():
        return project_files(page.read_bytes(), "text/html", page.absolute().as_uri())
    found = _local_page(place)
    return found if isinstance(found, str) else tuple(IndexFile(file_name(each)) for each in found)


def head_size(new_session: Callable[[], requests.Session], url: str) -> int | None:
    """Bytes of the file at ``url``, as its server tells them; None where it does not."""
    if is_local(url):
        path = Path(unquote(urlsplit(url).path))
        return path.stat().st_size if path.is_file() else None
    try:
        with new_session() as session:
            answer = session.head(
                url, headers={"Accept-Encoding": "identity"}, timeout=_TIMEOUTS, allow_redirects=True
            )
            return _length(answer.headers) if answer.status_code == 200 else None
    except (OSError, ValueError):
        return None


def _length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None
