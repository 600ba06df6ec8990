"""Where a wheel may be had, by the configuration of the host's pip."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support import http_server as web
from tests.support.runner import RecordingRunner, Reply
from tfbuild.base.errors import DownloadError, HostError
from tfbuild.base.urls import parse_mirror_rules
from tfbuild.downloads.fetch import new_session
from tfbuild.downloads.mirrors import url_resolver
from tfbuild.downloads.pip_settings import IndexSettings, find_pip, pip_settings
from tfbuild.downloads.python_index import PythonIndex, head_size
from tfbuild.machine.runner import SubprocessRunner

WHEEL = "demo-1.0-py3-none-any.whl"
URL = f"pypi:demo/{WHEEL}"


def index_in(folder: Path) -> Path:
    """A simple index of files: its page, and the wheel beside it."""
    (folder / "simple" / "demo").mkdir(parents=True)
    (folder / "files").mkdir()
    (folder / "files" / WHEEL).write_bytes(b"wheel")
    (folder / "simple" / "demo" / "index.html").write_text(f'<a href="../../files/{WHEEL}#sha256=0">d</a>')
    return folder / "simple"


def test_an_index_of_files_needs_no_network(tmp_path: Path) -> None:
    place = index_in(tmp_path)
    settings = IndexSettings(("https://unreachable.invalid/simple", place.as_uri()), ())
    index = PythonIndex(lambda: settings, None)
    assert index.urls(URL) == ((tmp_path / "files" / WHEEL).as_uri(),)


def test_a_folder_of_links_is_looked_into(tmp_path: Path) -> None:
    (tmp_path / WHEEL).write_bytes(b"wheel")
    index = PythonIndex(lambda: IndexSettings((), (str(tmp_path),)), None)
    assert index.urls(URL) == ((tmp_path / WHEEL).as_uri(),)
    assert head_size(lambda: new_session({}), index.urls(URL)[0]) == 5


def test_what_was_asked_is_told_without_passwords(tmp_path: Path) -> None:
    settings = IndexSettings(("https://me:s3cr3t@i.invalid/simple",), (str(tmp_path / "none"),))
    with pytest.raises(DownloadError) as caught:
        PythonIndex(lambda: settings, None).urls(URL)
    assert f"no Python index has {WHEEL} (offline)" in caught.value.message
    text = "\n".join(caught.value.details)
    assert "not there" in text
    assert "offline" in text
    assert "s3cr3t" not in text
    assert "invoke bundle --load FILE" in str(caught.value.hint)


def test_pip_without_any_index_or_links_is_reported_and_mirrors_are_enough() -> None:
    nothing = PythonIndex(lambda: IndexSettings((), ()), lambda: new_session({}))
    with pytest.raises(DownloadError) as caught:
        nothing.urls(URL)
    assert "no-index" in "\n".join(caught.value.details)
    rules = parse_mirror_rules("pypi:=https://mirror.example/wheels/")
    assert len(url_resolver(rules, python_index=nothing.urls)(URL)) == 1


@pytest.mark.real_sockets
def test_a_page_that_nobody_can_read_is_told_from_one_without_the_file() -> None:
    with web.running() as site:
        site.on("/a/demo/", web.whole(b"not json", content_type="application/vnd.pypi.simple.v1+json"))
        site.on("/b/demo/", web.whole(b'<a href="other.whl">other.whl</a>', content_type="text/html"))
        settings = IndexSettings((f"{site.url}/a", f"{site.url}/b"), ())
        with pytest.raises(DownloadError) as caught:
            PythonIndex(lambda: settings, lambda: new_session({})).urls(URL)
        assert caught.value.details == (
            f"{site.url}/a/demo/: has no files",
            f"{site.url}/b/demo/: has no such file",
        )


@pytest.mark.real_sockets
def test_an_index_on_a_server_is_asked_once_per_project() -> None:
    with web.running() as site:
        site.on(
            "/simple/demo/",
            web.whole(
                f'<a href="/f/{WHEEL}">x</a><a href="/f/y.whl">y</a>'.encode(), content_type="text/html"
            ),
        )
        settings = IndexSettings((f"{site.url}/simple", f"{site.url}/none"), ())
        index = PythonIndex(lambda: settings, lambda: new_session({}))
        assert index.urls(URL) == (f"{site.url}/f/{WHEEL}",)
        assert index.urls("pypi:demo/y.whl") == (f"{site.url}/f/y.whl",)
        assert [each.path for each in site.seen].count("/simple/demo/") == 1
        assert "application/vnd.pypi.simple.v1+json" in site.seen[0].headers["accept"]
        with pytest.raises(DownloadError) as caught:
            index.urls("pypi:other/z.whl")
        assert "HTTP 404" in "\n".join(caught.value.details)


def test_mirror_rules_come_first_and_are_enough(tmp_path: Path) -> None:
    rules = parse_mirror_rules("pypi:=https://mirror.example/wheels/")
    found = PythonIndex(lambda: IndexSettings((index_in(tmp_path).as_uri(),), ()), None)
    nothing = PythonIndex(lambda: IndexSettings((), (str(tmp_path / "none"),)), None)
    mirrored = f"https://mirror.example/wheels/demo/{WHEEL}"
    assert url_resolver(rules, python_index=found.urls)(URL)[0] == mirrored
    assert len(url_resolver(rules, python_index=found.urls)(URL)) == 2
    assert url_resolver(rules, python_index=nothing.urls)(URL) == (mirrored,)
    with pytest.raises(DownloadError):
        url_resolver((), python_index=nothing.urls)(URL)


def test_the_pip_of_this_python_is_asked_first_then_that_of_the_path() -> None:
    runner = RecordingRunner([Reply((sys.executable,), returncode=1), Reply(("pip3",))], missing=["python3"])
    assert find_pip(runner) == ("pip3",)
    with pytest.raises(HostError, match="no pip"):
        find_pip(
            RecordingRunner([Reply((sys.executable,), returncode=1)], missing=["python3", "pip3", "pip"])
        )


@pytest.mark.real_processes
def test_the_real_pip_tells_an_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in [name for name in os.environ if name.startswith("PIP_") and name != "PIP_CONFIG_FILE"]:
        monkeypatch.delenv(name)
    assert pip_settings(SubprocessRunner()).indexes[0].startswith("https://")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mine.example/simple")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    settings = pip_settings(SubprocessRunner())
    assert settings == IndexSettings(("https://mine.example/simple",), (str(tmp_path),))
