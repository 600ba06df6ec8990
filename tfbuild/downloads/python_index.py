"""Finds the files of ``pypi:NAME/FILENAME`` at the indexes that the host's pip is configured with."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from tfbuild.base.errors import DownloadError, HostError
from tfbuild.base.urls import WAY_OUT_OFFLINE, is_local, safe_url
from tfbuild.downloads.simple_index import (
    ACCEPT,
    IndexSettings,
    choose,
    links,
    page_url,
    parse_settings,
    split_pypi,
)
from tfbuild.machine.programs import Runner

if TYPE_CHECKING:
    import requests


_TIMEOUTS = (15.0, 60.0)  # seconds: to connect, without a byte
_WIDE = {"COLUMNS": "400"}  # pip breaks the lines of its help, and URLs with them


def find_pip(runner: Runner) -> tuple[str, ...]:
    """The command of the host's pip: that of this Python, else what PATH has.

    :raises HostError: there is none.
    """
    for command in ((sys.executable, "-m", "pip"), ("python3", "-m", "pip"), ("pip3",), ("pip",)):
        try:
            if runner.capture((*command, "--version"), timeout_s=60).ok:
                return command
        except HostError:
            continue
    raise HostError(
        "there is no pip on this machine", hint="apt install python3-pip, or python3 -m ensurepip"
    )


def pip_settings(runner: Runner) -> IndexSettings:
    """The indexes of the host's pip: its files, its environment, and its built-in default."""
    pip = find_pip(runner)
    listed = runner.capture((*pip, "config", "list"), timeout_s=60)
    told = runner.capture((*pip, "download", "--help"), env=_WIDE, timeout_s=60)
    if not (listed.ok and told.ok):
        raise HostError(
            "pip does not tell its configuration",
            details=tuple((listed.stderr + told.stderr).splitlines()[-5:]),
            hint="python3 -m pip config list",
        )
    return parse_settings(listed.stdout, told.stdout)


_HINT = "pip config list shows the indexes; TFBUILD_MIRRORS=pypi:=URL/ names another place"


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
            asked: list[str] = []
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
                    asked.append(f"{safe_url(place)}: has no such file")
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

    def _remote_page(self, place: str) -> tuple[str, ...] | str:
        if self._new_session is None:
            return "not asked: offline"
        try:
            with self._new_session() as session:
                answer = session.get(place, headers={"Accept": ACCEPT}, timeout=_TIMEOUTS)
                if answer.status_code != 200:
                    return f"HTTP {answer.status_code}"
                return links(answer.text, answer.headers.get("Content-Type", "text/html"), answer.url)
        except (OSError, ValueError) as error:  # requests' errors are both
            return f"cannot be asked ({type(error).__name__})"


def _local_page(place: str) -> tuple[str, ...] | str:
    """The links of a local page, or the files of a folder, as paths are given to pip."""
    path = Path(unquote(urlsplit(place).path)) if place.startswith("file:") else Path(place)
    page = path / "index.html" if path.is_dir() else path
    try:
        if page.is_file() and page.suffix in {".html", ".htm"}:
            return links(page.read_text(encoding="utf-8"), "text/html", page.absolute().as_uri())
        if path.is_dir():
            with os.scandir(path) as entries:
                return tuple(sorted((path.absolute() / each.name).as_uri() for each in entries))
    except (OSError, ValueError) as error:
        return f"cannot be read ({error})"
    return "not there"


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
