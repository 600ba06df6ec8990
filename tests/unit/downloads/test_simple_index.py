"""Pages of a Python index, and what pip says of its configuration."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfbuild.base.errors import UsageError
from tfbuild.downloads.simple_index import choose, file_name, links, page_url, parse_settings, split_pypi

HELP = """
Package Index Options:
  -i, --index-url <url>       Base URL of the Python Package Index (default
                              https://index.example/simple). This should point to a repository
  --extra-index-url <url>     Extra URLs of package indexes to use in addition
"""
PAGE = """<!DOCTYPE html><html><body>
<a href="../../files/a_b-1.0-py3-none-any.whl#sha256=00" data-requires-python="&gt;=3.9">a_b</a>
<a href="https://cdn.example/x/a_b-1.0%2Bcpu-py3-none-any.whl?token=1#sha256=11">other</a>
<a href="/root/a_b-1.0.tar.gz">sdist</a><a name="nothing">no link</a></body></html>"""


def test_the_links_of_a_page_are_absolute_and_without_fragments() -> None:
    found = links(PAGE, "text/html; charset=utf-8", "https://index.example/simple/a-b/")
    assert found == (
        "https://index.example/files/a_b-1.0-py3-none-any.whl",
        "https://cdn.example/x/a_b-1.0%2Bcpu-py3-none-any.whl?token=1",
        "https://index.example/root/a_b-1.0.tar.gz",
    )
    assert choose(found, "a_b-1.0-py3-none-any.whl") == found[:1]
    assert choose(found, "a_b-1.0+cpu-py3-none-any.whl") == found[1:2]
    assert choose(found, "a_b-2.0-py3-none-any.whl") == ()


def test_a_base_element_is_honoured_and_a_json_page_is_read() -> None:
    html = '<head><base href="https://b.example/d/"></head><a href="x-1-py3-none-any.whl">x</a>'
    assert links(html, "text/html", "https://a.example/") == ("https://b.example/d/x-1-py3-none-any.whl",)
    document = json.dumps({"files": [{"url": "../x-1-py3-none-any.whl", "hashes": {}}]})
    assert links(document, "application/vnd.pypi.simple.v1+json", "https://a.example/s/x/") == (
        "https://a.example/s/x-1-py3-none-any.whl",
    )
    assert links("not json", "application/json", "https://a.example/") == ()


@given(st.text(max_size=200), st.sampled_from(["text/html", "application/json"]))
def test_any_page_is_read(text: str, kind: str) -> None:
    assert isinstance(links(text.replace("[", ""), kind, "https://a.example/"), tuple)


def test_the_environment_wins_over_the_files_and_the_help_has_the_default() -> None:
    listed = "\n".join(
        [
            "global.extra-index-url='file:///opt/a https://user:secret@b.example/simple'",
            "global.find-links='/opt/one'",
            ":env:.find-links='/opt/two /opt/three'",
            "install.index-url='https://not-asked.example/'",
            "global.timeout='3'",
        ]
    )
    settings = parse_settings(listed, HELP)
    assert settings.indexes == (
        "https://index.example/simple",
        "file:///opt/a",
        "https://user:secret@b.example/simple",
    )
    assert settings.find_links == ("/opt/two", "/opt/three")
    own = parse_settings("global.index-url='https://mine.example/'\n", HELP)
    assert own.indexes == ("https://mine.example/",)
    closed = parse_settings("global.no-index='true'\nglobal.find-links='/w'\n", HELP)
    assert (closed.indexes, closed.find_links) == ((), ("/w",))


def test_pip_without_any_index_is_told() -> None:
    with pytest.raises(UsageError, match="no package index"):
        parse_settings("", "no such option")


def test_a_url_of_the_scheme_has_a_name_and_a_file() -> None:
    assert split_pypi("pypi:Typing_Extensions/a-1-py3-none-any.whl") == (
        "typing-extensions",
        "a-1-py3-none-any.whl",
    )
    for wrong in ("pypi:", "pypi:a", "pypi:a/", "pypi:/b.whl", "pypi:a/../b.whl", "pypi:a/.whl"):
        with pytest.raises(UsageError):
            split_pypi(wrong)


def test_pages_of_indexes() -> None:
    assert page_url("https://i.example/simple/", "a-b") == "https://i.example/simple/a-b/"
    assert page_url("/srv/simple", "a") == "file:///srv/simple/a/"
    assert page_url("file:///srv/simple", "a") == "file:///srv/simple/a/"
    assert file_name("https://[broken") == ""
